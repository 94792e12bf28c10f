"""Right answers to the exercises of 'Compute', each written in another way."""

import torch

from course_lib import costs


def block_flops__matrix_by_matrix(d_model, d_kv, d_ff, length):
    shapes = [(d_model, d_model)] * 2 + [(d_kv, d_model)] * 2 + [(d_ff, d_model)] * 3
    total = sum(2 * length * rows * columns for rows, columns in shapes)
    return total + 2 * (2 * length * length * d_model)


def block_flops__per_token(d_model, d_kv, d_ff, length):
    one = 4 * d_model**2 + 4 * d_kv * d_model + 6 * d_ff * d_model + 4 * length * d_model
    return length * one


def round_groups__group_by_group(weights, bits, group):
    result = weights.float().clone()
    for row in result:
        for part in row.split(group):
            least, most = part.min().item(), part.max().item()
            step = (most - least) / (2**bits - 1)
            if step:
                part.copy_(least + ((part - least) / step).round() * step)
    return result


def round_groups__nearest_of_all_values(weights, bits, group):
    parts = weights.float().reshape(-1, group)
    least, most = parts.amin(1, keepdim=True), parts.amax(1, keepdim=True)
    values = least + (most - least) * torch.linspace(0, 1, 2**bits)  # (groups, values)
    nearest = (parts[..., None] - values[:, None]).abs().argmin(-1)
    return values.gather(1, nearest).view(weights.shape)


def best_guesses__by_the_closed_form(acceptance, cost):
    def speed(n):
        a = acceptance
        tokens = n + 1 if a == 1 else (1 - a ** (n + 1)) / (1 - a)
        return round(tokens / (n * cost + 1), 9)

    return max(range(21), key=lambda n: (speed(n), -n))


def best_guesses__one_by_one(acceptance, cost):
    best, fastest, tokens = 0, 1.0, 1.0
    for n in range(1, 21):
        tokens += acceptance**n
        if tokens / (n * cost + 1) > fastest + 1e-12:
            best, fastest = n, tokens / (n * cost + 1)
    return best


def balance__masks(logits, k):
    least = logits.topk(k).values[:, -1:]
    chosen = logits >= least if k < logits.shape[1] else torch.ones_like(logits, dtype=torch.bool)
    weights = logits.masked_fill(~chosen, -torch.inf).softmax(-1)
    used = chosen.float().sum(0) / chosen.sum()
    return weights, (logits.shape[1] * used @ logits.softmax(-1).mean(0)).item()


def balance__token_by_token(logits, k):
    n_tokens, n = logits.shape
    weights, used = torch.zeros(n_tokens, n), torch.zeros(n)
    for token, scores in enumerate(logits):
        best = scores.argsort(descending=True)[:k]
        powers = scores[best].exp()
        weights[token, best] = powers / powers.sum()
        used[best] += 1 / (n_tokens * k)
    mean = sum(scores.softmax(-1) for scores in logits) / n_tokens
    return weights, n * float((used * mean).sum())


def _difference(served):
    goal = costs.chinchilla_loss(70e9, 1.4e12)
    small, large = (6 * n * costs.tokens_needed(n, goal) + 2 * n * served for n in (20e9, 70e9))
    return small - large


def break_even__by_halves():
    low, high = 1e9, 1e16
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _difference(middle) > 0 else (low, middle)
    return low


def break_even__by_two_points():
    at_zero, at_one = _difference(0.0), _difference(1e12)
    return 1e12 * at_zero / (at_zero - at_one)


def from_blocks__token_by_token(memory, table, length):
    size = memory.shape[1]
    rows = [memory[table[i // size], i % size] for i in range(length)]
    return torch.stack(rows)


def from_blocks__block_by_block(memory, table, length):
    size = memory.shape[1]
    needed = table[: -(-length // size)]
    return torch.cat([memory[block] for block in needed])[:length]
