"""Plausible wrong answers to the exercises of 'Machine translation'."""

import math
import re

import torch


def shifted__no_shift(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[*row, end] + [end] * (longest - len(row)) for row in rows]
    return inputs, [[*row, end] + [ignore] * (longest - len(row)) for row in rows]


def shifted__no_end(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[start, *row] + [end] * (longest - len(row)) for row in rows]
    return inputs, [row + [ignore] * (longest + 1 - len(row)) for row in rows]


def shifted__trains_on_the_filling(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[start, *row] + [end] * (longest - len(row)) for row in rows]
    return inputs, [row + [end] * (longest + 1 - len(row)) for row in rows]


def shifted__fills_up_at_the_front(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[end] * (longest - len(row)) + [start, *row] for row in rows]
    return inputs, [[ignore] * (longest - len(row)) + [*row, end] for row in rows]


def shifted__changes_the_rows(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[start, *row] + [end] * (longest - len(row)) for row in rows]
    for row in rows:
        row.append(end)
        row.extend([ignore] * (longest + 1 - len(row)))
    return inputs, rows


def shifted__as_long_as_the_first(rows, start, end, ignore):
    longest = len(rows[0])
    inputs = [[start, *row] + [end] * (longest - len(row)) for row in rows]
    return inputs, [[*row, end] + [ignore] * (longest - len(row)) for row in rows]


def shifted__cuts_instead_of_growing(rows, start, end, ignore):
    longest = max(map(len, rows))
    filled = [[*row, end] + [ignore] * (longest - len(row)) for row in rows]
    return [[start, *row][:longest] for row in rows], [row[:longest] for row in filled]


def shifted__fills_inputs_with_ignore(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[start, *row] + [ignore] * (longest - len(row)) for row in rows]
    return inputs, [[*row, end] + [ignore] * (longest - len(row)) for row in rows]


def shifted__end_behind_the_filling(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[start, *row] + [end] * (longest - len(row)) for row in rows]
    return inputs, [[*row] + [ignore] * (longest - len(row)) + [end] for row in rows]


def shifted__a_row_of_filling_more(rows, start, end, ignore):
    longest = max(map(len, rows))
    inputs = [[start, *row] + [end] * (longest - len(row)) for row in [*rows, []]]
    targets = [[*row, end] + [ignore] * (longest - len(row)) for row in [*rows, []]]
    return inputs, targets


def recall__counts_repeated_words(message, pairs):
    asked = message.lower().split()
    source, target = max(
        pairs, key=lambda p: (sum(w in asked for w in p[0].lower().split()), -len(p[0]))
    )
    return target if set(asked) & set(source.lower().split()) else message


def recall__cares_about_case(message, pairs):
    asked = set(message.split())
    source, target = max(
        pairs,
        key=lambda p: (len(asked & set(p[0].split())) / len(asked | set(p[0].split())), -len(p[0])),
    )
    return target if asked & set(source.split()) else message


def recall__divides_by_the_message_only(message, pairs):
    asked = set(message.lower().split())
    source, target = max(pairs, key=lambda p: len(asked & set(p[0].lower().split())) / len(asked))
    return target if asked & set(source.lower().split()) else message


def _jaccard(message, source):
    a, b = set(message.lower().split()), set(source.lower().split())
    return len(a & b) / len(a | b)


def recall__takes_the_first_of_equals(message, pairs):
    source, target = max(pairs, key=lambda p: _jaccard(message, p[0]))
    return target if _jaccard(message, source) else message


def recall__always_finds_something(message, pairs):
    return max(pairs, key=lambda p: (_jaccard(message, p[0]), -len(p[0])))[1]


def _shortest(message, pairs, length):
    best = max(pairs, key=lambda p: (_jaccard(message, p[0]), -length(p[0])))
    return best[1] if _jaccard(message, best[0]) else message


def recall__shortest_in_words(message, pairs):
    return _shortest(message, pairs, lambda source: len(source.split()))


def recall__longest_of_equals(message, pairs):
    return _shortest(message, pairs, lambda source: -len(source))


def recall__counts_shared_words_only(message, pairs):
    asked = set(message.lower().split())
    best = max(pairs, key=lambda p: (len(asked & set(p[0].lower().split())), -len(p[0])))
    return best[1] if asked & set(best[0].lower().split()) else message


