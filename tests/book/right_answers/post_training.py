"""Right answers to the exercises of 'After pre-training', each in another way."""

import math

import torch


def leave_one_out__one_by_one(rewards, group):
    result = []
    for i, own in enumerate(rewards):
        first = i // group * group
        others = [rewards[j] for j in range(first, first + group) if j != i]
        result.append(own - sum(others) / len(others))
    return torch.stack(result)


def leave_one_out__from_the_mean(rewards, group):
    groups = rewards.reshape(-1, group)
    return ((groups - groups.mean(1, keepdim=True)) * group / (group - 1)).reshape(-1)


def smallest_group__recursive(p, share, group=2):
    teaches = 1 - p**group - (1 - p) ** group
    return group if teaches >= share else smallest_group__recursive(p, share, group + 1)


def smallest_group__first_that_does(p, share):
    def teaches(group):
        return sum(p**k * (1 - p) for k in range(1, group)) + (1 - p) - (1 - p) ** group

    return next(group for group in range(2, 10_000) if teaches(group) >= share - 1e-12)


def held_back__by_gradient(new, old, advantages, clip=0.2):
    new = new.detach().clone().requires_grad_()
    ratio, by = (new - old).exp(), advantages[:, None]
    gain = torch.min(ratio * by, ratio.clamp(1 - clip, 1 + clip) * by)
    (slope,) = torch.autograd.grad(gain.sum(), new)
    return ((slope == 0) & (by != 0)).float().mean()


def held_back__token_by_token(new, old, advantages, clip=0.2):
    cut = 0
    for row, (a, b) in enumerate(zip(new, old, strict=True)):
        for x, y in zip(a, b, strict=True):
            ratio, advantage = (x - y).exp(), advantages[row]
            cut += bool(ratio > 1 + clip and advantage > 0)
            cut += bool(ratio < 1 - clip and advantage < 0)
    return cut / new.numel()


def win_chance__pair_by_pair(ours, theirs, rewards):
    total = 0.0
    for p, mine in zip(ours.tolist(), rewards.tolist(), strict=True):
        for q, other in zip(theirs.tolist(), rewards.tolist(), strict=True):
            total += p * q / (1 + math.exp(other - mine))
    return total


def win_chance__softmax_of_two(ours, theirs, rewards):
    both = torch.stack(torch.broadcast_tensors(rewards[:, None], rewards))  # (2, n, n)
    return (torch.outer(ours, theirs) * both.softmax(0)[0]).sum()


def unsure_dpo__one_sigmoid(policy_w, policy_l, reference_w, reference_l, beta, errors):
    z = beta * ((policy_w - reference_w) - (policy_l - reference_l))
    return -(errors + (1 - 2 * errors) * torch.sigmoid(z)).log().mean()


def unsure_dpo__pair_by_pair(policy_w, policy_l, reference_w, reference_l, beta, errors):
    rows = torch.stack([policy_w, policy_l, reference_w, reference_l]).T.tolist()
    costs = []
    for w, lost, ref_w, ref_l in rows:
        z = beta * (w - ref_w - lost + ref_l)
        chance = (1 - errors) / (1 + math.exp(-z)) + errors / (1 + math.exp(z))
        costs.append(-math.log(chance))
    return sum(costs) / len(costs)
