"""Plausible wrong answers to the exercises of 'Text generation'."""

import math

import torch


def repetition_rate__share_of_different_runs(ids, n):
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0


def repetition_rate__runs_side_by_side(ids, n):
    runs = [tuple(ids[i : i + n]) for i in range(0, len(ids) - n + 1, n)]
    return 1 - len(set(runs)) / len(runs) if runs else 0


def repetition_rate__counts_the_first_time_too(ids, n):
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return sum(runs.count(run) > 1 for run in runs) / len(runs) if runs else 0


def repetition_rate__divides_by_the_tokens(ids, n):
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return (len(runs) - len(set(runs))) / len(ids)


def repetition_rate__forgets_short_lists(ids, n):
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return 1 - len(set(runs)) / len(runs)


def repetition_rate__only_side_by_side(ids, n):
    runs = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    repeated = sum(runs[i] in (runs[i - 1], runs[i - n]) for i in range(n, len(runs)))
    return repeated / len(runs) if runs else 0


def top_p__keeps_what_is_above_p(probabilities, p):
    kept = torch.where(probabilities >= p, probabilities, 0)
    return kept / kept.sum()


def top_p__stops_before_p_is_reached(probabilities, p):
    falling, order = probabilities.sort(descending=True)
    kept = torch.where(falling.cumsum(-1) <= p, falling, 0)
    return torch.zeros_like(probabilities).scatter(-1, order, kept / kept.sum())


def top_p__one_more_where_p_is_reached_exactly(probabilities, p):
    falling, order = probabilities.sort(descending=True)
    kept = torch.where(falling.cumsum(-1) - falling <= p, falling, 0)
    return torch.zeros_like(probabilities).scatter(-1, order, kept / kept.sum())


def top_p__leaves_them_sorted(probabilities, p):
    falling = probabilities.sort(descending=True).values
    kept = torch.where(falling.cumsum(-1) - falling < p, falling, 0)
    return kept / kept.sum()


def top_p__forgets_the_sum(probabilities, p):
    falling, order = probabilities.sort(descending=True)
    kept = torch.where(falling.cumsum(-1) - falling < p, falling, 0)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)


def top_p__keeps_all_that_are_as_likely_as_the_last(probabilities, p):
    falling = probabilities.sort(descending=True).values
    least = falling[falling.cumsum(-1) - falling < p].min()
    kept = torch.where(probabilities >= least, probabilities, 0)
    return kept / kept.sum()


def top_p__changes_its_argument(probabilities, p):
    falling, order = probabilities.sort(descending=True)
    probabilities[order[falling.cumsum(-1) - falling >= p]] = 0
    probabilities /= probabilities.sum()
    return probabilities


def min_p__a_fixed_threshold(logits, share):
    return logits.masked_fill(logits.softmax(-1) < share, -math.inf)


def min_p__highest_of_the_whole_batch(logits, share):
    least = logits.max() + torch.tensor(share).log()
    return logits.masked_fill(logits < least, -math.inf)


def min_p__a_share_of_the_logit(logits, share):
    return logits.masked_fill(logits < share * logits.max(-1, keepdim=True).values, -math.inf)


def min_p__powers_without_the_highest_taken_off(logits, share):
    powers = logits.exp()
    least = share * powers.max(-1, keepdim=True).values
    return torch.where(powers >= least, logits, -math.inf) / (powers < math.inf)


def min_p__returns_probabilities(logits, share):
    p = logits.softmax(-1)
    return torch.where(p >= share * p.max(-1, keepdim=True).values, p, -math.inf)


def min_p__zero_instead_of_minus_infinity(logits, share):
    p = logits.softmax(-1)
    return torch.where(p >= share * p.max(-1, keepdim=True).values, logits, 0.0)


def min_p__the_highest_must_be_beaten(logits, share):
    least = logits.max(-1, keepdim=True).values + torch.tensor(share).log()
    return logits.masked_fill(logits <= least, -math.inf)


def min_p__changes_its_argument(logits, share):
    least = logits.max(-1, keepdim=True).values + torch.tensor(share).log()
    return logits.masked_fill_(logits < least, -math.inf)


def _begins_date(text, months, days):
    year, month, day = text[:4], text[5:7], text[8:10]
    return (
        len(text) <= 10
        and all(digit in "0123456789" for digit in year)
        and text[4:5] in ("", "-")
        and any(m.startswith(month) for m in months)
        and text[7:8] in ("", "-")
        and any(d.startswith(day) for d in days)
    )


