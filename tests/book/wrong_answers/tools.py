"""Plausible wrong answers to the exercises of 'Tools'."""

import torch
from torch import nn

from course_lib.attention import MultiHeadAttention
from course_lib.training import IGNORE


def _ours(attention, matrices, biases, last):
    ours = MultiHeadAttention(attention.embed_dim, attention.num_heads, bias=True)
    for name, weight, bias in zip("qkv", matrices, biases, strict=True):
        getattr(ours, f"{name}_proj").load_state_dict({"weight": weight, "bias": bias})
    ours.out_proj.load_state_dict({"weight": last, "bias": attention.c_proj.bias})
    return ours


def from_gpt2__square_matrices_not_transposed(attention):
    matrices = attention.c_attn.weight.chunk(3, dim=1)
    biases = attention.c_attn.bias.chunk(3)
    return _ours(attention, matrices, biases, attention.c_proj.weight)


def from_gpt2__keys_and_values_swapped(attention):
    q, k, v = attention.c_attn.weight.T.chunk(3)
    bq, bk, bv = attention.c_attn.bias.chunk(3)
    return _ours(attention, (q, v, k), (bq, bv, bk), attention.c_proj.weight.T)


def from_gpt2__output_not_transposed(attention):
    matrices, biases = attention.c_attn.weight.T.chunk(3), attention.c_attn.bias.chunk(3)
    return _ours(attention, matrices, biases, attention.c_proj.weight)


def from_gpt2__no_biases(attention):
    matrices = attention.c_attn.weight.T.chunk(3)
    biases = [torch.zeros(attention.embed_dim)] * 3
    return _ours(attention, matrices, biases, attention.c_proj.weight.T)


def from_gpt2__parts_of_each_head_mixed(attention):
    n = attention.num_heads
    matrices = attention.c_attn.weight.T.reshape(n, 3, -1, attention.embed_dim).unbind(1)
    biases = attention.c_attn.bias.reshape(n, 3, -1).unbind(1)
    matrices = [m.reshape(attention.embed_dim, -1) for m in matrices]
    biases = [b.reshape(-1) for b in biases]
    return _ours(attention, matrices, biases, attention.c_proj.weight.T)


def from_gpt2__layer_without_biases(attention):
    ours = MultiHeadAttention(attention.embed_dim, attention.num_heads)
    for name, weight in zip("qkv", attention.c_attn.weight.T.chunk(3), strict=True):
        getattr(ours, f"{name}_proj").load_state_dict({"weight": weight})
    ours.out_proj.load_state_dict({"weight": attention.c_proj.weight.T})
    return ours


def from_gpt2__one_head(attention):
    matrices, biases = attention.c_attn.weight.T.chunk(3), attention.c_attn.bias.chunk(3)
    ours = MultiHeadAttention(attention.embed_dim, 1, bias=True)
    right = _ours(attention, matrices, biases, attention.c_proj.weight.T)
    ours.load_state_dict(right.state_dict())
    return ours


def _masked(tokens, mask_id, vocab_size, chosen, mask=0.8, keep=0.9):
    targets = tokens.masked_fill(~chosen, IGNORE)
    fate = torch.rand(tokens.shape)
    inputs = tokens.masked_fill(chosen & (fate < mask), mask_id)
    random = torch.randint_like(tokens, vocab_size)
    return torch.where(chosen & (fate >= keep), random, inputs), targets


def mask_tokens__special_tokens_too(tokens, mask_id, vocab_size):
    return _masked(tokens, mask_id, vocab_size, torch.rand(tokens.shape) < 0.15)


def mask_tokens__all_chosen_are_masked(tokens, mask_id, vocab_size):
    chosen = (torch.rand(tokens.shape) < 0.15) & (tokens > mask_id)
    return _masked(tokens, mask_id, vocab_size, chosen, mask=1.0, keep=1.0)


def mask_tokens__ten_percent_of_the_rest_is_random(tokens, mask_id, vocab_size):
    chosen = (torch.rand(tokens.shape) < 0.15) & (tokens > mask_id)
    return _masked(tokens, mask_id, vocab_size, chosen, keep=0.98)


