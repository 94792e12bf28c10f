"""Plausible wrong answers to the exercises of 'Training on a GPU'."""

import math

import torch

from course_lib import training


def limited_by__forgets_the_result_s_bytes(m, k, n, bytes_per_number, peak, bandwidth):
    moving = bytes_per_number * (m * k + k * n) / bandwidth
    return "memory" if moving > 2 * m * k * n / peak else "arithmetic"


def limited_by__counts_multiplications_only(m, k, n, bytes_per_number, peak, bandwidth):
    moving = bytes_per_number * (m * k + k * n + m * n) / bandwidth
    return "memory" if moving > m * k * n / peak else "arithmetic"


def limited_by__forgets_the_bytes_per_number(m, k, n, bytes_per_number, peak, bandwidth):
    moving = (m * k + k * n + m * n) / bandwidth
    return "memory" if moving > 2 * m * k * n / peak else "arithmetic"


def limited_by__the_other_way_round(m, k, n, bytes_per_number, peak, bandwidth):
    moving = bytes_per_number * (m * k + k * n + m * n) / bandwidth
    return "memory" if moving < 2 * m * k * n / peak else "arithmetic"


def limited_by__calls_the_balance_memory(m, k, n, bytes_per_number, peak, bandwidth):
    moving = bytes_per_number * (m * k + k * n + m * n) / bandwidth
    return "memory" if moving >= 2 * m * k * n / peak else "arithmetic"


def add_up__forgets_the_old_gradients(model, pieces):
    counts = [(targets != training.IGNORE).sum() for _, targets in pieces]
    for (inputs, targets), count in zip(pieces, counts, strict=True):
        (training.next_token_loss(model, inputs, targets) * count / sum(counts)).backward()


def add_up__sums(model, pieces):
    model.zero_grad()
    for inputs, targets in pieces:
        training.next_token_loss(model, inputs, targets).backward()


def add_up__takes_the_mean_of_the_pieces(model, pieces):
    model.zero_grad()
    for inputs, targets in pieces:
        (training.next_token_loss(model, inputs, targets) / len(pieces)).backward()


def add_up__weighs_by_rows(model, pieces):
    model.zero_grad()
    rows = sum(len(inputs) for inputs, _ in pieces)
    for inputs, targets in pieces:
        (training.next_token_loss(model, inputs, targets) * len(inputs) / rows).backward()


def add_up__keeps_the_last_piece_only(model, pieces):
    for inputs, targets in pieces:
        model.zero_grad()
        training.next_token_loss(model, inputs, targets).backward()


def add_up__joins_the_pieces(model, pieces):
    model.zero_grad()
    inputs, targets = (torch.cat(tensors) for tensors in zip(*pieces, strict=True))
    training.next_token_loss(model, inputs, targets).backward()


def ring__stops_after_the_first_half(parts):
    n = len(parts)
    for r in range(n - 1):
        moving = [parts[i][(i - r) % n].clone() for i in range(n)]
        for i, part in enumerate(moving):
            parts[(i + 1) % n][(i - r) % n] += part
    return 2 * (n - 1)


def ring__one_after_another(parts):
    n = len(parts)
    for r in range(2 * (n - 1)):
        for i in range(n):
            right, j = (i + 1) % n, (i - r) % n
            parts[right][j] = parts[right][j] + parts[i][j] if r < n else parts[i][j].clone()
    return 2 * (n - 1)


def ring__adds_in_the_second_half_too(parts):
    n = len(parts)
    for r in range(2 * (n - 1)):
        moving = [parts[i][(i - r) % n].clone() for i in range(n)]
        for i, part in enumerate(moving):
            parts[(i + 1) % n][(i - r) % n] += part
    return 2 * (n - 1)


def ring__sends_everything_to_everybody(parts):
    n = len(parts)
    sums = [sum(parts[i][j] for i in range(n)) for j in range(n)]
    for i in range(n):
        parts[i][:] = [part.clone() for part in sums]
    return n * (n - 1)


