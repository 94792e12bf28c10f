"""Plausible wrong answers to the exercises of 'The mathematics of self-attention'."""

import math

import torch


def softmax__overflows(scores, dim):
    return scores.exp() / scores.exp().sum(dim=dim, keepdim=True)


def softmax__always_over_the_last_axis(scores, dim):
    powers = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


def softmax__subtracts_the_largest_of_all_rows(scores, dim):
    powers = (scores - scores.max()).exp()
    return powers / powers.sum(dim=dim, keepdim=True)


def softmax__without_the_exponential(scores, dim):
    return scores / scores.sum(dim=dim, keepdim=True)


def softmax__subtracts_the_mean(scores, dim):
    powers = (scores - scores.mean(dim=dim, keepdim=True)).exp()
    return powers / powers.sum(dim=dim, keepdim=True)


def softmax__cuts_large_scores(scores, dim):
    powers = scores.clamp(-80, 80).exp()
    return powers / powers.sum(dim=dim, keepdim=True)


def softmax__changes_its_input(scores, dim):
    scores -= scores.amax(dim=dim, keepdim=True)
    return scores.exp() / scores.exp().sum(dim=dim, keepdim=True)


def attend__without_the_scale(queries, keys, values):
    return torch.softmax(queries @ keys.T, dim=-1) @ values


def attend__divides_by_d(queries, keys, values):
    return torch.softmax(queries @ keys.T / queries.shape[-1], dim=-1) @ values


def attend__softmax_over_the_queries(queries, keys, values):
    return torch.softmax(queries @ keys.T / math.sqrt(queries.shape[-1]), dim=0) @ values


def attend__scales_by_the_number_of_keys(queries, keys, values):
    return torch.softmax(queries @ keys.T / math.sqrt(len(keys)), dim=-1) @ values


def attend__scales_after_the_softmax(queries, keys, values):
    return torch.softmax(queries @ keys.T, dim=-1) / math.sqrt(queries.shape[-1]) @ values


def attend__scales_by_the_width_of_the_values(queries, keys, values):
    return torch.softmax(queries @ keys.T / math.sqrt(values.shape[-1]), dim=-1) @ values


def attend__changes_its_input(queries, keys, values):
    queries /= math.sqrt(queries.shape[-1])
    return torch.softmax(queries @ keys.T, dim=-1) @ values


def late_causal_mask__aligned_at_the_start(query_len, key_len):
    return torch.ones(query_len, key_len).tril().bool()


def late_causal_mask__hides_the_token_itself(query_len, key_len):
    return torch.ones(query_len, key_len).tril(key_len - query_len - 1).bool()


def late_causal_mask__looks_at_the_future(query_len, key_len):
    return torch.ones(query_len, key_len).triu(key_len - query_len).bool()


def late_causal_mask__not_booleans(query_len, key_len):
    return torch.ones(query_len, key_len).tril(key_len - query_len)


def late_causal_mask__one_key_too_many(query_len, key_len):
    return torch.ones(query_len, key_len).tril(key_len - query_len + 1).bool()


def masked_weights__masks_after_the_softmax(scores, mask):
    return scores.softmax(dim=-1) * mask


def masked_weights__leaves_nan_in_an_empty_row(scores, mask):
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)


def masked_weights__hides_what_is_allowed(scores, mask):
    return scores.masked_fill(mask, -math.inf).softmax(dim=-1).nan_to_num()


def masked_weights__changes_its_input(scores, mask):
    return scores.masked_fill_(~mask, -math.inf).softmax(dim=-1).nan_to_num()


def masked_weights__large_number_spreads_over_an_empty_row(scores, mask):
    return scores.masked_fill(~mask, -1e9).softmax(dim=-1)


def masked_weights__a_number_not_small_enough(scores, mask):
    weights = scores.masked_fill(~mask, -100.0).softmax(dim=-1)
    return weights * mask.any(dim=-1, keepdim=True)


def masked_weights__changes_the_mask(scores, mask):
    mask.logical_not_()
    return scores.masked_fill(mask, -math.inf).softmax(dim=-1).nan_to_num()


def attention_cost__forgets_the_weighted_sums(n, d_model, n_heads):
    return n**2 * d_model, n_heads * n**2 * 4


def attention_cost__one_map_for_all_heads(n, d_model, n_heads):
    return 2 * n**2 * d_model, n**2 * 4


def attention_cost__every_head_as_wide_as_the_model(n, d_model, n_heads):
    return 2 * n**2 * d_model * n_heads, n_heads * n**2 * 4


def attention_cost__counts_numbers_instead_of_bytes(n, d_model, n_heads):
    return 2 * n**2 * d_model, n_heads * n**2


def rope__one_angle_for_all_pairs(x, position, base):
    half = len(x) // 2
    cos, sin = math.cos(position), math.sin(position)
    return torch.cat([x[:half] * cos - x[half:] * sin, x[:half] * sin + x[half:] * cos])


def rope__pairs_of_neighbors(x, position, base):
    angles = position * base ** (-torch.arange(len(x) // 2) / (len(x) // 2))
    even, odd = x[0::2], x[1::2]
    turned = even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()
    return torch.stack(turned, dim=-1).flatten()


def rope__turns_the_other_way(x, position, base):
    half = len(x) // 2
    angles = -position * base ** (-torch.arange(half) / half)
    first, second = x[:half], x[half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos])


def rope__exponent_without_the_two(x, position, base):
    half = len(x) // 2
    angles = position * base ** (-torch.arange(half) / len(x))
    first, second = x[:half], x[half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos])


def rope__overwrites_what_it_still_needs(x, position, base):
    half = len(x) // 2
    angles = position * base ** (-torch.arange(half) / half)
    first, second = x[:half], x[half:]
    result = x.clone()
    result[:half] = first * angles.cos() - second * angles.sin()
    result[half:] = result[:half] * angles.sin() + second * angles.cos()
    return result


def rope__changes_its_input(x, position, base):
    half = len(x) // 2
    angles = position * base ** (-torch.arange(half) / half)
    first, second = x[:half].clone(), x[half:].clone()
    x[:half] = first * angles.cos() - second * angles.sin()
    x[half:] = first * angles.sin() + second * angles.cos()
    return x
