"""Right answers to the exercises of 'Training', each written in another way."""

import math

import numpy as np
import torch


def cross_entropy__softmax_by_hand(logits, targets):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_sums = shifted.exp().sum(dim=1).log()
    true = shifted.gather(1, targets[:, None])[:, 0]
    return (log_sums - true).mean()


def cross_entropy__in_plain_python(logits, targets):
    total = 0.0
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        largest = max(row)
        total += largest + math.log(sum(math.exp(z - largest) for z in row)) - row[target]
    return total / len(targets)


def cross_entropy__with_numpy(logits, targets):
    z, t = logits.numpy(), targets.numpy()
    top = z.max(axis=-1, keepdims=True)
    log_probs = z - top - np.log(np.exp(z - top).sum(axis=-1, keepdims=True))
    return -log_probs[np.arange(len(t)), t].astype(np.float64).mean()


def cross_entropy__one_hot_product(logits, targets):
    hot = torch.nn.functional.one_hot(targets, logits.shape[-1])
    return -(hot * torch.log_softmax(logits, -1)).sum() / len(targets)


def windows__slice_by_slice(tokens, starts, context):
    inputs = [tokens[start : start + context] for start in starts]
    targets = [tokens[start + 1 : start + 1 + context] for start in starts]
    return torch.stack(inputs), torch.stack(targets)


def windows__by_unfolding(tokens, starts, context):
    every = tokens.unfold(0, context + 1, 1)[starts]
    return every[..., :-1], every[..., 1:]


def windows__from_lists(tokens, starts, context):
    ids = tokens.tolist()
    inputs = [[ids[s + i] for i in range(context)] for s in starts]
    targets = [[ids[s + i + 1] for i in range(context)] for s in starts]
    return torch.tensor(inputs), torch.tensor(targets)


def adam_step__by_lerp(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = torch.lerp(mean, gradient, 1 - beta1)
    square = square * beta2 + gradient * gradient * (1 - beta2)
    step = mean / (1 - beta1**t) / (torch.sqrt(square / (1 - beta2**t)) + eps)
    return w - rate * step, mean, square


def adam_step__corrects_the_rate_instead(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    first = mean.clone().mul_(beta1).add_(gradient, alpha=1 - beta1)
    second = square.clone().mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = second.sqrt() / math.sqrt(1 - beta2**t) + eps
    return w.clone().addcdiv_(first, root, value=-rate / (1 - beta1**t)), first, second


def adam_step__number_by_number(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    new = [tensor.clone() for tensor in (w, mean, square)]
    for i, g in np.ndenumerate(gradient.numpy()):
        new[1][i] = beta1 * mean[i] + (1 - beta1) * g
        new[2][i] = beta2 * square[i] + (1 - beta2) * g**2
        v = new[2][i].item() / (1 - beta2**t)
        new[0][i] = w[i] - rate * new[1][i] / (1 - beta1**t) / (v**0.5 + eps)
    return tuple(new)


def factor__with_early_exits(step, steps, warmup, decay):
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if step >= steps - decay:
        return (steps - step) / decay
    return 1.0


def factor__counted_from_the_ends(step, steps, warmup, decay):
    up = 1 - max(warmup - step, 0) / (warmup + 1)
    missing = max(step - (steps - decay), 0)
    return up * (1 - missing / max(decay, 1))


def clip__a_loop_over_all_numbers(gradients, limit):
    total = 0.0
    for g in gradients:
        for number in g.flatten().tolist():
            total += number**2
    norm = math.sqrt(total)
    factor = limit / norm if norm > limit else 1.0
    return [factor * g for g in gradients]


def clip__as_pytorch_does(gradients, limit):
    norm = torch.stack([g.norm() for g in gradients]).norm()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    return [g.clone().mul_(factor) for g in gradients]


def clip__with_an_early_exit(gradients, limit):
    norm = sum((g**2).sum() for g in gradients).sqrt()
    if norm <= limit:
        return [g.clone() for g in gradients]
    return [g / norm * limit for g in gradients]


def learn__with_torch(model, tokens, starts, context, rate, warmup, decay, limit):
    adam, losses = torch.optim.Adam(model.parameters(), lr=rate), []
    for step, places in enumerate(starts):
        rows = torch.stack([tokens[s : s + context + 1] for s in places])
        logits = model(rows[:, :-1]).transpose(1, 2)  # (B, V, T)
        loss = torch.nn.functional.cross_entropy(logits, rows[:, 1:])
        losses.append(float(loss.detach()))
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        up, left = (step + 1) / (warmup + 1), len(starts) - step
        adam.param_groups[0]["lr"] = rate * min(1, up, left / decay if decay else 1)
        adam.step()
    return losses


def learn__without_an_optimizer(model, tokens, starts, context, rate, warmup, decay, limit):
    parameters = list(model.parameters())
    means, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    losses = []
    for step, places in enumerate(starts):
        inputs, targets = windows__slice_by_slice(tokens, places, context)
        loss = cross_entropy__one_hot_product(model(inputs).flatten(0, 1), targets.flatten())
        gradients = clip__with_an_early_exit(torch.autograd.grad(loss, parameters), limit)
        now = rate * factor__with_early_exits(step, len(starts), warmup, decay)
        for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
            old = p.detach(), g, means[i], squares[i]
            new, means[i], squares[i] = adam_step__by_lerp(*old, step + 1, now, 0.9, 0.999, 1e-8)
            p.data = new
        losses.append(loss.item())
    return losses