def ring__adds_all_parts_directly(parts):
    n = len(parts)
    sums = [sum(parts[i][j] for i in range(n)) for j in range(n)]
    for i in range(n):
        parts[i][:] = [part.clone() for part in sums]
    return 2 * (n - 1)


def ring__collects_at_the_last_process(parts):
    n = len(parts)
    for j in range(n):
        for i in range(n - 1):
            parts[i + 1][j] = parts[i + 1][j] + parts[i][j]
        for i in range(n - 1):
            parts[i][j] = parts[n - 1][j].clone()
    return 2 * (n - 1)


def ring__to_the_left(parts):
    n = len(parts)
    for r in range(2 * (n - 1)):
        moving = [parts[i][(i + r) % n].clone() for i in range(n)]
        for i, part in enumerate(moving):
            left, j = (i - 1) % n, (i + r) % n
            parts[left][j] = parts[left][j] + part if r < n - 1 else part
    return 2 * (n - 1)


def ring__wrong_part_in_the_second_half(parts):
    n = len(parts)
    for r in range(2 * (n - 1)):
        moved = (lambda i, r=r: (i - r) % n) if r < n - 1 else (lambda i, r=r: (i - r - 1) % n)
        moving = [parts[i][moved(i)].clone() for i in range(n)]
        for i, part in enumerate(moving):
            right, j = (i + 1) % n, moved(i)
            parts[right][j] = parts[right][j] + part if r < n - 1 else part
    return 2 * (n - 1)


def next_scale__doubles_before_it_looks_for_an_overflow(scale, good_steps, overflowed, interval):
    if good_steps + 1 == interval:
        return scale * 2, 0
    return (scale / 2, 0) if overflowed else (scale, good_steps + 1)


def next_scale__never_grows(scale, good_steps, overflowed, interval):
    return (scale / 2, 0) if overflowed else (scale, good_steps + 1)


def next_scale__one_step_too_late(scale, good_steps, overflowed, interval):
    if overflowed:
        return scale / 2, 0
    return (scale * 2, 0) if good_steps == interval else (scale, good_steps + 1)


def next_scale__goes_on_counting_after_an_overflow(scale, good_steps, overflowed, interval):
    if overflowed:
        return scale / 2, good_steps
    return (scale * 2, 0) if good_steps + 1 == interval else (scale, good_steps + 1)


def next_scale__keeps_the_count_after_doubling(scale, good_steps, overflowed, interval):
    if overflowed:
        return scale / 2, 0
    return (scale * 2 if (good_steps + 1) % interval == 0 else scale), good_steps + 1


def gpus_needed__time_only(parameters, tokens, days, gpu, utilization):
    return math.ceil(6 * parameters * tokens / (gpu.peak * utilization) / (days * 86_400))


def gpus_needed__memory_only(parameters, tokens, days, gpu, utilization):
    return math.ceil(16 * parameters / gpu.memory)


def gpus_needed__at_the_peak(parameters, tokens, days, gpu, utilization):
    seconds = 6 * parameters * tokens / gpu.peak
    return math.ceil(max(16 * parameters / gpu.memory, seconds / (days * 86_400)))


def gpus_needed__adds_both(parameters, tokens, days, gpu, utilization):
    seconds = 6 * parameters * tokens / (gpu.peak * utilization)
    return math.ceil(16 * parameters / gpu.memory + seconds / (days * 86_400))


def gpus_needed__rounds_down(parameters, tokens, days, gpu, utilization):
    seconds = 6 * parameters * tokens / (gpu.peak * utilization)
    return int(max(16 * parameters / gpu.memory, seconds / (days * 86_400)))


def gpus_needed__rounds_to_the_nearest(parameters, tokens, days, gpu, utilization):
    seconds = 6 * parameters * tokens / (gpu.peak * utilization)
    return max(1, round(max(16 * parameters / gpu.memory, seconds / (days * 86_400))))


def gpus_needed__returns_a_float(parameters, tokens, days, gpu, utilization):
    seconds = 6 * parameters * tokens / (gpu.peak * utilization)
    return -(-max(16 * parameters / gpu.memory, seconds / (days * 86_400)) // 1)
