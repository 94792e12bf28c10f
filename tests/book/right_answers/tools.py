"""Right answers to the exercises of 'Tools', each written in another way."""

import torch
import transformers
from torch import nn

from course_lib.attention import MultiHeadAttention
from course_lib.training import IGNORE


def from_gpt2__slices_copied_in_place(attention):
    width = attention.embed_dim
    ours = MultiHeadAttention(width, attention.num_heads, bias=True)
    with torch.no_grad():
        for k, layer in enumerate((ours.q_proj, ours.k_proj, ours.v_proj)):
            columns = slice(k * width, (k + 1) * width)
            layer.weight.copy_(attention.c_attn.weight[:, columns].T)
            layer.bias.copy_(attention.c_attn.bias[columns])
        ours.out_proj.weight.copy_(attention.c_proj.weight.T)
        ours.out_proj.bias.copy_(attention.c_proj.bias)
    return ours


def from_gpt2__one_state_dict(attention):
    ours = MultiHeadAttention(attention.embed_dim, attention.num_heads, bias=True)
    theirs = {name: w.detach() for name, w in attention.named_parameters()}
    state = {}
    q, k, v = theirs["c_attn.weight"].split(attention.embed_dim, dim=1)
    bq, bk, bv = theirs["c_attn.bias"].split(attention.embed_dim)
    for name, weight, bias in (("q", q, bq), ("k", k, bk), ("v", v, bv)):
        state[f"{name}_proj.weight"], state[f"{name}_proj.bias"] = weight.t(), bias
    state["out_proj.weight"] = theirs["c_proj.weight"].t()
    state["out_proj.bias"] = theirs["c_proj.bias"]
    ours.load_state_dict(state)
    return ours


def from_gpt2__new_parameters(attention):
    ours = MultiHeadAttention(attention.embed_dim, attention.num_heads, bias=True)
    for layer, w, b in zip(
        (ours.q_proj, ours.k_proj, ours.v_proj),
        attention.c_attn.weight.detach().chunk(3, dim=1),
        attention.c_attn.bias.detach().chunk(3),
        strict=True,
    ):
        layer.weight, layer.bias = nn.Parameter(w.T.clone()), nn.Parameter(b.clone())
    ours.out_proj.weight = nn.Parameter(attention.c_proj.weight.detach().T.clone())
    ours.out_proj.bias = nn.Parameter(attention.c_proj.bias.detach().clone())
    return ours


def mask_tokens__bernoulli(tokens, mask_id, vocab_size):
    chance = torch.full(tokens.shape, 0.15)
    chance[tokens <= mask_id] = 0
    chosen = torch.bernoulli(chance).bool()
    inputs, targets = tokens.clone(), torch.full_like(tokens, IGNORE)
    targets[chosen] = tokens[chosen]
    masked = torch.bernoulli(torch.full(tokens.shape, 0.8)).bool() & chosen
    inputs[masked] = mask_id
    random = torch.bernoulli(torch.full(tokens.shape, 0.5)).bool() & chosen & ~masked
    inputs[random] = torch.randint(vocab_size, tokens.shape)[random]
    return inputs, targets


def mask_tokens__loops(tokens, mask_id, vocab_size):
    import random

    inputs, targets = tokens.tolist(), []
    for row in inputs:
        targets.append([IGNORE] * len(row))
        for i, token in enumerate(row):
            if token <= mask_id or random.random() >= 0.15:
                continue
            targets[-1][i] = token
            fate = random.random()
            if fate < 0.8:
                row[i] = mask_id
            elif fate < 0.9:
                row[i] = random.randrange(mask_id + 1, vocab_size)
    return torch.tensor(inputs), torch.tensor(targets)


def plain_steps__scheduler(model, batches, lr, weight_decay, max_norm):
    decays = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decays}, {"params": rest, "weight_decay": 0}],
        lr=lr,
        weight_decay=weight_decay,
    )
    scheduler = transformers.get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    model.train()
    for batch in batches:
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def plain_steps__adam_by_hand(model, batches, lr, weight_decay, max_norm):
    parameters = list(model.parameters())
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    for step, batch in enumerate(batches, start=1):
        gradients = torch.autograd.grad(model(**batch).loss, parameters)
        norm = torch.sqrt(sum((g**2).sum() for g in gradients))
        shrink = min(1.0, max_norm / (norm.item() + 1e-6))
        rate = lr * (len(batches) - step + 1) / len(batches)
        with torch.no_grad():
            for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
                g = g * shrink
                m += 0.1 * (g - m)
                v += 0.001 * (g**2 - v)
                if p.dim() >= 2:
                    p *= 1 - rate * weight_decay
                mean, square = m / (1 - 0.9**step), v / (1 - 0.999**step)
                p -= rate * mean / (square.sqrt() + 1e-8)


def to_dense__called_once_to_build(linear):
    import keras

    dense = keras.layers.Dense(linear.out_features, use_bias=linear.bias is not None)
    dense(torch.zeros(1, linear.in_features).numpy())
    dense.kernel.assign(linear.weight.detach().numpy().T)
    if linear.bias is not None:
        dense.bias.assign(linear.bias.detach().numpy())
    return dense


def to_dense__initializers(linear):
    import keras

    def constant(values):
        return lambda shape, dtype=None: keras.ops.convert_to_tensor(values.numpy(), dtype)

    has_bias = linear.bias is not None
    dense = keras.layers.Dense(
        linear.weight.shape[0],
        use_bias=has_bias,
        kernel_initializer=constant(linear.weight.detach().t().contiguous()),
        bias_initializer=constant(linear.bias.detach()) if has_bias else "zeros",
    )
    dense.build((None, linear.weight.shape[1]))
    return dense
