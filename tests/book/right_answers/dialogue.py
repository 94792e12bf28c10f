"""Right answers to the exercises of 'Dialogue', each written in its own way."""

import itertools

import torch
import torch.nn.functional as F


def template__added_up_in_a_loop(messages):
    prompt = ""
    for message in messages:
        prompt += "<|im_start|>" + message["role"] + "\n"
        prompt += message["content"].strip() + "<|im_end|>" + "\n"
    prompt += "<|im_start|>assistant\n"
    return prompt


def template__joined_by_the_sign(messages):
    turns = ["\n".join([m["role"], m["content"].strip(" \n")]) for m in messages]
    return "<|im_end|>\n".join("<|im_start|>" + turn for turn in [*turns, "assistant\n"])


def answer__in_a_loop(question, questions, answers, threshold):
    best, text = -2.0, ""
    for vector, possible in zip(questions, answers, strict=True):
        cosine = (question @ vector / question.norm() / vector.norm()).item()
        if cosine > best:
            best, text = cosine, possible
    if best < threshold:
        return "I don't know."
    return text


def answer__normalized_first(question, questions, answers, threshold):
    question = question / question.norm()
    questions = questions / questions.norm(dim=-1, keepdim=True)
    value, place = torch.max(questions @ question, dim=0)
    return "I don't know." if value < threshold else answers[place]


def answer__by_torch_s_cosine(question, questions, answers, threshold):
    cosines = F.cosine_similarity(questions, question[None], dim=1).tolist()
    best = max(range(len(answers)), key=cosines.__getitem__)
    return answers[best] if cosines[best] >= threshold else "I don't know."


def targets_of__token_by_token(turns, ignore):
    inputs, targets = [], []
    for role, *parts in turns:
        for number, part in enumerate(parts):
            for token in part:
                inputs.append(token)
                targets.append(token if role == "assistant" and number == 1 else ignore)
    inputs.pop()
    del targets[0]
    return inputs, targets


def targets_of__filled_in_later(turns, ignore):
    tokens = [token for _, *parts in turns for token in itertools.chain(*parts)]
    targets, place = [ignore] * len(tokens), 0
    for role, head, body, tail in turns:
        place += len(head)
        if role == "assistant":
            targets[place - 1 : place - 1 + len(body)] = body
        place += len(body) + len(tail)
    return [tokens[:-1], targets[:-1]]


def fit__leaves_out_one_by_one(messages, length, window):
    kept = list(messages)
    first = 1 if kept[0]["role"] == "system" else 0
    while sum(length(m) for m in kept) > window or kept[first]["role"] != "user":
        if first + 1 >= len(kept):
            raise ValueError(f"messages: expected at most {window} tokens")
        del kept[first]
    return kept


def fit__from_the_end(messages, length, window):
    system = [m for m in messages[:1] if m["role"] == "system"]
    room, kept, best = window - sum(length(m) for m in system), [], None
    for message in reversed(messages[len(system) :]):
        room -= length(message)
        if room < 0:
            break
        kept = [message, *kept]
        if message["role"] == "user":
            best = kept
    if best is None:
        raise ValueError("the last message doesn't fit")
    return system + best


def until__letter_by_letter(pieces, stop):
    held = ""
    for piece in pieces:
        for letter in piece:
            held += letter
            if held == stop:
                return
            while not stop.startswith(held):
                yield held[0]
                held = held[1:]
    yield from held


def until__partition(pieces, stop):
    held = ""
    for piece in pieces:
        ready, found, _ = (held + piece).partition(stop)
        if found:
            yield ready
            return
        n = len(ready)
        start = next((i for i in range(n + 1) if stop.startswith(ready[i:])), n)
        yield ready[:start]
        held = ready[start:]
    yield held


def until__by_the_places_where_it_may_begin(pieces, stop):
    text, given = "", 0
    for piece in pieces:
        text += piece
        place = text.find(stop)
        if place >= 0:
            if place > given:
                yield text[given:place]
            return
        held = [n for n in range(1, len(stop)) if text.endswith(stop[:n])]
        safe = len(text) - max(held, default=0)
        if safe > given:
            yield text[given:safe]
            given = safe
    if text[given:]:
        yield text[given:]
