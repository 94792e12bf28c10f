"""Right answers to the exercises of 'The Transformer', each written in another way."""

import copy

import numpy as np
import torch
from torch import nn


def rms_norm__divides_by_the_root(x, weight, eps):
    root = torch.sqrt(torch.mean(x**2, dim=-1, keepdim=True) + eps)
    return x / root * weight


def rms_norm__vector_by_vector(x, weight, eps):
    rows = []
    for row in x.reshape(-1, x.shape[-1]):
        total = sum(entry * entry for entry in row)
        rows.append(row * weight / (total / len(row) + eps) ** 0.5)
    return torch.stack(rows).reshape(x.shape)


def rms_norm__by_einsum(x, weight, eps):
    squares = torch.einsum("...d,...d->...", x, x) / x.shape[-1]
    return torch.einsum("...d,d,...->...d", x, weight, (squares + eps).pow(-0.5))


def post_norm__in_one_expression(x, attention, attention_norm, mlp, mlp_norm):
    middle = attention_norm(attention(x) + x)
    return mlp_norm(mlp(middle) + middle)


def post_norm__as_a_loop(x, attention, attention_norm, mlp, mlp_norm):
    for sublayer, norm in ((attention, attention_norm), (mlp, mlp_norm)):
        x = norm(torch.add(x, sublayer(x)))
    return x


def post_norm__in_place_on_a_copy(x, attention, attention_norm, mlp, mlp_norm):
    stream = x.clone()
    stream += attention(x)
    stream = attention_norm(stream)
    return mlp_norm(stream + mlp(stream))


def llama_parameters__block_by_block(vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff):
    total = vocab_size * d_model
    for _ in range(n_layers):
        total += d_model * d_model  # queries
        total += 2 * n_kv_heads * (d_model // n_heads) * d_model  # keys, values
        total += d_model * d_model  # output
        total += d_model * d_ff + d_model * d_ff + d_ff * d_model
        total += d_model + d_model
    return total + d_model


def llama_parameters__as_a_quotient(vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff):
    attention = 2 * d_model**2 * (1 + n_kv_heads / n_heads)
    norms = (2 * n_layers + 1) * d_model
    return norms + n_layers * (attention + 3 * d_ff * d_model) + d_model * vocab_size


def sees__as_nested_lists(model, tokens):
    length, before = tokens.shape[1], model(tokens)
    table = [[False] * length for _ in range(length)]
    for column in range(length):
        other = tokens.clone()
        other[0, column] = 64 - other[0, column] if other[0, column] != 32 else 0
        after = model(other)
        for row in range(length):
            difference = (after[0, row] - before[0, row]).abs().max().item()
            table[row][column] = difference > 1e-6
    return torch.tensor(table)


def sees__all_changes_as_one_batch(model, tokens):
    length = tokens.shape[1]
    changed = (tokens + 7 * torch.eye(length, dtype=torch.long)) % 65  # (T, T)
    difference = (model(changed) - model(tokens)).abs().flatten(2).amax(-1)
    return (difference > 1e-6).T


def sees__with_numpy(model, tokens):
    base = model(tokens).detach().numpy()[0]
    table = np.zeros((len(base), len(base)), dtype=bool)
    for j in range(len(base)):
        other = torch.tensor(tokens.tolist())
        other[0, j] = other[0, j] - 1 if other[0, j] > 0 else 64
        table[:, j] = (np.abs(model(other).detach().numpy()[0] - base) > 1e-6).any(axis=1)
    return table


def fold__a_copy_with_new_weights(norm, linear):
    folded = copy.deepcopy(linear)
    folded.weight.data = linear.weight.data * norm.weight.data[None, :]
    return folded


def fold__by_a_diagonal_matrix(norm, linear):
    has_bias = linear.bias is not None
    folded = nn.Linear(linear.in_features, linear.out_features, bias=has_bias)
    folded.weight = nn.Parameter((linear.weight @ torch.diag(norm.weight)).detach())
    if has_bias:
        folded.bias = nn.Parameter(linear.bias.detach().clone())
    return folded


def fold__column_by_column(norm, linear):
    folded = nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
    with torch.no_grad():
        for j, factor in enumerate(norm.weight):
            folded.weight[:, j] = linear.weight[:, j] * factor
        if folded.bias is not None:
            folded.bias.copy_(linear.bias)
    return folded
