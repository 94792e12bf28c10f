"""Right answers to the exercises of 'Training on a GPU', each written in another way."""

import math

import torch
import torch.nn.functional as F

from course_lib import training


def limited_by__intensity_and_balance(m, k, n, bytes_per_number, peak, bandwidth):
    intensity = 2 * m * k * n / ((m * k + k * n + m * n) * bytes_per_number)
    if intensity < peak / bandwidth:
        return "memory"
    return "arithmetic"


def limited_by__by_the_roof(m, k, n, bytes_per_number, peak, bandwidth):
    numbers = sum([m * k, k * n, m * n])
    slope = bandwidth * (2 * m * k * n) / (numbers * bytes_per_number)
    return "arithmetic" if min(peak, slope) == peak else "memory"


def add_up__adds_gradients_by_hand(model, pieces):
    total = 0
    for _, targets in pieces:
        total += int((targets != training.IGNORE).sum())
    sums = [torch.zeros_like(p) for p in model.parameters()]
    for inputs, targets in pieces:
        loss = training.next_token_loss(model, inputs, targets)
        count = int((targets != training.IGNORE).sum())
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        for into, gradient in zip(sums, gradients, strict=True):
            into += gradient * count / total
    for p, gradient in zip(model.parameters(), sums, strict=True):
        p.grad = gradient


def add_up__divides_sums_at_the_end(model, pieces):
    for p in model.parameters():
        p.grad = None
    counted = 0
    for inputs, targets in pieces:
        logits = model(inputs).flatten(0, 1)
        flat = targets.flatten()
        F.cross_entropy(logits, flat, ignore_index=training.IGNORE, reduction="sum").backward()
        counted += len(flat[flat != training.IGNORE])
    for p in model.parameters():
        p.grad /= counted


def ring__two_loops(parts):
    n, sent = len(parts), 0
    for r in range(n - 1):
        outbox = [(i, (i - r) % n, parts[i][(i - r) % n].clone()) for i in range(n)]
        for i, j, part in outbox:
            parts[(i + 1) % n][j] += part
        sent += 1
    for r in range(n - 1):
        outbox = [(i, (i + 1 - r) % n, parts[i][(i + 1 - r) % n]) for i in range(n)]
        for i, j, part in outbox:
            parts[(i + 1) % n][j] = part.clone()
        sent += 1
    return sent


def ring__starts_with_the_next_part(parts):
    n = len(parts)
    for r in range(2 * n - 2):
        received = {}
        for i in range(n):
            left = (i - 1) % n
            received[i] = (left + 1 - r) % n, torch.clone(parts[left][(left + 1 - r) % n])
        for i, (j, part) in received.items():
            parts[i][j] = part + parts[i][j] if r + 1 < n else part
    return 2 * n - 2


def ring__on_a_copy_of_all(parts):
    n = len(parts)
    for r in range(2 * (n - 1)):
        before = [[part.clone() for part in row] for row in parts]
        for i in range(n):
            j = (i - r) % n
            if r < n - 1:
                parts[(i + 1) % n][j] = torch.add(before[(i + 1) % n][j], before[i][j])
            else:
                parts[(i + 1) % n][j] = before[i][j]
    return len(range(2 * (n - 1)))


def next_scale__in_one_expression(scale, good_steps, overflowed, interval):
    full = not overflowed and good_steps + 1 >= interval
    factor = 0.5 if overflowed else 2.0 if full else 1.0
    return scale * factor, 0 if overflowed or full else good_steps + 1


def next_scale__as_a_list(scale, good_steps, overflowed, interval):
    good_steps = 0 if overflowed else good_steps + 1
    scale = scale / 2 if overflowed else scale
    if good_steps == interval:
        good_steps, scale = 0, 2 * scale
    return [scale, good_steps]


def gpus_needed__two_whole_numbers(parameters, tokens, days, gpu, utilization):
    holding = math.ceil(parameters * 16 / gpu.memory)
    per_gpu = days * 24 * 60 * 60 * gpu.peak * utilization
    finishing = math.ceil(6 * parameters * tokens / per_gpu)
    return max(holding, finishing)


def gpus_needed__by_rounding_up_with_floors(parameters, tokens, days, gpu, utilization):
    hours = 6 * tokens * parameters / utilization / gpu.peak / 3600
    needed = max(hours / (24 * days), 16 / gpu.memory * parameters)
    return int(needed) if needed == int(needed) else int(needed) + 1