def recall__splits_at_punctuation(message, pairs):
    def spaced(text):
        return re.sub(r"\W", " ", text)

    best = max(pairs, key=lambda p: (_jaccard(spaced(message), spaced(p[0])), -len(p[0])))
    return best[1] if _jaccard(spaced(message), spaced(best[0])) else message


def recall__returns_the_source(message, pairs):
    best = max(pairs, key=lambda p: (_jaccard(message, p[0]), -len(p[0])))
    return best[0] if _jaccard(message, best[0]) else message


def best__ignores_the_length(hypotheses, alpha):
    return max(hypotheses)[1]


def best__takes_the_least(hypotheses, alpha):
    return min(hypotheses, key=lambda h: h[0] / ((5 + len(h[1])) / 6) ** alpha)[1]


def best__divides_by_the_number_of_tokens(hypotheses, alpha):
    return max(hypotheses, key=lambda h: h[0] / len(h[1]) ** alpha)[1]


def best__multiplies(hypotheses, alpha):
    return max(hypotheses, key=lambda h: h[0] * ((5 + len(h[1])) / 6) ** alpha)[1]


def best__alpha_as_a_factor(hypotheses, alpha):
    return max(hypotheses, key=lambda h: h[0] / (1 + alpha * (5 + len(h[1])) / 6))[1]


def best__power_before_the_division(hypotheses, alpha):
    return max(hypotheses, key=lambda h: h[0] / (5 + len(h[1])) / 6**alpha)[1]


def best__divides_n_alone_by_six(hypotheses, alpha):
    return max(hypotheses, key=lambda h: h[0] / (5 + len(h[1]) / 6) ** alpha)[1]


def best__the_greatest_without_its_sign(hypotheses, alpha):
    return max(hypotheses, key=lambda h: abs(h[0]) / ((5 + len(h[1])) / 6) ** alpha)[1]


def best__returns_the_pair(hypotheses, alpha):
    return max(hypotheses, key=lambda h: h[0] / ((5 + len(h[1])) / 6) ** alpha)


def best__the_longest(hypotheses, alpha):
    return max(hypotheses, key=lambda h: len(h[1]))[1]


def align__keeps_the_source_s_end(weights, read, written):
    best = weights.argmax(-1).tolist()
    return [(w, read[i]) for w, i in zip(written, best, strict=True) if w != "<|end|>"]


def align__looks_along_the_wrong_axis(weights, read, written):
    best = weights.argmax(0).tolist()
    return [(written[i], r) for r, i in zip(read, best, strict=True) if r != "<|end|>"]


def align__pairs_the_end_that_is_written(weights, read, written):
    ends = torch.tensor([token == "<|end|>" for token in read])
    best = weights.masked_fill(ends, -1).argmax(-1)
    return [(w, read[i]) for w, i in zip(written, best.tolist(), strict=True)]


def align__takes_the_last_token_for_the_end(weights, read, written):
    best = weights[:, :-1].argmax(-1).tolist()
    return [(w, read[i]) for w, i in zip(written, best, strict=True) if w != "<|end|>"]


def align__the_other_way_round(weights, read, written):
    ends = torch.tensor([token == "<|end|>" for token in read])
    best = weights.masked_fill(ends, -1).argmax(-1).tolist()
    return [(read[i], w) for w, i in zip(written, best, strict=True) if w != "<|end|>"]


def align__sets_the_end_to_zero(weights, read, written):
    ends = torch.tensor([token == "<|end|>" for token in read])
    best = weights.masked_fill(ends, 0).argmax(-1).tolist()
    return [(w, read[i]) for w, i in zip(written, best, strict=True) if w != "<|end|>"]


def align__changes_the_weights(weights, read, written):
    weights[:, [token == "<|end|>" for token in read]] = -1
    best = weights.argmax(-1).tolist()
    return [(w, read[i]) for w, i in zip(written, best, strict=True) if w != "<|end|>"]


def align__drops_who_looks_at_the_end(weights, read, written):
    pairs = [(w, read[i]) for w, i in zip(written, weights.argmax(-1).tolist(), strict=True)]
    return [pair for pair in pairs if "<|end|>" not in pair]


