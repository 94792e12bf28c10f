"""Plausible wrong answers to the exercises of 'Dialogue'."""

import torch


def template__no_beginning_of_an_answer(messages):
    return "".join(f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in messages)


def template__no_line_break_after_the_end(messages):
    turns = [f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def template__role_and_text_in_one_line(messages):
    turns = [f"<|im_start|>{m['role']}: {m['content'].strip()}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant: "


def template__keeps_spaces_at_the_ends(messages):
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def template__changes_the_messages(messages):
    for m in messages:
        m["content"] = m["content"].strip()
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def answer__products_instead_of_cosines(question, questions, answers, threshold):
    products = questions @ question
    best = int(products.argmax())
    return answers[best] if products[best] >= threshold else "I don't know."


def answer__forgets_the_question_s_length(question, questions, answers, threshold):
    cosines = questions @ question / questions.norm(dim=1)
    best = int(cosines.argmax())
    return answers[best] if cosines[best] >= threshold else "I don't know."


def answer__opposites_are_near(question, questions, answers, threshold):
    cosines = (questions @ question / (questions.norm(dim=1) * question.norm())).abs()
    best = int(cosines.argmax())
    return answers[best] if cosines[best] >= threshold else "I don't know."


def answer__above_the_threshold_only(question, questions, answers, threshold):
    cosines = questions @ question / (questions.norm(dim=1) * question.norm())
    best = int(cosines.argmax())
    return answers[best] if cosines[best] > threshold else "I don't know."


def answer__always_answers(question, questions, answers, threshold):
    return answers[int(torch.cosine_similarity(questions, question[None]).argmax())]


def _flat(turns):
    tokens = [t for _, head, body, tail in turns for t in (*head, *body, *tail)]
    counts = [
        role == "assistant" and i == 1
        for role, *parts in turns
        for i, part in enumerate(parts)
        for _ in part
    ]
    return tokens, counts


def targets_of__no_shift(turns, ignore):
    tokens, counts = _flat(turns)
    return tokens[:-1], [t if c else ignore for t, c in zip(tokens, counts, strict=True)][:-1]


def targets_of__mask_not_shifted(turns, ignore):
    tokens, counts = _flat(turns)
    pairs = zip(tokens[1:], counts[:-1], strict=True)
    return tokens[:-1], [t if c else ignore for t, c in pairs]


def targets_of__everything_counts(turns, ignore):
    tokens, _ = _flat(turns)
    return tokens[:-1], tokens[1:]


def targets_of__the_last_answer_only(turns, ignore):
    tokens, counts = _flat(turns)
    first = len(tokens) - sum(map(len, turns[-1][1:]))
    counts = [c and i >= first for i, c in enumerate(counts)]
    targets = [t if c else ignore for t, c in zip(tokens, counts, strict=True)]
    return tokens[:-1], targets[1:]


def targets_of__never_learns_to_stop(turns, ignore):
    tokens = [t for _, head, body, tail in turns for t in (*head, *body, *tail)]
    counts = []
    for role, head, body, tail in turns:
        counts += [False] * len(head) + [role == "assistant"] * (len(body) - 1)
        counts += [False] * (1 + len(tail))
    targets = [t if c else ignore for t, c in zip(tokens, counts, strict=True)]
    return tokens[:-1], targets[1:]


def _kept(messages, length, window, step):
    system = [m for m in messages[:1] if m["role"] == "system"]
    turns = messages[len(system) :]
    while sum(map(length, system + turns)) > window:
        if len(turns) <= step:
            raise ValueError("too long")
        turns = turns[step:]
    return system + turns


def fit__begins_with_an_answer(messages, length, window):
    return _kept(messages, length, window, 1)


def fit__forgets_the_system_message(messages, length, window):
    turns = list(messages)
    while sum(map(length, turns)) > window or turns[0]["role"] == "assistant":
        if len(turns) == 1:
            raise ValueError("too long")
        turns = turns[1:]
    return turns


def fit__no_error(messages, length, window):
    try:
        return _kept(messages, length, window, 2)
    except ValueError:
        return messages[:1] + messages[-1:]


def fit__takes_the_first_for_the_system(messages, length, window):
    system, turns = messages[:1], messages[1:]
    while sum(map(length, system + turns)) > window:
        if len(turns) <= 2:
            raise ValueError("too long")
        turns = turns[2:]
    return system + turns


def fit__forgets_the_newest(messages, length, window):
    turns = list(messages)
    while sum(map(length, turns)) > window:
        if len(turns) <= 2:
            raise ValueError("too long")
        turns = turns[:-2]
    return turns


def until__looks_at_each_piece_alone(pieces, stop):
    for piece in pieces:
        if stop in piece:
            yield piece[: piece.index(stop)]
            return
        yield piece


def until__waits_for_the_end(pieces, stop):
    yield "".join(pieces).split(stop)[0]


def until__loses_what_it_holds(pieces, stop):
    held = ""
    for piece in pieces:
        held += piece
        if stop in held:
            yield held[: held.index(stop)]
            return
        keep = len(stop) - 1
        yield held[: len(held) - keep] if len(held) > keep else ""
        held = held[-keep:]


def until__holds_back_too_much(pieces, stop):
    held = ""
    for piece in pieces:
        held += piece
        if stop in held:
            yield held[: held.index(stop)]
            return
        keep = len(stop) - 1
        if len(held) > keep:
            yield held[:-keep]
            held = held[-keep:]
    yield held


def until__yields_the_stop_string(pieces, stop):
    held = ""
    for piece in pieces:
        held += piece
        if stop in held:
            yield held
            return
        sizes = range(min(len(stop) - 1, len(held)), 0, -1)
        keep = next((n for n in sizes if stop.startswith(held[-n:])), 0)
        yield held[: len(held) - keep]
        held = held[len(held) - keep :]
    yield held
