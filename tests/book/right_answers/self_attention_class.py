"""Right answers to the exercises of 'The SelfAttention class', each written in another way."""

import math

import torch
from torch import nn


def split_heads__view_and_permute(x, n_heads):
    b, t = x.shape[:2]
    return x.contiguous().view(b, t, n_heads, -1).permute(0, 2, 1, 3)


def split_heads__stacked_slices(x, n_heads):
    width = x.shape[-1] // n_heads
    return torch.stack([x[..., i * width : (i + 1) * width] for i in range(n_heads)], dim=1)


def split_heads__entry_by_entry(x, n_heads):
    batch, length, d_model = x.shape
    width = d_model // n_heads
    result = torch.zeros(batch, n_heads, length, width)
    for entry in range(d_model):
        result[:, entry // width, :, entry % width] = x[:, :, entry]
    return result


def count_weights__matrix_by_matrix(width, heads, kv_heads):
    small = width // heads
    article = sum(small * small for _ in ("values", "keys", "queries"))
    article += width * width
    article += width  # the bias
    standard = 0
    for outputs in (width, kv_heads * small, kv_heads * small, width):
        standard += width * outputs
    return [article, standard]


def count_weights__as_quotients(width, heads, kv_heads):
    article = width**2 * (1 + 3 / heads**2) + width
    standard = 2 * width**2 * (1 + kv_heads / heads)
    return round(article), round(standard)


def hide__by_where(energy, mask):
    least = torch.tensor(torch.finfo(energy.dtype).min, dtype=energy.dtype)
    return torch.where(mask.bool(), energy, least)


def hide__in_place_on_a_copy(energy, mask):
    result = energy.clone()
    result[(mask == 0).expand_as(energy)] = torch.finfo(energy.dtype).min
    return result


def hide__zero_then_add(energy, mask):
    keep = mask.to(energy.dtype)
    return energy * keep + (1 - keep) * torch.finfo(energy.dtype).min


def expand_groups__by_an_index(k, n_heads):
    heads = torch.arange(n_heads) // (n_heads // k.shape[1])
    return k[:, heads]


def expand_groups__a_new_axis(k, n_heads):
    b, groups, s, d = k.shape
    copies = k[:, :, None].expand(b, groups, n_heads // groups, s, d)
    return copies.reshape(b, n_heads, s, d)


def expand_groups__a_list_of_heads(k, n_heads):
    found = []
    for group in range(k.shape[1]):
        found += [k[:, group]] * (n_heads // k.shape[1])
    return torch.stack(found, dim=1)


def to_torch__head_by_head(layer):
    width, small = layer.embed_size, layer.head_dim
    other = nn.MultiheadAttention(width, layer.heads, batch_first=True)
    state = other.state_dict()
    matrix = torch.zeros(3 * width, width)
    for place, part in enumerate((layer.queries, layer.keys, layer.values)):
        weight = part.weight.detach()
        if place == 0:
            weight = weight * (small**0.5 / width**0.5)
        for head in range(layer.heads):
            rows = place * width + head * small
            matrix[rows : rows + small, head * small : (head + 1) * small] = weight
    state["in_proj_weight"] = matrix
    state["in_proj_bias"] = torch.zeros(3 * width)
    state["out_proj.weight"] = layer.fc_out.weight
    state["out_proj.bias"] = layer.fc_out.bias
    other.load_state_dict(state)
    return other


@torch.no_grad()
def to_torch__by_kronecker_products(layer):
    other = nn.MultiheadAttention(layer.embed_size, layer.heads, batch_first=True)
    ones = torch.eye(layer.heads)
    width = layer.embed_size
    other.in_proj_weight[:width] = torch.kron(ones, layer.queries.weight) / math.sqrt(layer.heads)
    other.in_proj_weight[width : 2 * width] = torch.kron(ones, layer.keys.weight)
    other.in_proj_weight[2 * width :] = torch.kron(ones, layer.values.weight)
    nn.init.zeros_(other.in_proj_bias)
    other.out_proj.weight.copy_(layer.fc_out.weight)
    other.out_proj.bias.copy_(layer.fc_out.bias)
    return other.eval()


class _HeadByHead(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.width = d_model // n_heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(d_model, d_model, bias=False) for _ in range(4)
        )

    def forward(self, x, source, real):
        parts = (self.q_proj(x), self.k_proj(source), self.v_proj(source))
        heads = []
        for q, k, v in zip(*(part.split(self.width, dim=-1) for part in parts), strict=True):
            scores = torch.bmm(q, k.transpose(1, 2)) / self.width**0.5
            scores = torch.where(real[:, None], scores, torch.tensor(-math.inf))
            heads.append(torch.bmm(scores.softmax(-1), v))
        return self.out_proj(torch.cat(heads, dim=-1))


def cross_layer__head_by_head(d_model, n_heads):
    return _HeadByHead(d_model, n_heads)


class _ByNames(nn.Module):
    def __init__(self, d_model, n_heads):
        super().__init__()
        self.cut = (n_heads, d_model // n_heads)
        self.q_proj = nn.Linear(d_model, d_model, bias=False)
        self.k_proj = nn.Linear(d_model, d_model, bias=False)
        self.v_proj = nn.Linear(d_model, d_model, bias=False)
        self.out_proj = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, source, real):
        q = self.q_proj(x).unflatten(-1, self.cut)
        k = self.k_proj(source).unflatten(-1, self.cut)
        v = self.v_proj(source).unflatten(-1, self.cut)
        scores = torch.einsum("bqhd,bkhd->bhqk", q * self.cut[1] ** -0.5, k)
        powers = (scores - scores.amax(-1, keepdim=True)).exp() * real[:, None, None]
        weights = powers / powers.sum(-1, keepdim=True)
        return self.out_proj(torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2))


def cross_layer__by_names_of_axes(d_model, n_heads):
    return _ByNames(d_model, n_heads)
