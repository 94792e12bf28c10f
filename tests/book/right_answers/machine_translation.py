"""Right answers to the exercises of 'Machine translation', each written in its own way."""

import heapq
import itertools
import math

import torch
import torch.nn.functional as F


def shifted__filled_up_in_a_loop(rows, start, end, ignore):
    longest = 0
    for row in rows:
        if len(row) > longest:
            longest = len(row)
    inputs, targets = [], []
    for row in rows:
        one, other = [start, *row], [*row, end]
        while len(one) < longest + 1:
            one.append(end)
            other.append(ignore)
        inputs.append(one)
        targets.append(other)
    return inputs, targets


def shifted__by_columns(rows, start, end, ignore):
    columns = itertools.zip_longest(*([start, *row] for row in rows), fillvalue=end)
    inputs = [list(row) for row in zip(*columns, strict=True)]
    columns = itertools.zip_longest(*([*row, end] for row in rows), fillvalue=ignore)
    return [inputs, [list(row) for row in zip(*columns, strict=True)]]


def shifted__written_over_what_fills(rows, start, end, ignore):
    width = max(len(row) for row in rows) + 1
    inputs = [[end] * width for _ in rows]
    targets = [[ignore] * width for _ in rows]
    for i, row in enumerate(rows):
        inputs[i][0] = start
        inputs[i][1 : len(row) + 1] = row
        targets[i][: len(row)] = row
        targets[i][len(row)] = end
    return inputs, targets


def recall__in_a_loop(message, pairs):
    asked = set(message.lower().split(" "))
    best, length, answer = 0, 0, message
    for source, target in pairs:
        words = {word.lower() for word in source.split()}
        similarity = len(asked.intersection(words)) / len(asked.union(words))
        nearer = similarity > best or (similarity == best and len(source) < length)
        if similarity > 0 and nearer:
            best, length, answer = similarity, len(source), target
    return answer


def recall__sorted_by_length_first(message, pairs):
    asked = set(message.lower().split())

    def distance(pair):
        words = set(pair[0].lower().split())
        return 1 - len(asked & words) / len(asked | words)

    for pair in sorted(sorted(pairs, key=lambda pair: len(pair[0])), key=distance):
        return pair[1] if distance(pair) < 1 else message
    return message


def recall__by_shared_over_not_shared(message, pairs):
    asked, found = set(message.lower().split()), []
    for source, target in pairs:
        words = set(source.lower().split())
        if shared := len(asked & words):
            found.append((-shared / (len(asked) + len(words)), len(source), target))
    return min(found)[2] if found else message


def best__in_a_loop(hypotheses, alpha):
    best, greatest = None, -math.inf
    for log_probability, tokens in hypotheses:
        score = log_probability / math.pow((5 + len(tokens)) / 6, alpha)
        if score > greatest:
            best, greatest = tokens, score
    return best


def best__by_logarithms(hypotheses, alpha):
    def score(pair):
        return pair[0] * math.exp(-alpha * (math.log(5 + len(pair[1])) - math.log(6)))

    return sorted(hypotheses, key=score)[-1][1]


def best__by_tensors(hypotheses, alpha):
    scores = torch.tensor([h[0] for h in hypotheses])
    lengths = torch.tensor([float(len(h[1])) for h in hypotheses])
    return hypotheses[int((scores / ((5 + lengths) / 6) ** alpha).argmax())][1]


def align__in_loops(weights, read, written):
    pairs = []
    for t, target in enumerate(written):
        if target == "<|end|>":
            continue
        greatest, source = -1.0, None
        for s, token in enumerate(read):
            if token != "<|end|>" and weights[t][s] > greatest:
                greatest, source = weights[t][s], token
        pairs.append((target, source))
    return pairs


def align__by_the_columns_that_may_be_taken(weights, read, written):
    places = [s for s, token in enumerate(read) if token != "<|end|>"]
    chosen = weights[:, places].argmax(dim=1)
    pairs = [(target, read[places[i]]) for target, i in zip(written, chosen, strict=True)]
    return [pair for pair in pairs if pair[0] != "<|end|>"]


def align__ends_set_to_minus_infinity_in_a_copy(weights, read, written):
    weights = weights.clone()
    for s in range(len(read)):
        if read[s] == "<|end|>":
            weights[:, s] = -float("inf")
    rows = [t for t in range(len(written)) if written[t] != "<|end|>"]
    return [(written[t], read[weights[t].argmax().item()]) for t in rows]


def search__with_a_heap(next_log_probs, end, k, longest):
    beam, best = [(0.0, ())], (-math.inf, None)
    for _ in range(longest):
        grown = []
        for score, tokens in beam:
            for token, more in next_log_probs(tokens).items():
                grown.append((score + more, (*tokens, token)))
        beam = []
        for hypothesis in heapq.nlargest(k, grown, key=lambda pair: pair[0]):
            if hypothesis[1][-1] != end:
                beam.append(hypothesis)
            elif hypothesis[0] > best[0]:
                best = hypothesis
    return best[1]


def search__stops_when_nothing_can_overtake(next_log_probs, end, k, longest):
    beam, done = {(): 0.0}, {}
    while beam and longest > 0 and max(beam.values()) > max(done.values(), default=-math.inf):
        grown = {
            (*tokens, token): score + more
            for tokens, score in beam.items()
            for token, more in next_log_probs(tokens).items()
        }
        kept = sorted(grown, key=grown.get, reverse=True)[:k]
        done |= {tokens: grown[tokens] for tokens in kept if tokens[-1] == end}
        beam = {tokens: grown[tokens] for tokens in kept if tokens[-1] != end}
        longest -= 1
    return max(done, key=done.get, default=None)


def search__by_recursion(next_log_probs, end, k, longest):
    def on(beam, left):
        if not beam or not left:
            return []
        grown = [
            (score + more, (*tokens, token))
            for score, tokens in beam
            for token, more in next_log_probs(tokens).items()
        ]
        kept = sorted(grown)[-k:]
        going = [h for h in kept if h[1][-1] != end]
        return [h for h in kept if h[1][-1] == end] + on(going, left - 1)

    finished = on([(0.0, ())], longest)
    return max(finished)[1] if finished else None


@torch.no_grad()
def write__with_a_mask_of_rows_that_go_on(model, source, start, end, longest):
    memory, caches = model.encode(source), model.new_caches(longest)
    token = torch.full((source.shape[0], 1), start)
    going, columns = torch.ones(source.shape[0], dtype=torch.bool), []
    while going.any() and len(columns) < longest:
        logits = model.decode(token, memory, caches=caches)
        token = F.softmax(logits[:, -1], dim=-1).argmax(dim=-1, keepdim=True)
        columns.append(token[:, 0])
        going &= token[:, 0] != end
    written = torch.stack(columns, dim=1).tolist()
    return [row[: row.index(end)] if end in row else row for row in written]


@torch.no_grad()
def write__without_a_key_value_cache(model, source, start, end, longest):
    memory = model.encode(source, torch.ones_like(source, dtype=torch.bool))
    texts = torch.full((len(source), 1), start)
    for _ in range(longest):
        best = model.decode(texts, memory)[:, -1:].argmax(-1)
        texts = torch.cat([texts, best], dim=1)
        if all(end in text[1:] for text in texts.tolist()):
            break
    rows = []
    for text in texts[:, 1:].tolist():
        rows.append([])
        for token in text:
            if token == end:
                break
            rows[-1].append(token)
    return rows
