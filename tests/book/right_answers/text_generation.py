"""Right answers to the exercises of 'Text generation', each written in another way."""

import math
import re
from collections import Counter

import numpy as np
import torch


def repetition_rate__a_set_that_grows(ids, n):
    seen, repeated, runs = set(), 0, 0
    for i in range(len(ids) - n + 1):
        run = tuple(ids[i : i + n])
        repeated += run in seen
        seen.add(run)
        runs += 1
    return repeated / runs if runs else 0


def repetition_rate__counter(ids, n):
    if len(ids) < n:
        return 0.0
    counts = Counter(zip(*(ids[k:] for k in range(n))))  # noqa: B905
    return sum(count - 1 for count in counts.values()) / sum(counts.values())


def repetition_rate__numpy(ids, n):
    if len(ids) < n:
        return 0
    runs = np.array([ids[i : i + n] for i in range(len(ids) - n + 1)])
    return (len(runs) - len(np.unique(runs, axis=0))) / len(runs)


def top_p__loop(probabilities, p):
    kept, total = torch.zeros(len(probabilities)), 0.0
    for i in probabilities.argsort(descending=True).tolist():
        kept[i] = probabilities[i]
        total += probabilities[i].item()
        if total >= p:
            break
    return kept / total


def top_p__how_many(probabilities, p):
    values, places = torch.sort(probabilities, descending=True)
    n = min(int((values.cumsum(0) < p).sum()) + 1, len(values))
    result = torch.zeros_like(probabilities)
    result[places[:n]] = values[:n]
    return result / result.sum()


def top_p__a_copy_with_zeros(probabilities, p):
    order = torch.argsort(-probabilities)
    before = torch.cumsum(probabilities[order], 0) - probabilities[order]
    copy = probabilities.clone()
    copy[order[before >= p]] = 0
    return copy / copy.sum()


def min_p__softmax(logits, share):
    p = torch.softmax(logits, dim=-1)
    cut = p < share * p.amax(-1, keepdim=True)
    return torch.where(cut, torch.tensor(-math.inf), logits)


def min_p__row_by_row(logits, share):
    result = logits.clone()
    for row in result:
        ratio = torch.exp(row - row.max())
        row[ratio < share] = float("-inf")
    return result


def min_p__difference_of_logits(logits, share):
    if share == 0:
        return logits.clone()
    top, _ = logits.max(dim=1, keepdim=True)
    return logits.masked_fill(logits - top < math.log(share), -torch.inf)


def date_tokens__regex_with_backslash_d(written, tokens):
    month, day = r"(0[1-9]|1[0-2])", r"(0[1-9]|[12]\d|3[01])"
    beginnings = [
        r"\d{1,4}",
        r"\d{4}-",
        r"\d{4}-[01]",
        rf"\d{{4}}-{month}",
        rf"\d{{4}}-{month}-",
        rf"\d{{4}}-{month}-[0-3]",
        rf"\d{{4}}-{month}-{day}",
    ]
    return [any(re.fullmatch(b, written + token) for b in beginnings) for token in tokens]


def date_tokens__sign_by_sign(written, tokens):
    def fits(text):
        if len(text) > 10:
            return False
        for i, sign in enumerate(text):
            if i in (4, 7):
                if sign != "-":
                    return False
            elif sign not in "0123456789":
                return False
        month, day = text[5:7], text[8:10]
        if len(month) == 1 and month not in "01":
            return False
        if len(month) == 2 and not 1 <= int(month) <= 12:
            return False
        if len(day) == 1 and day not in "0123":
            return False
        return not (len(day) == 2 and not 1 <= int(day) <= 31)

    return [fits(written + token) for token in tokens]


def date_tokens__completed_by_an_example(written, tokens):
    whole = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
    examples = ("2001-01-01", "2001-12-31", "2001-10-10", "2001-01-30")
    return [
        any(whole.fullmatch(written + token + e[len(written + token) :]) for e in examples)
        for token in tokens
    ]


def verify__plain_python(p, q, drafted):
    keep = 1.0
    if p[drafted] < q[drafted]:
        keep = float(p[drafted]) / float(q[drafted])
    left = [max(float(a) - float(b), 0) for a, b in zip(p, q, strict=True)]
    total = sum(left)
    if total == 0:
        return keep, p
    return keep, torch.tensor([x / total for x in left])


def verify__minimum(p, q, drafted):
    shared = torch.minimum(p, q)
    keep = (shared[drafted] / q[drafted]).item()
    if torch.equal(p, q):
        return keep, p
    residual = p - shared
    return keep, residual / residual.sum()


def forget__by_places(cached, sinks, window):
    n = cached.shape[2]
    places = [i for i in range(n) if i < sinks or i >= n - window]
    return cached[:, :, places]


def forget__newest_begin_behind_the_sinks(cached, sinks, window):
    begin = max(sinks, cached.shape[2] - window)
    return torch.cat([cached[:, :, :sinks], cached[:, :, begin:]], dim=2)
