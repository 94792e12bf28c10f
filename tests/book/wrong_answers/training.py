"""Plausible wrong answers to the exercises of 'Training'."""

import torch


def cross_entropy__overflows(logits, targets):
    powers = logits.exp()
    probabilities = powers / powers.sum(dim=-1, keepdim=True)
    return -probabilities[range(len(targets)), targets].log().mean()


def cross_entropy__sum_instead_of_mean(logits, targets):
    return -logits.log_softmax(dim=-1)[range(len(targets)), targets].sum()


def cross_entropy__in_bits(logits, targets):
    log_probs = logits.log_softmax(dim=-1)[range(len(targets)), targets]
    return -log_probs.mean() / torch.tensor(2.0).log()


def cross_entropy__no_softmax(logits, targets):
    return -logits[range(len(targets)), targets].mean()


def cross_entropy__softmax_over_the_tokens(logits, targets):
    return -logits.log_softmax(dim=0)[range(len(targets)), targets].mean()


def cross_entropy__mean_over_the_vocabulary_too(logits, targets):
    hot = torch.nn.functional.one_hot(targets, logits.shape[-1])
    return -(hot * logits.log_softmax(dim=-1)).mean()


def cross_entropy__subtracts_the_largest_of_all(logits, targets):
    powers = (logits - logits.max()).exp()
    probabilities = powers / powers.sum(dim=-1, keepdim=True)
    return -probabilities[range(len(targets)), targets].log().mean()


def cross_entropy__changes_its_input(logits, targets):
    logits -= logits.logsumexp(dim=-1, keepdim=True)
    return -logits[range(len(targets)), targets].mean()


def cross_entropy__as_a_row_of_one(logits, targets):
    chosen = logits.log_softmax(-1)[range(len(targets)), targets]
    return -chosen.mean(dim=0, keepdim=True)


def windows__without_the_shift(tokens, starts, context):
    taken = tokens[torch.tensor(starts)[:, None] + torch.arange(context)]
    return taken, taken


def windows__targets_before_the_inputs(tokens, starts, context):
    taken = tokens[torch.tensor(starts)[:, None] + torch.arange(context)]
    return taken, taken.roll(1, dims=1)


def windows__last_target_is_the_first_input(tokens, starts, context):
    taken = tokens[torch.tensor(starts)[:, None] + torch.arange(context)]
    return taken, taken.roll(-1, dims=1)


def windows__one_too_short(tokens, starts, context):
    taken = tokens[torch.tensor(starts)[:, None] + torch.arange(context)]
    return taken[:, :-1], taken[:, 1:]


def windows__evenly_spaced_instead_of_the_starts(tokens, starts, context):
    rows = tokens[: len(starts) * context + 1]
    inputs = rows[:-1].view(len(starts), context)
    return inputs, rows[1:].view(len(starts), context)


