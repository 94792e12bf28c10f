"""Which token did it: gradients times inputs, and integrated gradients.

Integrated gradients, and the law that they add up, are from Sundararajan et al. (2017), 'Axiomatic
Attribution for Deep Networks'.
"""

import torch
from torch import Tensor

from course_lib.checks import check_sizes, expect
from course_lib.interpret.streams import Score
from course_lib.model import GPT


def _gradients(model: GPT, tokens: Tensor, vectors: Tensor, score: Score) -> Tensor:
    """Return the score's slopes (B, T, d_model) at these vectors, in place of the tokens' own."""
    vectors = vectors.detach().requires_grad_()
    hook = model.token_embedding.register_forward_hook(lambda *_: vectors)
    try:
        with torch.enable_grad():
            last = model.states(tokens.expand(len(vectors), -1))[:, -1]
            found = score(model.logits(last)).sum()
    finally:
        hook.remove()
    return torch.autograd.grad(found, vectors)[0]


def gradient_times_input(model: GPT, tokens: Tensor, score: Score) -> Tensor:
    """Return each token's share (T,) in the score, as its slope alone says it.

    Args:
        model: any GPT whose weights are floating-point numbers.
        tokens: (T,).
        score: takes the logits (B, V) behind the last token, gives (B,).
    """
    vectors = model.token_embedding(tokens)[None]
    return (_gradients(model, tokens, vectors, score) * vectors)[0].sum(-1).detach()


def integrated_gradients(
    model: GPT, tokens: Tensor, score: Score, baseline: Tensor, steps: int = 32
) -> Tensor:
    """Return each token's share (T,) in the score, by its slope on the way from a baseline.

    The vectors go in a straight line from the baseline to the tokens' own. The shares add up to
    what the score gains on the way, but for the error of a sum in place of an integral.

    Args:
        model: any GPT whose weights are floating-point numbers.
        tokens: (T,).
        score: takes the logits (B, V) behind the last token, gives (B,).
        baseline: a vector (d_model,) for all places, or (T, d_model): where nothing is said.
        steps: number of points on the way, the middles of as many pieces.

    Raises:
        ValueError: if the baseline has another width, or the steps are no whole number above 0.
    """
    check_sizes(steps=steps)
    width = model.config.d_model
    expect(baseline.shape[-1] == width, "baseline", f"width {width}", baseline.shape[-1])
    way = (model.token_embedding(tokens) - baseline).detach()  # (T, d_model)
    total = torch.zeros_like(way)
    # Some points at once.
    points = (torch.arange(steps, device=way.device) + 0.5) / steps
    for part in points.split(8):
        vectors = baseline + part[:, None, None] * way
        total += _gradients(model, tokens, vectors, score).sum(0)
    return (way * total).sum(-1) / steps
