"""Plausible wrong answers to the exercises of 'Numbers that learn'."""

import torch
import torch.nn.functional as F


def one_step__climbs(w, b, x, y, rate):
    d = w * x + b - y
    return w + rate * 2 * d * x, b + rate * 2 * d


def one_step__forgets_the_two(w, b, x, y, rate):
    d = w * x + b - y
    return w - rate * d * x, b - rate * d


def one_step__same_slope_for_both(w, b, x, y, rate):
    d = w * x + b - y
    return w - rate * 2 * d, b - rate * 2 * d


def one_step__takes_b_s_slope_at_the_new_w(w, b, x, y, rate):
    w = w - rate * 2 * (w * x + b - y) * x
    return w, b - rate * 2 * (w * x + b - y)


def one_step__gives_the_loss_too(w, b, x, y, rate):
    d = w * x + b - y
    return w - rate * 2 * d * x, b - rate * 2 * d, d * d


def three_slopes__forgets_that_a_works_directly(a, b, c):
    return a * b, a * a, a


def three_slopes__forgets_the_way_through_p(a, b, c):
    return a * b + c, a * a, a


def three_slopes__by_b_without_the_last_step(a, b, c):
    return 2 * a * b + c, a, a


def three_slopes__in_another_order(a, b, c):
    return a, a * a, 2 * a * b + c


def to_shares__forgets_keepdim(counts, extra):
    more = counts + extra
    return more / more.sum(dim=1)


def to_shares__down_the_columns(counts, extra):
    more = counts + extra
    return more / more.sum(dim=0, keepdim=True)


def to_shares__adds_to_the_total_only_once(counts, extra):
    return (counts + extra) / (counts.sum(dim=1, keepdim=True) + extra)


def to_shares__forgets_the_extra(counts, extra):
    return counts / counts.sum(dim=1, keepdim=True)


def to_shares__changes_the_counts(counts, extra):
    counts += extra
    return counts / counts.sum(dim=1, keepdim=True)


def logit_slopes__not_a_mean(logits, targets):
    return logits.softmax(1) - F.one_hot(targets, logits.shape[1])


def logit_slopes__mean_over_everything(logits, targets):
    return (logits.softmax(1) - F.one_hot(targets, logits.shape[1])) / logits.numel()


def logit_slopes__true_minus_guess(logits, targets):
    return (F.one_hot(targets, logits.shape[1]) - logits.softmax(1)) / len(logits)


def logit_slopes__softmax_down_the_columns(logits, targets):
    return (logits.softmax(0) - F.one_hot(targets, logits.shape[1])) / len(logits)


def logit_slopes__changes_the_logits(logits, targets):
    logits.copy_(logits.softmax(1))
    logits[torch.arange(len(targets)), targets] -= 1
    return logits / len(logits)


def fit__never_forgets(weights, inputs, targets, rate, steps):
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(weights[inputs], targets)
        loss.backward()
        with torch.no_grad():
            weights -= rate * weights.grad
        losses.append(loss.item())
    return losses


def fit__returns_tensors(weights, inputs, targets, rate, steps):
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(weights[inputs], targets)
        weights.grad = None
        loss.backward()
        with torch.no_grad():
            weights -= rate * weights.grad
        losses.append(loss.detach())
    return losses


def fit__measures_after_the_change(weights, inputs, targets, rate, steps):
    losses = []
    for _ in range(steps):
        weights.grad = None
        F.cross_entropy(weights[inputs], targets).backward()
        with torch.no_grad():
            weights -= rate * weights.grad
            losses.append(F.cross_entropy(weights[inputs], targets).item())
    return losses


def fit__changes_a_copy(weights, inputs, targets, rate, steps):
    losses, weights = [], weights.detach().clone().requires_grad_()
    for _ in range(steps):
        loss = F.cross_entropy(weights[inputs], targets)
        weights.grad = None
        loss.backward()
        with torch.no_grad():
            weights -= rate * weights.grad
        losses.append(loss.item())
    return losses


def fit__climbs(weights, inputs, targets, rate, steps):
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(weights[inputs], targets)
        weights.grad = None
        loss.backward()
        with torch.no_grad():
            weights += rate * weights.grad
        losses.append(loss.item())
    return losses