def adam_step__without_correction(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    return w - rate * mean / (square.sqrt() + eps), mean, square


def adam_step__eps_under_the_root(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    m, v = mean / (1 - beta1**t), square / (1 - beta2**t)
    return w - rate * m / (v + eps).sqrt(), mean, square


def adam_step__corrected_means_are_kept(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = (beta1 * mean + (1 - beta1) * gradient) / (1 - beta1**t)
    square = (beta2 * square + (1 - beta2) * gradient**2) / (1 - beta2**t)
    return w - rate * mean / (square.sqrt() + eps), mean, square


def adam_step__changes_its_arguments(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean.mul_(beta1).add_((1 - beta1) * gradient)
    square.mul_(beta2).add_((1 - beta2) * gradient**2)
    m, v = mean / (1 - beta1**t), square / (1 - beta2**t)
    return w - rate * m / (v.sqrt() + eps), mean, square


def adam_step__changes_the_squares_alone(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = beta1 * mean + (1 - beta1) * gradient
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    m, v = mean / (1 - beta1**t), square / (1 - beta2**t)
    return w - rate * m / (v.sqrt() + eps), mean, square.clone()


def adam_step__changes_the_weights(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    m, v = mean / (1 - beta1**t), square / (1 - beta2**t)
    w -= rate * m / (v.sqrt() + eps)
    return w, mean, square


def adam_step__climbs(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    m, v = mean / (1 - beta1**t), square / (1 - beta2**t)
    return w + rate * m / (v.sqrt() + eps), mean, square


def adam_step__an_axis_more(w, gradient, mean, square, t, rate, beta1, beta2, eps):
    mean = (beta1 * mean + (1 - beta1) * gradient)[None]
    square = (beta2 * square + (1 - beta2) * gradient**2)[None]
    m, v = mean / (1 - beta1**t), square / (1 - beta2**t)
    return w - rate * m / (v.sqrt() + eps), mean, square


def factor__first_step_does_nothing(step, steps, warmup, decay):
    up = step / warmup if warmup else 1
    down = (steps - step) / decay if decay else 1
    return min(1, up, down)


def factor__last_step_does_nothing(step, steps, warmup, decay):
    down = (steps - 1 - step) / decay if decay else 1
    return min(1, (step + 1) / (warmup + 1), down)


def factor__falls_one_step_too_early(step, steps, warmup, decay):
    down = (steps - step - 1 + 1 / 2) / decay if decay else 1
    return min(1, (step + 1) / (warmup + 1), down)


def factor__full_rate_one_step_too_early(step, steps, warmup, decay):
    up = (step + 1) / warmup if warmup else 1
    return min(1, up, (steps - step) / decay if decay else 1)


def factor__warm_up_only(step, steps, warmup, decay):
    return min(1, (step + 1) / (warmup + 1))


def factor__divides_by_zero(step, steps, warmup, decay):
    return min(1, (step + 1) / (warmup + 1), (steps - step) / decay)


def clip__each_tensor_by_itself(gradients, limit):
    return [g * min(1.0, limit / (g.norm().item() + 1e-9)) for g in gradients]


def clip__each_number(gradients, limit):
    return [g.clamp(-limit, limit) for g in gradients]


def clip__lengthens_small_ones(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * limit / norm for g in gradients]


def clip__changes_its_input(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g.mul_(min(1.0, limit / norm)) for g in gradients]


def clip__returns_the_same_list(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * limit / norm for g in gradients] if norm > limit else gradients


def clip__returns_the_same_tensors(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * limit / norm if norm > limit else g for g in gradients]


def clip__adds_the_norms(gradients, limit):
    norm = sum(g.norm() for g in gradients)
    return [g * limit / norm if norm > limit else g.clone() for g in gradients]


def clip__forgets_the_root(gradients, limit):
    total = sum(g.square().sum() for g in gradients)
    return [g * limit / total if total > limit else g.clone() for g in gradients]


def clip__divides_by_a_norm_of_zero(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g / norm * min(norm.item(), limit) for g in gradients]


def _learned(model, tokens, starts, context, rate, warmup, decay, limit, wrong):
    adam, losses = torch.optim.Adam(model.parameters(), rate), []
    for step, places in enumerate(starts):
        rows = torch.stack([tokens[s : s + context + 1] for s in places])
        inputs, targets = rows[:, :-1], rows[:, :-1] if wrong == "shift" else rows[:, 1:]
        loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        if wrong != "zero_grad":
            adam.zero_grad()
        loss.backward()
        if wrong != "clip":
            torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
        up = (step + 1) / (warmup + 1)
        down = (len(starts) - step) / decay if decay else 1
        if wrong == "new optimizer":
            adam = torch.optim.Adam(model.parameters(), rate)
        if wrong == "late rate":
            adam.step()
        if wrong != "schedule":
            adam.param_groups[0]["lr"] = rate * min(1, up, down)
        if wrong == "before zero":
            adam.zero_grad()
        if wrong != "late rate":
            adam.step()
        losses.append(loss.item())
    return losses


def learn__forgets_zero_grad(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "zero_grad")


def learn__without_the_shift(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "shift")


def learn__never_clips(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "clip")


def learn__at_the_full_rate(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "schedule")


def learn__sets_the_rate_after_the_step(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "late rate")


def learn__a_new_optimizer_each_step(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "new optimizer")


def learn__zeroes_after_backward(model, tokens, starts, context, rate, warmup, decay, limit):
    return _learned(model, tokens, starts, context, rate, warmup, decay, limit, "before zero")