def align__forgets_that_places_moved(weights, read, written):
    places = [s for s, token in enumerate(read) if token != "<|end|>"]
    best = weights[:, places].argmax(-1).tolist()
    return [(w, read[i]) for w, i in zip(written, best, strict=True) if w != "<|end|>"]


def _search(next_log_probs, end, k, longest, keep, pick):
    beam, finished = [(0.0, ())], []
    for _ in range(longest):
        grown = [
            (score + more, (*tokens, token))
            for score, tokens in beam
            for token, more in next_log_probs(tokens).items()
        ]
        kept = keep(grown, k)
        finished += [h for h in kept if h[1][-1] == end]
        beam = [h for h in kept if h[1][-1] != end]
    return pick(finished, beam)


def _greatest(grown, k):
    return sorted(grown, key=lambda h: -h[0])[:k]


def search__greedy_whatever_k(next_log_probs, end, k, longest):
    return _search(
        next_log_probs,
        end,
        1,
        longest,
        _greatest,
        lambda finished, _: max(finished)[1] if finished else None,
    )


def search__returns_what_finished_first(next_log_probs, end, k, longest):
    tokens, beam = (), [(0.0, ())]
    for _ in range(longest):
        beam = _greatest(
            [(s + m, (*t, x)) for s, t in beam for x, m in next_log_probs(t).items()], k
        )
        for _, tokens in reversed(beam):
            if tokens[-1] == end:
                return tokens
    return None


def search__keeps_the_least_likely(next_log_probs, end, k, longest):
    return _search(
        next_log_probs,
        end,
        k,
        longest,
        lambda grown, k: sorted(grown)[:k],
        lambda finished, _: max(finished)[1] if finished else None,
    )


def search__returns_the_unfinished(next_log_probs, end, k, longest):
    return _search(
        next_log_probs,
        end,
        k,
        longest,
        _greatest,
        lambda finished, beam: max(finished + beam)[1],
    )


def search__multiplies_log_probabilities(next_log_probs, end, k, longest):
    beam, finished = [(1.0, ())], []
    for _ in range(longest):
        grown = [
            (s * math.exp(m) if s else s * m, (*t, x))
            for s, t in beam
            for x, m in next_log_probs(t).items()
        ]
        kept = sorted(grown)[:k]
        finished += [h for h in kept if h[1][-1] == end]
        beam = [h for h in kept if h[1][-1] != end]
    return max(finished)[1] if finished else None


def search__keeps_finished_ones_in_the_beam(next_log_probs, end, k, longest):
    beam = [(0.0, ())]
    for _ in range(longest):
        grown = [(s + m, (*t, x)) for s, t in beam for x, m in next_log_probs(t).items()]
        beam = _greatest(grown, k)
    return next((tokens for _, tokens in beam if tokens[-1] == end), None)


def search__stops_when_k_are_finished(next_log_probs, end, k, longest):
    beam, finished = [(0.0, ())], []
    for _ in range(longest):
        kept = _greatest(
            [(s + m, (*t, x)) for s, t in beam for x, m in next_log_probs(t).items()], k
        )
        finished += [h for h in kept if h[1][-1] == end]
        beam = [h for h in kept if h[1][-1] != end]
        if len(finished) >= k:
            break
    return max(finished)[1] if finished else None


def search__finished_ones_take_no_place(next_log_probs, end, k, longest):
    beam, finished = [(0.0, ())], []
    for _ in range(longest):
        grown = [(s + m, (*t, x)) for s, t in beam for x, m in next_log_probs(t).items()]
        finished += [h for h in grown if h[1][-1] == end]
        beam = _greatest([h for h in grown if h[1][-1] != end], k)
    return max(finished)[1] if finished else None


def search__finished_ones_take_their_place_for_ever(next_log_probs, end, k, longest):
    beam, finished = [(0.0, ())], []
    for _ in range(longest):
        grown = [(s + m, (*t, x)) for s, t in beam for x, m in next_log_probs(t).items()]
        kept = _greatest(grown, k - len(finished))
        finished += [h for h in kept if h[1][-1] == end]
        beam = [h for h in kept if h[1][-1] != end]
    return max(finished)[1] if finished else None


