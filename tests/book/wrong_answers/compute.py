"""Plausible wrong answers to the exercises of 'Compute'."""

import torch

from course_lib import costs


def block_flops__counts_multiplications_only(d_model, d_kv, d_ff, length):
    matrices = 2 * d_model**2 + 2 * d_kv * d_model + 3 * d_ff * d_model
    return matrices * length + 2 * length**2 * d_model


def block_flops__forgets_the_pairs(d_model, d_kv, d_ff, length):
    matrices = 2 * d_model**2 + 2 * d_kv * d_model + 3 * d_ff * d_model
    return 2 * matrices * length


def block_flops__pairs_by_the_width_of_keys(d_model, d_kv, d_ff, length):
    matrices = 2 * d_model**2 + 2 * d_kv * d_model + 3 * d_ff * d_model
    return 2 * matrices * length + 4 * length**2 * d_kv


def block_flops__no_gate(d_model, d_kv, d_ff, length):
    matrices = 2 * d_model**2 + 2 * d_kv * d_model + 2 * d_ff * d_model
    return 2 * matrices * length + 4 * length**2 * d_model


def round_groups__one_step_too_many(weights, bits, group):
    groups = weights.float().unflatten(1, (-1, group))
    least, most = groups.aminmax(dim=-1, keepdim=True)
    step = ((most - least) / 2**bits).clamp(min=1e-30)
    return (least + ((groups - least) / step).round() * step).flatten(1)


def round_groups__one_scale_for_a_row(weights, bits, group):
    least, most = weights.float().aminmax(dim=-1, keepdim=True)
    step = ((most - least) / (2**bits - 1)).clamp(min=1e-30)
    return least + ((weights - least) / step).round() * step


def round_groups__rounds_down(weights, bits, group):
    groups = weights.float().unflatten(1, (-1, group))
    least, most = groups.aminmax(dim=-1, keepdim=True)
    step = ((most - least) / (2**bits - 1)).clamp(min=1e-30)
    return (least + ((groups - least) / step).floor() * step).flatten(1)


def round_groups__divides_by_zero(weights, bits, group):
    groups = weights.float().unflatten(1, (-1, group))
    least, most = groups.aminmax(dim=-1, keepdim=True)
    step = (most - least) / (2**bits - 1)
    return (least + ((groups - least) / step).round() * step).flatten(1)


def best_guesses__at_least_one(acceptance, cost):
    def speed(n):
        return sum(acceptance**i for i in range(n + 1)) / (n * cost + 1)

    return max(range(1, 21), key=speed)


def best_guesses__forgets_the_own_token(acceptance, cost):
    def speed(n):
        return sum(acceptance**i for i in range(1, n + 1)) / (n * cost + 1)

    return max(range(21), key=speed)


def best_guesses__the_most_tokens(acceptance, cost):
    def tokens(n):
        return sum(acceptance**i for i in range(n + 1))

    return max(range(21), key=tokens)


def best_guesses__guesses_are_free_of_each_other(acceptance, cost):
    def speed(n):
        return (1 + n * acceptance) / (n * cost + 1)

    return max(range(21), key=speed)


def balance__weights_of_the_whole_softmax(logits, k):
    probabilities = logits.softmax(-1)
    best = probabilities.topk(k)
    weights = torch.zeros_like(logits).scatter(1, best.indices, best.values)
    used = best.indices.flatten().bincount(minlength=logits.shape[1]) / best.indices.numel()
    return weights, float(logits.shape[1] * (used * probabilities.mean(0)).sum())


def balance__counts_the_best_only(logits, k):
    best = logits.topk(k)
    weights = torch.zeros_like(logits).scatter(1, best.indices, best.values.softmax(-1))
    used = best.indices[:, 0].bincount(minlength=logits.shape[1]) / len(logits)
    return weights, float(logits.shape[1] * (used * logits.softmax(-1).mean(0)).sum())


def balance__mean_of_the_weights(logits, k):
    best = logits.topk(k)
    weights = torch.zeros_like(logits).scatter(1, best.indices, best.values.softmax(-1))
    used = best.indices.flatten().bincount(minlength=logits.shape[1]) / best.indices.numel()
    return weights, float(logits.shape[1] * (used * weights.mean(0)).sum())


def balance__not_times_n(logits, k):
    best = logits.topk(k)
    weights = torch.zeros_like(logits).scatter(1, best.indices, best.values.softmax(-1))
    used = best.indices.flatten().bincount(minlength=logits.shape[1]) / best.indices.numel()
    return weights, float((used * logits.softmax(-1).mean(0)).sum())


def _trained(n):
    return 6 * n * costs.tokens_needed(n, costs.chinchilla_loss(70e9, 1.4e12))


def break_even__forgets_that_the_large_one_was_trained():
    return _trained(20e9) / (2 * (70e9 - 20e9))


def break_even__saves_six_times():
    return (_trained(20e9) - _trained(70e9)) / (6 * (70e9 - 20e9))


def break_even__both_read_alike():
    return 1.4e12


def break_even__the_tokens_that_it_read_more():
    goal = costs.chinchilla_loss(70e9, 1.4e12)
    return costs.tokens_needed(20e9, goal) - costs.tokens_needed(70e9, goal)


def from_blocks__in_the_order_of_memory(memory, table, length):
    return memory[sorted(table)].flatten(0, 1)[:length]


def from_blocks__forgets_the_table(memory, table, length):
    return memory.flatten(0, 1)[:length]


def from_blocks__with_the_empty_places(memory, table, length):
    return memory[table].flatten(0, 1)


def from_blocks__always_one_block_too_few(memory, table, length):
    size = memory.shape[1]
    return memory[table[: length // size]].flatten(0, 1)


def from_blocks__place_before_block(memory, table, length):
    return memory[table].transpose(0, 1).flatten(0, 1)[:length]
