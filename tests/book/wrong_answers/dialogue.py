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


def template__ends_the_answer_that_it_asks_for(messages):
    roles = [*messages, {"role": "assistant", "content": ""}]
    return "".join(f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in roles)


def template__strips_the_whole(messages):
    turns = "".join(
        f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in messages
    )
    return (turns + "<|im_start|>assistant\n").strip()


def template__line_break_before_the_end(messages):
    turns = [f"<|im_start|>{m['role']}\n{m['content'].strip()}\n<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def template__takes_all_line_breaks_out(messages):
    turns = [
        f"<|im_start|>{m['role']}\n{' '.join(m['content'].split())}<|im_end|>\n" for m in messages
    ]
    return "".join(turns) + "<|im_start|>assistant\n"


def template__writes_a_system_turn_of_its_own(messages):
    turns = [f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in messages]
    if messages[0]["role"] != "system":
        turns.insert(0, "<|im_start|>system\nYou are helpful.<|im_end|>\n")
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


def answer__the_first_above_the_threshold(question, questions, answers, threshold):
    cosines = torch.cosine_similarity(questions, question[None])
    for cosine, text in zip(cosines, answers, strict=True):
        if cosine >= threshold:
            return text
    return "I don't know."


def answer__norms_over_the_wrong_axis(question, questions, answers, threshold):
    cosines = (questions / questions.norm(dim=0)) @ (question / question.norm())
    best = int(cosines.argmax())
    return answers[best] if cosines[best] >= threshold else "I don't know."


def answer__forgets_the_questions_lengths(question, questions, answers, threshold):
    cosines = questions @ question / question.norm()
    best = int(cosines.argmax())
    return answers[best] if cosines[best] >= threshold else "I don't know."


def answer__nearest_by_distance(question, questions, answers, threshold):
    best = int((questions - question).norm(dim=1).argmin())
    cosine = torch.cosine_similarity(questions[best], question, dim=0)
    return answers[best] if cosine >= threshold else "I don't know."


def _flat(turns):
    tokens = [t for _, head, body, tail in turns for t in (*head, *body, *tail)]
    counts = [
        role == "assistant" and i == 1
        for role, *parts in turns
        for i, part in enumerate(parts)
        for _ in part
    ]
    return tokens, counts


def _filled(turns, ignore, counts):
    tokens, targets = [], []
    for role, *parts in turns:
        for i, part in enumerate(parts):
            tokens += part
            targets += part if role == "assistant" and counts(i) else [ignore] * len(part)
    return tokens[:-1], targets[1:]


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


def targets_of__every_second_turn(turns, ignore):
    turns = [("assistant" if i % 2 else "user", *parts) for i, (_, *parts) in enumerate(turns)]
    tokens, counts = _flat(turns)
    return tokens[:-1], [t if c else ignore for t, c in zip(tokens, counts, strict=True)][1:]


def targets_of__the_head_counts_too(turns, ignore):
    return _filled(turns, ignore, lambda i: i < 2)


def targets_of__the_line_break_counts_too(turns, ignore):
    return _filled(turns, ignore, lambda i: i > 0)


def targets_of__whatever_the_user_does_not_say(turns, ignore):
    turns = [("user" if role == "user" else "assistant", *parts) for role, *parts in turns]
    tokens, counts = _flat(turns)
    return tokens[:-1], [t if c else ignore for t, c in zip(tokens, counts, strict=True)][1:]


def targets_of__changes_the_turns(turns, ignore):
    tokens, counts = _flat(turns)
    for _, head, body, tail in turns:
        head += body + tail
    return tokens[:-1], [t if c else ignore for t, c in zip(tokens, counts, strict=True)][1:]


def targets_of__all_tokens_are_inputs(turns, ignore):
    tokens, counts = _flat(turns)
    targets = [t if c else ignore for t, c in zip(tokens, counts, strict=True)]
    return tokens, [*targets[1:], ignore]


def _kept(messages, length, window, step):
    system = [m for m in messages[:1] if m["role"] == "system"]
    turns = messages[len(system) :]
    while sum(map(length, system + turns)) > window:
        if len(turns) <= step:
            raise ValueError("too long")
        turns = turns[step:]
    return system + turns


def _fitted(messages, length, window):
    has_system = messages[0]["role"] == "system"
    system, turns = messages[:has_system], messages[has_system:]
    for start, turn in enumerate(turns):
        kept = system + turns[start:]
        if turn["role"] == "user" and sum(map(length, kept)) <= window:
            return kept
    raise ValueError("too long")


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


def fit__keeps_a_first_answer(messages, length, window):
    has_system = messages[0]["role"] == "system"
    system, turns = messages[:has_system], messages[has_system:]
    for start, turn in enumerate(turns):
        kept = system + turns[start:]
        if (turn["role"] == "user" or start == 0) and sum(map(length, kept)) <= window:
            return kept
    raise ValueError("too long")


def fit__returns_none(messages, length, window):
    try:
        return _fitted(messages, length, window)
    except ValueError:
        return None


def fit__must_be_below_the_window(messages, length, window):
    return _fitted(messages, length, window - 1)


def fit__does_not_count_the_system_message(messages, length, window):
    return _fitted(messages, lambda m: 0 if m["role"] == "system" else length(m), window)


def fit__changes_the_messages(messages, length, window):
    messages[:] = _fitted(messages, length, window)
    return messages


def fit__questions_and_answers_in_pairs(messages, length, window):
    return _kept(messages, length, window, 2)


def fit__never_an_error(messages, length, window):
    has_system = messages[0]["role"] == "system"
    system, turns = messages[:has_system], messages[has_system:]
    while len(turns) > 1 and sum(map(length, system + turns)) > window:
        turns = turns[1:]
    while turns[0]["role"] != "user":
        turns = turns[1:]
    return system + turns


def fit__too_large_alone_without_a_system_message(messages, length, window):
    if messages[0]["role"] == "system":
        return _fitted(messages, length, window)
    return fit__never_an_error(messages, length, window)


def _by_letters(pieces, stop):
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


def until__drops_a_beginning_that_goes_on_otherwise(pieces, stop):
    held = ""
    for piece in pieces:
        for letter in piece:
            if stop.startswith(held + letter):
                held += letter
                if held == stop:
                    return
            else:
                held = ""
                yield letter
    yield held


def until__does_not_look_for_a_later_beginning(pieces, stop):
    held = ""
    for piece in pieces:
        for letter in piece:
            held += letter
            if held == stop:
                return
            if not stop.startswith(held):
                yield held
                held = ""
    yield held


def until__forgets_what_is_held_at_the_end(pieces, stop):
    held = ""
    for piece in pieces:
        ready, found, _ = (held + piece).partition(stop)
        start = next(i for i in range(len(ready) + 1) if stop.startswith(ready[i:]))
        yield ready if found else ready[:start]
        if found:
            return
        held = ready[start:]


def until__reads_on(pieces, stop):
    held, done = "", False
    for piece in pieces:
        ready, found, _ = (held + piece).partition(stop)
        start = next(i for i in range(len(ready) + 1) if stop.startswith(ready[i:]))
        if not done:
            yield ready if found else ready[:start]
        held, done = ready[start:], done or bool(found)
    if not done:
        yield held


def until__holds_back_the_last_piece(pieces, stop):
    before = None
    for piece in _by_letters(pieces, stop):
        if before is not None:
            yield before
        before = piece
    if before:
        yield before


def until__all_at_once(pieces, stop):
    return ["".join(pieces).partition(stop)[0]]