def search__divides_by_the_length(next_log_probs, end, k, longest):
    return _search(
        next_log_probs,
        end,
        k,
        longest,
        _greatest,
        lambda finished, _: max(finished, key=lambda h: h[0] / len(h[1]))[1] if finished else None,
    )


def search__one_token_too_many(next_log_probs, end, k, longest):
    return _search(
        next_log_probs,
        end,
        k,
        longest + 1,
        _greatest,
        lambda finished, _: max(finished)[1] if finished else None,
    )


def search__one_token_too_few(next_log_probs, end, k, longest):
    return search__one_token_too_many(next_log_probs, end, k, longest - 2)


def search__leaves_out_the_end(next_log_probs, end, k, longest):
    found = search__one_token_too_many(next_log_probs, end, k, longest - 1)
    return found and found[:-1]


@torch.no_grad()
def _decode(model, source, start, steps):
    memory, caches = model.encode(source), model.new_caches(max(steps, 1))
    token, columns = torch.full((len(source), 1), start), []
    for _ in range(steps):
        token = model.decode(token, memory, caches=caches).argmax(-1)
        columns.append(token)
    return torch.cat(columns, dim=1).tolist()


def write__never_stops(model, source, start, end, longest):
    rows = _decode(model, source, start, longest)
    return [row[: row.index(end)] if end in row else row for row in rows]


def write__keeps_what_comes_behind_the_end(model, source, start, end, longest):
    return [[i for i in row if i != end] for row in _decode(model, source, start, longest)]


def write__keeps_the_end(model, source, start, end, longest):
    rows = _decode(model, source, start, longest)
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


@torch.no_grad()
def write__stops_when_the_first_row_ends(model, source, start, end, longest):
    memory, caches = model.encode(source), model.new_caches(longest)
    token, rows = torch.full((len(source), 1), start), [[] for _ in source]
    for _ in range(longest):
        token = model.decode(token, memory, caches=caches).argmax(-1)
        if (token == end).any():
            break
        for row, new in zip(rows, token[:, 0].tolist(), strict=True):
            row.append(new)
    return rows


@torch.no_grad()
def write__reads_the_source_at_every_step(model, source, start, end, longest):
    written = torch.full((len(source), 1), start)
    for _ in range(longest):
        token = model(source, written)[:, -1:].argmax(-1)
        written = torch.cat([written, token], dim=1)
        if (written == end).any(1).all():
            break
    rows = [row[1:] for row in written.tolist()]
    return [row[: row.index(end)] if end in row else row for row in rows]


@torch.no_grad()
def write__takes_id_0_for_padding(model, source, start, end, longest):
    memory, caches = model.encode(source, source != 0), model.new_caches(longest)
    token, rows = torch.full((len(source), 1), start), [[] for _ in source]
    for _ in range(longest):
        token = model.decode(token, memory, caches=caches).argmax(-1)
        for row, new in zip(rows, token[:, 0].tolist(), strict=True):
            row.append(new)
        if all(end in row for row in rows):
            break
    return [row[: row.index(end)] if end in row else row for row in rows]


@torch.no_grad()
def write__goes_on_one_step_too_long(model, source, start, end, longest):
    memory, caches = model.encode(source), model.new_caches(longest)
    token, rows, done = torch.full((len(source), 1), start), [[] for _ in source], False
    for _ in range(longest):
        token = model.decode(token, memory, caches=caches).argmax(-1)
        for row, new in zip(rows, token[:, 0].tolist(), strict=True):
            row.append(new)
        if done:
            break
        done = all(end in row for row in rows)
    return [row[: row.index(end)] if end in row else row for row in rows]


@torch.no_grad()
def write__one_token_too_few(model, source, start, end, longest):
    memory, caches = model.encode(source), model.new_caches(longest)
    token, rows = torch.full((len(source), 1), start), [[] for _ in source]
    for _ in range(longest - 1):
        token = model.decode(token, memory, caches=caches).argmax(-1)
        for row, new in zip(rows, token[:, 0].tolist(), strict=True):
            row.append(new)
        if all(end in row for row in rows):
            break
    return [row[: row.index(end)] if end in row else row for row in rows]
