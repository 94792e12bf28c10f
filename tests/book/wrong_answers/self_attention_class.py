"""Plausible wrong answers to the exercises of 'The SelfAttention class'."""

import math

import torch
from torch import nn


def split_heads__without_the_transpose(x, n_heads):
    batch, length, d_model = x.shape
    return x.reshape(batch, n_heads, length, d_model // n_heads)


def split_heads__leaves_the_axes_in_order(x, n_heads):
    return x.reshape(*x.shape[:2], n_heads, -1)


def split_heads__deals_entries_out_in_turn(x, n_heads):
    batch, length, d_model = x.shape
    return x.reshape(batch, length, d_model // n_heads, n_heads).permute(0, 3, 1, 2)


def split_heads__mistakes_the_number_for_the_width(x, n_heads):
    return torch.stack(x.split(n_heads, dim=-1), dim=1)


def split_heads__drops_axes_of_one(x, n_heads):
    batch, length, d_model = x.shape
    return x.reshape(batch, length, n_heads, d_model // n_heads).transpose(1, 2).squeeze()


def count_weights__three_matrices_per_head(width, heads, kv_heads):
    head_dim = width // heads
    return 3 * heads * head_dim**2 + width**2 + width, 2 * width * (width + kv_heads * head_dim)


def count_weights__forgets_the_bias(width, heads, kv_heads):
    head_dim = width // heads
    return 3 * head_dim**2 + width**2, 2 * width * (width + kv_heads * head_dim)


def count_weights__ignores_the_groups(width, heads, kv_heads):
    head_dim = width // heads
    return 3 * head_dim**2 + width**2 + width, 4 * width**2


def count_weights__groups_only_the_keys(width, heads, kv_heads):
    head_dim = width // heads
    return 3 * head_dim**2 + width**2 + width, 3 * width**2 + width * kv_heads * head_dim


def hide__the_article_s_number(energy, mask):
    return energy.masked_fill(mask == 0, -1e20)


def hide__minus_infinity(energy, mask):
    return energy.masked_fill(mask == 0, -math.inf)


def hide__zero_is_not_hidden(energy, mask):
    return energy.masked_fill(mask == 0, 0)


def hide__a_number_too_small(energy, mask):
    return energy.masked_fill(mask == 0, -10)


def hide__the_wrong_way_round(energy, mask):
    return energy.masked_fill(mask == 1, torch.finfo(energy.dtype).min)


def hide__computes_in_float32(energy, mask):
    return energy.float().masked_fill(mask == 0, -1e20)


def hide__changes_its_input(energy, mask):
    return energy.masked_fill_(mask == 0, torch.finfo(energy.dtype).min)


def hide__adds_the_least_number(energy, mask):
    least = torch.finfo(energy.dtype).min
    return energy + torch.zeros_like(energy).masked_fill(mask == 0, least)


def hide__adds_a_large_number(energy, mask):
    return energy + torch.zeros_like(energy).masked_fill(mask == 0, -1e4)


def hide__inverts_the_bits_of_whole_numbers(energy, mask):
    return energy.masked_fill((~mask).bool(), torch.finfo(energy.dtype).min)


def hide__changes_the_mask(energy, mask):
    mask.sub_(1)
    return energy.masked_fill(mask.bool(), torch.finfo(energy.dtype).min)


def hide__a_row_more(energy, mask):
    hidden = energy.masked_fill(mask == 0, torch.finfo(energy.dtype).min)
    return torch.cat([hidden, hidden[..., -1:, :]], dim=-2)


def expand_groups__repeats_in_turn(k, n_heads):
    return k.repeat(1, n_heads // k.shape[1], 1, 1)


def expand_groups__repeats_the_tokens(k, n_heads):
    return k.repeat_interleave(n_heads // k.shape[1], dim=2)


def expand_groups__only_the_first_key_head(k, n_heads):
    return k[:, :1].expand(-1, n_heads, -1, -1)


def expand_groups__once_too_often(k, n_heads):
    return k.repeat_interleave(n_heads, dim=1)


def _moved(layer, *, ratio=None, order=(0, 1, 2), bias=True, copies=None):
    ratio = math.sqrt(layer.head_dim / layer.embed_size) if ratio is None else ratio
    other = nn.MultiheadAttention(layer.embed_size, layer.heads, batch_first=True)
    parts = (layer.queries, layer.keys, layer.values)
    blocks = [torch.block_diag(*[part.weight] * layer.heads) for part in parts]
    if copies == "everywhere":
        blocks = [part.weight.repeat(layer.heads, layer.heads) for part in parts]
    blocks[0] = blocks[0] * ratio
    with torch.no_grad():
        other.in_proj_weight.copy_(torch.cat([blocks[i] for i in order]))
        other.in_proj_bias.zero_()
        other.out_proj.weight.copy_(layer.fc_out.weight)
        if bias:
            other.out_proj.bias.copy_(layer.fc_out.bias)
    return other


def to_torch__forgets_the_scale(layer):
    return _moved(layer, ratio=1.0)


def to_torch__scale_upside_down(layer):
    return _moved(layer, ratio=math.sqrt(layer.embed_size / layer.head_dim))


def to_torch__order_of_the_article_s_arguments(layer):
    return _moved(layer, order=(2, 1, 0))


def to_torch__forgets_the_bias(layer):
    return _moved(layer, bias=False)


def to_torch__blocks_everywhere(layer):
    return _moved(layer, copies="everywhere")


def to_torch__changes_the_layer(layer):
    with torch.no_grad():
        layer.queries.weight.mul_(math.sqrt(layer.head_dim / layer.embed_size))
    return _moved(layer, ratio=1.0)


def to_torch__batch_second(layer):
    other = _moved(layer)
    other.batch_first = False
    return other


class _Cross(nn.Module):
    """A layer for two texts with a fault to choose."""

    def __init__(self, d_model, n_heads, fault):
        super().__init__()
        self.n_heads, self.fault = n_heads, fault
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            self.add_module(name, nn.Linear(d_model, d_model, bias=fault == "bias"))

    def cut(self, x):
        if self.fault == "cut":
            return x.reshape(len(x), self.n_heads, x.shape[1], -1)
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def forward(self, x, source, real):
        asked = x if self.fault == "itself" else source
        real = torch.ones(asked.shape[:2]).bool() if self.fault in ("itself", "sees") else real
        q, k = self.cut(self.q_proj(x)), self.cut(self.k_proj(asked))
        v = self.cut(self.v_proj(asked))
        width = x.shape[-1] if self.fault == "scale" else q.shape[-1]
        scores = q @ k.mT / math.sqrt(width)
        hidden = real if self.fault == "round" else ~real
        if self.fault != "late":
            scores = scores.masked_fill(hidden[:, None, None], -math.inf)
        weights = scores.softmax(dim=2 if self.fault == "queries" else -1)
        if self.fault == "late":
            weights = weights * real[:, None, None]
        mixed = weights @ v
        mixed = mixed if self.fault == "join" else mixed.transpose(1, 2)
        return self.out_proj(mixed.reshape(*x.shape))


def cross_layer__article_s_scale(d_model, n_heads):
    return _Cross(d_model, n_heads, "scale")


def cross_layer__cuts_without_moving_the_axis(d_model, n_heads):
    return _Cross(d_model, n_heads, "cut")


def cross_layer__joins_without_moving_the_axis_back(d_model, n_heads):
    return _Cross(d_model, n_heads, "join")


def cross_layer__softmax_over_the_queries(d_model, n_heads):
    return _Cross(d_model, n_heads, "queries")


def cross_layer__mask_after_the_softmax(d_model, n_heads):
    return _Cross(d_model, n_heads, "late")


def cross_layer__mask_the_wrong_way_round(d_model, n_heads):
    return _Cross(d_model, n_heads, "round")


def cross_layer__hides_nothing(d_model, n_heads):
    return _Cross(d_model, n_heads, "sees")


def cross_layer__attends_to_its_own_text(d_model, n_heads):
    return _Cross(d_model, n_heads, "itself")


def cross_layer__has_biases(d_model, n_heads):
    return _Cross(d_model, n_heads, "bias")