MONTHS = [f"{month:02}" for month in range(1, 13)]
DAYS = [f"{day:02}" for day in range(1, 32)]


def date_tokens__only_the_token_s_first_character(written, tokens):
    return [_begins_date(written + token[0], MONTHS, DAYS) for token in tokens]


def date_tokens__only_tokens_of_one_character(written, tokens):
    return [len(t) == 1 and _begins_date(written + t, MONTHS, DAYS) for t in tokens]


def date_tokens__any_two_digits_for_a_month(written, tokens):
    months = [f"{month:02}" for month in range(100)]
    return [_begins_date(written + token, months, DAYS) for token in tokens]


def date_tokens__month_and_day_zero(written, tokens):
    return [_begins_date(written + token, ["00", *MONTHS], ["00", *DAYS]) for token in tokens]


def date_tokens__day_zero(written, tokens):
    return [_begins_date(written + token, MONTHS, ["00", *DAYS]) for token in tokens]


def date_tokens__knows_the_calendar(written, tokens):
    def begins(text):
        days = DAYS[:29] if text[5:7] == "02" else DAYS
        return _begins_date(text, MONTHS, days)

    return [begins(written + token) for token in tokens]


def date_tokens__looks_at_the_token_alone(written, tokens):
    return [_begins_date(token, MONTHS, DAYS) for token in tokens]


def date_tokens__shape_only(written, tokens):
    shape = "0000-00-00"

    def fits(text):
        pairs = zip(text, shape, strict=False)
        return len(text) <= 10 and all(a.isdigit() if b == "0" else a == b for a, b in pairs)

    return [fits(written + token) for token in tokens]


def date_tokens__whole_dates_only(written, tokens):
    return [len(written + t) == 10 and _begins_date(written + t, MONTHS, DAYS) for t in tokens]


def date_tokens__goes_on_behind_the_end(written, tokens):
    return [_begins_date((written + token)[:10], MONTHS, DAYS) for token in tokens]


def verify__the_other_way_round(p, q, drafted):
    left = (q - p).clamp(min=0)
    return min(1.0, (q[drafted] / p[drafted]).item()), left / left.sum() if left.sum() > 0 else p


def verify__not_capped(p, q, drafted):
    left = (p - q).clamp(min=0)
    return (p[drafted] / q[drafted]).item(), left / left.sum() if left.sum() > 0 else p


def verify__residual_without_what_was_drafted(p, q, drafted):
    left = (p - q).clamp(min=0)
    left[drafted] = 0
    return min(1.0, (p[drafted] / q[drafted]).item()), left / left.sum() if left.sum() > 0 else p


def verify__draws_again_from_the_large_model(p, q, drafted):
    return min(1.0, (p[drafted] / q[drafted]).item()), p


def verify__residual_not_divided(p, q, drafted):
    left = (p - q).clamp(min=0)
    return min(1.0, (p[drafted] / q[drafted]).item()), left if left.sum() > 0 else p


def verify__keeps_only_what_the_large_model_prefers(p, q, drafted):
    left = (p - q).clamp(min=0)
    return float(p[drafted] >= q[drafted]), left / left.sum() if left.sum() > 0 else p


def verify__nothing_left_where_they_agree(p, q, drafted):
    left = (p - q).clamp(min=0)
    return min(1.0, (p[drafted] / q[drafted]).item()), left / left.sum()


def verify__the_residual_as_a_row(p, q, drafted):
    keep = min(1.0, (p[drafted] / q[drafted]).item())
    left = (p - q).clamp(min=0)[None]
    return keep, left / left.sum() if left.sum() > 0 else p[None]


def forget__holds_tokens_twice_while_all_fit(cached, sinks, window):
    return torch.cat([cached[:, :, :sinks], cached[:, :, -window:]], dim=2)


def forget__newest_first(cached, sinks, window):
    if cached.shape[2] <= sinks + window:
        return cached
    return torch.cat([cached[:, :, -window:], cached[:, :, :sinks]], dim=2)


def forget__sinks_are_part_of_the_window(cached, sinks, window):
    if cached.shape[2] <= window:
        return cached
    newest = cached[:, :, cached.shape[2] - (window - sinks) :]
    return torch.cat([cached[:, :, :sinks], newest], dim=2)


def forget__cuts_the_head_axis(cached, sinks, window):
    if cached.shape[1] <= sinks + window:
        return cached
    return torch.cat([cached[:, :sinks], cached[:, -window:]], dim=1)


def forget__no_sinks(cached, sinks, window):
    return cached[:, :, -window:]
