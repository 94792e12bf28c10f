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


def win_chance__of_the_mean_rewards(ours, theirs, rewards):
    return (ours @ rewards - theirs @ rewards).sigmoid()


def win_chance__turned_round(ours, theirs, rewards):
    return ours @ (rewards - rewards[:, None]).sigmoid() @ theirs


def win_chance__no_sigmoid(ours, theirs, rewards):
    return ours @ (rewards[:, None] > rewards).float() @ theirs


def win_chance__the_same_answer_never_meets_itself(ours, theirs, rewards):
    wins = (rewards[:, None] - rewards).sigmoid()
    wins.fill_diagonal_(0.0)
    return ours @ wins @ theirs


def unsure_dpo__a_mixture_of_logarithms(policy_w, policy_l, reference_w, reference_l, beta, errors):
    z = beta * (policy_w - reference_w - policy_l + reference_l)
    both = (1 - errors) * z.sigmoid().log() + errors * (-z).sigmoid().log()
    return -both.mean()


def unsure_dpo__no_reference(policy_w, policy_l, reference_w, reference_l, beta, errors):
    z = beta * (policy_w - policy_l)
    return -((1 - errors) * z.sigmoid() + errors * (-z).sigmoid()).log().mean()


def unsure_dpo__errors_not_taken_off(policy_w, policy_l, reference_w, reference_l, beta, errors):
    z = beta * (policy_w - reference_w - policy_l + reference_l)
    return -(z.sigmoid() + errors * (-z).sigmoid()).log().mean()


def unsure_dpo__beta_outside(policy_w, policy_l, reference_w, reference_l, beta, errors):
    z = policy_w - reference_w - policy_l + reference_l
    return -beta * ((1 - errors) * z.sigmoid() + errors * (-z).sigmoid()).log().mean()