def mask_tokens__targets_everywhere(tokens, mask_id, vocab_size):
    chosen = (torch.rand(tokens.shape) < 0.15) & (tokens > mask_id)
    return _masked(tokens, mask_id, vocab_size, chosen)[0], tokens


def mask_tokens__in_place(tokens, mask_id, vocab_size):
    chosen = (torch.rand(tokens.shape) < 0.15) & (tokens > mask_id)
    inputs, targets = _masked(tokens, mask_id, vocab_size, chosen)
    tokens.copy_(inputs)
    return tokens, targets


def mask_tokens__the_same_places_in_each_row(tokens, mask_id, vocab_size):
    width = tokens.shape[1]
    columns = torch.zeros(width, dtype=torch.bool)
    columns[torch.randperm(width)[: round(0.15 * width)]] = True
    return _masked(tokens, mask_id, vocab_size, columns & (tokens > mask_id))


def mask_tokens__fifteen_percent_are_masked(tokens, mask_id, vocab_size):
    chosen = (torch.rand(tokens.shape) < 0.15 / 0.8) & (tokens > mask_id)
    return _masked(tokens, mask_id, vocab_size, chosen)


def _steps(model, batches, lr, decay, max_norm, *, all_decay=False, falls=True, zero=True):
    vectors = [p for p in model.parameters() if p.dim() < 2]
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": decay if all_decay else 0}]
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=decay)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / len(batches)) if falls else lr
        if zero:
            optimizer.zero_grad()
        model(**batch).loss.backward()
        if max_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()


def plain_steps__constant_learning_rate(model, batches, lr, weight_decay, max_norm):
    _steps(model, batches, lr, weight_decay, max_norm, falls=False)


def plain_steps__decay_on_biases_and_norms(model, batches, lr, weight_decay, max_norm):
    _steps(model, batches, lr, weight_decay, max_norm, all_decay=True)


def plain_steps__no_clipping(model, batches, lr, weight_decay, max_norm):
    _steps(model, batches, lr, weight_decay, None)


def plain_steps__gradients_pile_up(model, batches, lr, weight_decay, max_norm):
    _steps(model, batches, lr, weight_decay, max_norm, zero=False)


def plain_steps__rate_zero_at_the_last_step(model, batches, lr, weight_decay, max_norm):
    parameters = list(model.parameters())
    groups = [{"params": [p], "weight_decay": weight_decay * (p.dim() > 1)} for p in parameters]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / max(1, len(batches) - 1))
        optimizer.zero_grad()
        model(**batch).loss.backward()
        nn.utils.clip_grad_norm_(parameters, max_norm)
        optimizer.step()


def plain_steps__clips_each_tensor_by_itself(model, batches, lr, weight_decay, max_norm):
    parameters = list(model.parameters())
    groups = [{"params": [p], "weight_decay": weight_decay * (p.dim() > 1)} for p in parameters]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / len(batches))
        optimizer.zero_grad()
        model(**batch).loss.backward()
        for parameter in parameters:
            nn.utils.clip_grad_norm_(parameter, max_norm)
        optimizer.step()


def plain_steps__torch_s_own_decay(model, batches, lr, weight_decay, max_norm):
    _steps(model, batches, lr, 0.01, max_norm)


def _dense(linear, weights, use_bias):
    import keras

    dense = keras.layers.Dense(linear.out_features, use_bias=use_bias)
    dense.build((None, linear.in_features))
    dense.set_weights(weights)
    return dense


def to_dense__reshaped_instead_of_transposed(linear):
    weights = [w.detach().numpy() for w in linear.parameters()]
    weights[0] = weights[0].reshape(linear.in_features, linear.out_features)
    return _dense(linear, weights, linear.bias is not None)


def to_dense__bias_lost(linear):
    return _dense(linear, [linear.weight.detach().numpy().T], False)


def to_dense__always_a_bias(linear):
    bias = torch.zeros(linear.out_features) if linear.bias is None else linear.bias
    return _dense(linear, [linear.weight.detach().numpy().T, bias.detach().numpy()], True)


def to_dense__not_transposed(linear):
    weights = [w.detach().numpy() for w in linear.parameters()]
    return _dense(linear, weights, linear.bias is not None)
