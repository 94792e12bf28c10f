"""Plausible wrong answers to the exercises of 'Interpretability'."""

import torch

from course_lib.interpret import prefix_matching


def lens__without_the_norm(state, gain, embedding, eps):
    return state @ embedding.T


def lens__without_the_gain(state, gain, embedding, eps):
    return state / (state.square().mean(-1, keepdim=True) + eps).sqrt() @ embedding.T


def lens__subtracts_the_mean(state, gain, embedding, eps):
    centered = state - state.mean(-1, keepdim=True)
    size = (centered.square().mean(-1, keepdim=True) + eps).sqrt()
    return centered / size * gain @ embedding.T


def lens__eps_outside_the_root(state, gain, embedding, eps):
    return state / (state.square().mean(-1, keepdim=True).sqrt() + eps) * gain @ embedding.T


def lens__sum_instead_of_mean(state, gain, embedding, eps):
    return state / (state.square().sum(-1, keepdim=True) + eps).sqrt() * gain @ embedding.T


def above_control__the_share_alone(clean, corrupted, patched, control):
    return (patched - corrupted) / (clean - corrupted)


def above_control__the_plain_difference(clean, corrupted, patched, control):
    return patched - control


def above_control__control_in_place_of_corrupted(clean, corrupted, patched, control):
    return (patched - control) / (clean - control)


def above_control__without_a_sign(clean, corrupted, patched, control):
    return abs(patched - control) / abs(clean - corrupted)


def prefix_score__the_earlier_copy_itself(weights, period):
    return weights.diagonal(-period).mean()


def prefix_score__one_query_too_many(weights, period):
    return weights.diagonal(1 - period).mean()


def prefix_score__sum_instead_of_mean(weights, period):
    return prefix_matching(weights, period) * (len(weights) - period)


def prefix_score__mean_over_all_queries(weights, period):
    return prefix_matching(weights, period) * (len(weights) - period) / len(weights)


def prefix_score__rows_and_columns_exchanged(weights, period):
    return prefix_matching(weights.T, period)


def prefix_score__as_a_list_of_one(weights, period):
    diagonal = weights.diagonal(1 - period)[1:]
    return diagonal.mean(dim=0, keepdim=True)


def integrate__the_slope_at_the_end(f, start, end, steps):
    x = end.clone().requires_grad_()
    return (end - start) * torch.autograd.grad(f(x), x)[0]


def integrate__without_the_way(f, start, end, steps):
    total = torch.zeros_like(end)
    for i in range(steps):
        x = (start + (i + 0.5) / steps * (end - start)).requires_grad_()
        total += torch.autograd.grad(f(x), x)[0]
    return total / steps


def integrate__left_ends(f, start, end, steps):
    total = torch.zeros_like(end)
    for i in range(steps):
        x = (start + i / steps * (end - start)).requires_grad_()
        total += torch.autograd.grad(f(x), x)[0]
    return (end - start) * total / steps


def integrate__from_zero(f, start, end, steps):
    total = torch.zeros_like(end)
    for i in range(steps):
        x = ((i + 0.5) / steps * end).requires_grad_()
        total += torch.autograd.grad(f(x), x)[0]
    return end * total / steps


def integrate__not_divided(f, start, end, steps):
    total = torch.zeros_like(end)
    for i in range(steps):
        x = (start + (i + 0.5) / steps * (end - start)).requires_grad_()
        total += torch.autograd.grad(f(x), x)[0]
    return (end - start) * total


def turning__only_rises(values):
    return max(range(len(values) - 1), key=lambda i: values[i + 1] - values[i])


def turning__only_falls(values):
    return max(range(len(values) - 1), key=lambda i: values[i] - values[i + 1])


def turning__the_place_after(values):
    return 1 + max(range(len(values) - 1), key=lambda i: abs(values[i + 1] - values[i]))


def turning__the_last_such_place(values):
    changes = [abs(values[i + 1] - values[i]) for i in range(len(values) - 1)]
    return len(changes) - 1 - changes[::-1].index(max(changes))


def turning__the_greatest_value(values):
    return values.index(max(values))
