"""Plausible wrong answers to the exercises of 'After pre-training'."""


def leave_one_out__less_the_mean(rewards, group):
    groups = rewards.view(-1, group)
    return (groups - groups.mean(1, keepdim=True)).flatten()


def leave_one_out__over_all_groups(rewards, group):
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return rewards - others


def leave_one_out__divides_by_the_group(rewards, group):
    groups = rewards.view(-1, group)
    return (groups - (groups.sum(1, keepdim=True) - groups) / group).flatten()


def leave_one_out__in_columns(rewards, group):
    groups = rewards.view(-1, group)
    return groups - (groups.sum(1, keepdim=True) - groups) / (group - 1)


def smallest_group__one_right_is_enough(p, share):
    group = 2
    while 1 - (1 - p) ** group < share:
        group += 1
    return group


def smallest_group__begins_at_one(p, share):
    group = 1
    while 1 - p**group - (1 - p) ** group <= share:
        group += 1
    return group


def smallest_group__from_the_mean(p, share):
    return max(2, round(share / min(p, 1 - p)))


def held_back__forgets_the_sign(new, old, advantages, clip=0.2):
    ratio = (new - old).exp()
    return ((ratio > 1 + clip) | (ratio < 1 - clip)).float().mean()


def held_back__signs_exchanged(new, old, advantages, clip=0.2):
    ratio, by = (new - old).exp(), advantages[:, None]
    return (((ratio > 1 + clip) & (by < 0)) | ((ratio < 1 - clip) & (by > 0))).float().mean()


def held_back__of_the_difference(new, old, advantages, clip=0.2):
    moved, by = new - old, advantages[:, None]
    return (((moved > clip) & (by > 0)) | ((moved < -clip) & (by < 0))).float().mean()


def held_back__counts(new, old, advantages, clip=0.2):
    ratio, by = (new - old).exp(), advantages[:, None]
    return (((ratio > 1 + clip) & (by > 0)) | ((ratio < 1 - clip) & (by < 0))).sum()
