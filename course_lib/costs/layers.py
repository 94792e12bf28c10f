"""What each layer of a Transformer costs: its numbers, those at work on one token, its operations.

Taught in 'Compute'. All matrix products are counted, and nothing else, as PyTorch's FLOP counter
does: a product (m, k) @ (k, n) is 2·m·k·n. Every query is multiplied with every key, also where a
mask hides what comes of it.
"""

from dataclasses import dataclass
from typing import Any

from course_lib.checks import check_sizes, expect


@dataclass(frozen=True)
class Cost:
    """What a layer costs.

    Attributes:
        parameters: numbers that memory holds.
        active: those of them that work on one token; fewer only in a mixture of experts.
        flops: operations of all matrix products in one forward pass.
    """

    parameters: int = 0
    active: int = 0
    flops: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        both = zip(self._values(), other._values(), strict=True)
        return Cost(*(a + b for a, b in both))

    def __mul__(self, times: int) -> "Cost":
        return Cost(*(times * value for value in self._values()))

    def _values(self) -> tuple[int, int, int]:
        return self.parameters, self.active, self.flops


def linear_cost(n_in: int, n_out: int, tokens: int, *, bias: bool = False) -> Cost:
    """Count a matrix (out, in) that every token is multiplied by; its bias is only added.

    Raises:
        ValueError: if a size is not positive.
    """
    check_sizes(n_in=n_in, n_out=n_out, tokens=tokens)
    numbers = n_out * (n_in + bias)
    return Cost(numbers, numbers, 2 * tokens * n_in * n_out)


def attention_cost(config: Any, queries: int, keys: int | None = None, rows: int = 1) -> Cost:
    """Count an attention layer: four projections, queries by keys, weights by values.

    Args:
        config: a model's, such as :class:`course_lib.model.GPTConfig`.
        queries: tokens of a text that ask.
        keys: tokens of another text that are asked; by default those that ask.
        rows: texts.
    """
    source = queries if keys is None else keys
    check_sizes(queries=queries, keys=source, rows=rows)
    # Keys and values may have fewer heads; then their matrices are narrower.
    width, head_dim = config.d_model, config.d_model // config.n_heads
    narrow = (config.n_kv_heads or config.n_heads) * head_dim
    cost = linear_cost(width, width, rows * queries, bias=config.bias) * 2  # queries, output
    cost += linear_cost(width, narrow, rows * source, bias=config.bias) * 2  # keys, values
    # Every query meets every key, in all heads, and the weights every value.
    cost += Cost(flops=4 * rows * queries * source * width)
    # The speedrun recipe normalizes queries and keys of each head.
    norms = 2 * head_dim * getattr(config, "qk_norm", False)
    return cost + Cost(norms, norms)


def feed_forward_cost(config: Any, tokens: int) -> Cost:
    """Count the feed-forward part: two matrices, three with a gate; or a router and its experts.

    Args:
        config: a model's; with ``n_experts`` and ``top_k`` it is a mixture of experts.
        tokens: of all texts together.
    """
    width, hidden, bias = config.d_model, config.hidden, config.bias
    # One MLP; with a gate, two matrices lead to the hidden width.
    up = linear_cost(width, hidden, tokens, bias=bias) * (1 + (config.mlp == "swiglu"))
    one = up + linear_cost(hidden, width, tokens, bias=bias)
    n_experts = getattr(config, "n_experts", 1)
    if n_experts == 1:
        return one
    # Memory holds all experts, a token passes through a few of them.
    router = linear_cost(width, n_experts, tokens)
    chosen = one * config.top_k
    return router + Cost(n_experts * one.parameters, chosen.active, chosen.flops)


def norm_cost(config: Any) -> Cost:
    """Count a norm's numbers; it has no matrix product."""
    numbers = config.d_model * (1 + (config.norm == "layer" and config.bias))
    return Cost(numbers, numbers)


def embedding_cost(config: Any) -> Cost:
    """Count what tokens, places, types and n-grams are looked up in; no product is needed."""
    learned = config.context if config.positions == "learned" else 0
    ngrams = config.ngram_table if getattr(config, "ngrams", 1) > 1 else 0
    types = getattr(config, "n_token_types", 0)
    numbers = (config.vocab_size + learned + ngrams + types) * config.d_model
    return Cost(numbers, numbers)


def output_cost(config: Any, tokens: int) -> Cost:
    """Count the product that gives the logits; tied, its matrix is that of the embeddings."""
    cost = linear_cost(config.d_model, config.vocab_size, tokens)
    return Cost(flops=cost.flops) if config.tied else cost


def gpt_costs(config: Any, length: int, rows: int = 1) -> dict[str, Cost]:
    """Count a GPT, layer by layer, reading texts of a length.

    Args:
        config: a :class:`course_lib.model.GPTConfig`, ``SpeedrunConfig`` or ``ExpertsConfig``.
        length: tokens of a text.
        rows: texts.

    Returns:
        Costs by name: the embeddings, attention and feed-forward part of each block together with
        the norm that it reads through, the last norm, and the output.

    Raises:
        ValueError: if a size is not positive.
    """
    blocks = _blocks(config, length, rows)
    ends = {"last norm": norm_cost(config), "output": output_cost(config, rows * length)}
    return {"embeddings": embedding_cost(config), **blocks, **ends}


def encoder_costs(config: Any, length: int, rows: int = 1) -> dict[str, Cost]:
    """Count an encoder, layer by layer; see :func:`gpt_costs`.

    Args:
        config: a :class:`course_lib.model.EncoderConfig`.
        length: tokens of a text.
        rows: texts.
    """
    n_norms = config.pre_norm + config.embedding_norm
    return {
        "embeddings": embedding_cost(config),
        **_blocks(config, length, rows),
        "other norms": norm_cost(config) * n_norms,
    }


def transformer_costs(config: Any, source: int, target: int, rows: int = 1) -> dict[str, Cost]:
    """Count an encoder-decoder, layer by layer; see :func:`gpt_costs`.

    Args:
        config: a :class:`course_lib.model.TransformerConfig`.
        source: tokens of a source text.
        target: tokens of a target text.
        rows: pairs of texts.
    """
    encoder = encoder_costs(config.encoder(), source, rows)
    decoder = gpt_costs(config, target, rows)
    cross = attention_cost(config, target, source, rows) + norm_cost(config)
    for i in range(config.n_layers):
        decoder[f"block {i}, cross-attention"] = cross
    # One table of tokens for both, if they share a vocabulary.
    if config.source_vocab_size is None:
        shared = config.vocab_size * config.d_model
        encoder["embeddings"] += Cost(-shared, -shared)
    sides = {"encoder": encoder, "decoder": decoder}
    return {f"{side}: {name}": cost for side in sides for name, cost in sides[side].items()}


def total(costs: dict[str, Cost]) -> Cost:
    """Return the cost of all layers together."""
    expect(len(costs) > 0, "costs", "at least one layer", "none")
    return sum(costs.values(), Cost())


def _blocks(config: Any, length: int, rows: int) -> dict[str, Cost]:
    norm = norm_cost(config)
    attention = attention_cost(config, length, rows=rows) + norm
    feed_forward = feed_forward_cost(config, rows * length) + norm
    return {
        f"block {i}, {name}": cost
        for i in range(config.n_layers)
        for name, cost in (("attention", attention), ("feed-forward", feed_forward))
    }
