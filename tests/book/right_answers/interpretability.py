"""Right answers to the exercises of 'Interpretability', each written in another way."""

import torch
import torch.nn.functional as F


def lens__torch_s_norm(state, gain, embedding, eps):
    return F.linear(F.rms_norm(state, gain.shape, gain, eps), embedding)


def lens__einsum(state, gain, embedding, eps):
    inverse = torch.rsqrt((state * state).mean(dim=-1) + eps)
    return torch.einsum("...,...d,d,vd->...v", inverse, state, gain, embedding)


def above_control__two_shares(clean, corrupted, patched, control):
    def share(score):
        return (score - corrupted) / (clean - corrupted)

    return share(patched) - share(control)


def above_control__in_one(clean, corrupted, patched, control):
    return patched / (clean - corrupted) - control / (clean - corrupted)


def prefix_score__a_diagonal(weights, period):
    return weights.diagonal(1 - period)[1:].mean()


def prefix_score__gathered(weights, period):
    queries = torch.arange(period, len(weights))
    return weights[queries, queries - period + 1].mean().item()


def integrate__all_points_at_once(f, start, end, steps):
    shares = (torch.arange(steps) + 0.5) / steps
    x = (start + shares[:, None] * (end - start)).requires_grad_()
    total = sum(f(row) for row in x)
    return torch.autograd.grad(total, x)[0].mean(0) * (end - start)


def integrate__backward(f, start, end, steps):
    slopes = []
    for share in torch.linspace(0.5 / steps, 1 - 0.5 / steps, steps):
        x = torch.lerp(start, end, share.item()).requires_grad_()
        f(x).backward()
        slopes.append(x.grad)
    return torch.stack(slopes).mean(0) * (end - start)


def turning__largest_step(values):
    return max(range(len(values) - 1), key=lambda i: abs(values[i + 1] - values[i]))


def turning__torch(values):
    return torch.tensor(values, dtype=torch.float64).diff().abs().argmax().item()
