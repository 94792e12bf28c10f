"""Plausible wrong answers to the exercises of 'The Transformer'."""

import torch
import torch.nn.functional as F
from torch import nn


def rms_norm__subtracts_the_mean(x, weight, eps):
    return weight * F.layer_norm(x, x.shape[-1:], eps=eps)


def rms_norm__over_all_axes(x, weight, eps):
    return weight * x / (x.square().mean() + eps).sqrt()


def rms_norm__length_instead_of_root_mean_square(x, weight, eps):
    return weight * x / (x.norm(dim=-1, keepdim=True) + eps)


def rms_norm__eps_outside_the_root(x, weight, eps):
    return weight * x / (x.square().mean(-1, keepdim=True).sqrt() + eps)


def rms_norm__forgets_the_weight(x, weight, eps):
    return F.rms_norm(x, x.shape[-1:], eps=eps)


def rms_norm__forgets_eps(x, weight, eps):
    return weight * x / x.square().mean(-1, keepdim=True).sqrt()


def rms_norm__changes_its_input(x, weight, eps):
    x *= (x.square().mean(-1, keepdim=True) + eps).rsqrt()
    return x * weight


def post_norm__is_pre_norm(x, attention, attention_norm, mlp, mlp_norm):
    x = x + attention(attention_norm(x))
    return x + mlp(mlp_norm(x))


def post_norm__normalizes_before_the_sum(x, attention, attention_norm, mlp, mlp_norm):
    x = x + attention_norm(attention(x))
    return x + mlp_norm(mlp(x))


def post_norm__forgets_to_add(x, attention, attention_norm, mlp, mlp_norm):
    return mlp_norm(mlp(attention_norm(attention(x))))


def post_norm__mlp_reads_the_old_stream(x, attention, attention_norm, mlp, mlp_norm):
    return mlp_norm(attention_norm(x + attention(x)) + mlp(x))


def post_norm__changes_its_input(x, attention, attention_norm, mlp, mlp_norm):
    x += attention(x)
    x = attention_norm(x)
    return mlp_norm(x + mlp(x))


def post_norm__one_norm_for_both(x, attention, attention_norm, mlp, mlp_norm):
    x = attention_norm(x + attention(x))
    return attention_norm(x + mlp(x))


def post_norm__an_axis_more(x, attention, attention_norm, mlp, mlp_norm):
    x = attention_norm(x + attention(x))
    return mlp_norm(x + mlp(x))[None]


def llama_parameters__mlp_of_two_matrices(vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff):
    block = 2 * d_model**2 + 2 * d_model * n_kv_heads * d_model // n_heads
    return vocab_size * d_model + n_layers * (block + 2 * d_model * d_ff + 2 * d_model) + d_model


def llama_parameters__full_keys_and_values(
    vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff
):
    block = 4 * d_model**2 + 3 * d_model * d_ff + 2 * d_model
    return vocab_size * d_model + n_layers * block + d_model


def llama_parameters__forgets_the_last_norm(
    vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff
):
    block = 2 * d_model**2 + 2 * d_model * n_kv_heads * d_model // n_heads
    return vocab_size * d_model + n_layers * (block + 3 * d_model * d_ff + 2 * d_model)


def llama_parameters__counts_the_output_matrix_too(
    vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff
):
    block = 2 * d_model**2 + 2 * d_model * n_kv_heads * d_model // n_heads
    block += 3 * d_model * d_ff + 2 * d_model
    return 2 * vocab_size * d_model + n_layers * block + d_model


def llama_parameters__one_norm_per_block(vocab_size, n_layers, n_heads, n_kv_heads, d_model, d_ff):
    block = 2 * d_model**2 + 2 * d_model * n_kv_heads * d_model // n_heads
    return vocab_size * d_model + n_layers * (block + 3 * d_model * d_ff + d_model) + d_model


def _changes(model, tokens, rows):
    before, found = model(tokens), []
    for j in range(tokens.shape[1]):
        changed = tokens.clone()
        changed[:, rows(j)] = (changed[:, rows(j)] + 1) % 65
        found.append((model(changed) - before).abs().amax(-1)[0] > 1e-6)
    return found


def sees__transposed(model, tokens):
    return torch.stack(_changes(model, tokens, lambda j: j), dim=0)


def sees__changes_all_later_tokens_too(model, tokens):
    return torch.stack(_changes(model, tokens, lambda j: slice(j, None)), dim=1)


def sees__changes_the_input_in_place(model, tokens):
    before, columns = model(tokens), []
    for j in range(tokens.shape[1]):
        tokens[:, j] = (tokens[:, j] + 1) % 65
        columns.append((model(tokens) - before).abs().amax(-1)[0] > 1e-6)
    return torch.stack(columns, dim=1)


def sees__assumes_that_every_model_is_causal(model, tokens):
    return torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril()


def sees__does_not_wrap_around(model, tokens):
    before, columns = model(tokens), []
    for j in range(tokens.shape[1]):
        changed = tokens.clone()
        changed[:, j] = 64
        columns.append((model(changed) - before).abs().amax(-1)[0] > 1e-6)
    return torch.stack(columns, dim=1)


def _table(model, tokens, measure):
    before, columns = model(tokens), []
    for j in range(tokens.shape[1]):
        changed = tokens.clone()
        changed[:, j] = (changed[:, j] + 1) % 65
        columns.append(measure(model(changed)[0] - before[0]))
    return torch.stack(columns, dim=1)


def sees__forgets_the_absolute_value(model, tokens):
    return _table(model, tokens, lambda change: change.mean(-1) > 1e-6)


def sees__sums_before_the_absolute_value(model, tokens):
    return _table(model, tokens, lambda change: change.sum(-1).abs() > 1e-6)


def sees__first_number_only(model, tokens):
    return _table(model, tokens, lambda change: change[..., 0].abs() > 1e-6)


def sees__counts_rounding_noise(model, tokens):
    return _table(model, tokens, lambda change: (change != 0).any(-1))


def sees__one_token_loses_its_axis(model, tokens):
    return _table(model, tokens, lambda change: change.abs().amax(-1) > 1e-6).squeeze()


def _new(linear, weight):
    folded = nn.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
    folded.load_state_dict(linear.state_dict())
    with torch.no_grad():
        folded.weight.copy_(weight)
    return folded


def fold__scales_the_outputs(norm, linear):
    rows = norm.weight.repeat(linear.out_features)[: linear.out_features]
    return _new(linear, linear.weight * rows[:, None])


def fold__in_place(norm, linear):
    with torch.no_grad():
        linear.weight.mul_(norm.weight)
    return linear


def fold__divides(norm, linear):
    return _new(linear, linear.weight / norm.weight)


def fold__scales_the_bias_too(norm, linear):
    folded = _new(linear, linear.weight * norm.weight)
    with torch.no_grad():
        if linear.bias is not None:
            folded.bias.mul_(norm.weight.mean())
    return folded


def fold__loses_the_bias(norm, linear):
    folded = nn.Linear(linear.in_features, linear.out_features, bias=False)
    with torch.no_grad():
        folded.weight.copy_(linear.weight * norm.weight)
    return folded
