"""Right answers to the exercises of 'The mathematics of self-attention', written differently."""

import math

import numpy as np
import torch


def softmax__through_the_logarithm(scores, dim):
    return torch.exp(scores - torch.logsumexp(scores, dim, keepdim=True))


def softmax__with_numpy(scores, dim):
    z = scores.numpy()
    powers = np.exp(z - np.max(z, axis=dim, keepdims=True))
    return powers / np.sum(powers, axis=dim, keepdims=True)


def softmax__axis_by_axis(scores, dim):
    rows = scores.movedim(dim, -1)
    result = torch.empty_like(rows)
    for place in np.ndindex(rows.shape[:-1]):
        powers = (rows[place] - rows[place].max()).exp()
        result[place] = powers / powers.sum()
    return result.movedim(-1, dim)


def attend__by_einsum(queries, keys, values):
    scores = torch.einsum("qd,kd->qk", queries, keys) * queries.size(1) ** -0.5
    return torch.einsum("qk,ke->qe", scores.softmax(1), values)


def attend__query_by_query(queries, keys, values):
    rows = []
    for query in queries:
        scores = torch.stack([(query * key).sum() for key in keys]) / len(query) ** 0.5
        weights = torch.softmax(scores, dim=0)
        rows.append(sum(w * value for w, value in zip(weights, values, strict=True)))
    return torch.stack(rows)


def attend__scales_both_sides(queries, keys, values):
    quarter = keys.shape[1] ** 0.25
    weights = torch.softmax((queries / quarter).matmul((keys / quarter).T), dim=-1)
    return weights.matmul(values)


def late_causal_mask__by_tril(query_len, key_len):
    return torch.ones(query_len, key_len, dtype=torch.bool).tril(key_len - query_len)


def late_causal_mask__two_loops(query_len, key_len):
    rows = []
    for i in range(query_len):
        rows.append([j <= key_len - query_len + i for j in range(key_len)])
    return torch.tensor(rows)


def late_causal_mask__last_rows_of_the_square(query_len, key_len):
    square = ~torch.triu(torch.ones(key_len, key_len), diagonal=1).bool()
    return square[-query_len:]


def masked_weights__row_by_row(scores, mask):
    weights = torch.zeros_like(scores)
    for row, allowed, into in zip(scores, mask, weights, strict=True):
        if allowed.any():
            into[allowed] = row[allowed].softmax(0)
    return weights


def masked_weights__nan_to_zero(scores, mask):
    hidden = torch.where(mask, scores, torch.tensor(-math.inf))
    return torch.nan_to_num(torch.softmax(hidden, dim=1), nan=0.0)


def masked_weights__divides_by_the_sum_of_the_allowed(scores, mask):
    powers = (scores - scores.max(dim=-1, keepdim=True).values).exp() * mask
    return powers / powers.sum(dim=-1, keepdim=True).clamp(min=1e-37)


def masked_weights__in_plain_python(scores, mask):
    table = []
    for row, allowed in zip(scores.tolist(), mask.tolist(), strict=True):
        seen = [s for s, a in zip(row, allowed, strict=True) if a]
        top = max(seen, default=0)
        powers = [math.exp(s - top) if a else 0.0 for s, a in zip(row, allowed, strict=True)]
        total = sum(powers) or 1.0
        table.append([power / total for power in powers])
    return table


def attention_cost__head_by_head(n, d_model, n_heads):
    products, stored = 0, 0
    for _ in range(n_heads):
        products += n * n * (d_model // n_heads)
        products += n * n * (d_model // n_heads)
        stored += n * n
    return products, 4 * stored


def attention_cost__in_one_line(n, d_model, n_heads):
    return [n * n * d_model * 2, n * n * n_heads * 4]


def rope__as_complex_numbers(x, position, base):
    half = x.shape[0] // 2
    pairs = torch.complex(x[:half], x[half:])
    speeds = torch.tensor([base ** (-2 * i / x.shape[0]) for i in range(half)])
    turned = pairs * torch.polar(torch.ones(half), position * speeds)
    return torch.cat([turned.real, turned.imag])


def rope__pair_by_pair(x, position, base):
    width, result = len(x), x.clone()
    for i in range(width // 2):
        angle = position * base ** (-2 * i / width)
        a, b = x[i].item(), x[i + width // 2].item()
        result[i] = a * math.cos(angle) - b * math.sin(angle)
        result[i + width // 2] = a * math.sin(angle) + b * math.cos(angle)
    return result


def rope__a_rotation_matrix(x, position, base):
    half = len(x) // 2
    angles = position / base ** (2 * torch.arange(half) / len(x))
    cos, sin = torch.diag(angles.cos()), torch.diag(angles.sin())
    matrix = torch.cat([torch.cat([cos, -sin], dim=1), torch.cat([sin, cos], dim=1)])
    return matrix @ x
