"""Speculative decoding: a small model guesses, the large one checks all guesses at once.

Taught in 'Compute'. From Leviathan et al. (2023), 'Fast Inference from Transformers via Speculative
Decoding', sections 2 and 3. 'Text generation' guesses without a model.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.checks import check_not_negative, check_shares, check_sizes


def expected_tokens(acceptance: float, guesses: int) -> float:
    """Return how many tokens a step of the large model gives, if guesses are kept by chance alike.

    1 + a + a² + … + a^guesses: a guess counts if it and all before it are kept, and one token comes
    from the large model in any case.

    Args:
        acceptance: a, the share of guesses that are kept.
        guesses: made for each step.
    """
    check_shares(acceptance=acceptance)
    check_sizes(guesses=guesses)
    return sum(acceptance**i for i in range(guesses + 1))


def expected_speed_up(acceptance: float, guesses: int, cost: float) -> float:
    """Return how many times as fast the large model writes with a draft.

    Args:
        acceptance: share of guesses that are kept.
        guesses: made for each step.
        cost: time of a step of the small model by that of the large one.
    """
    check_not_negative(cost=cost)
    return expected_tokens(acceptance, guesses) / (guesses * cost + 1)


class Draft(NamedTuple):
    """What was written with a draft.

    Attributes:
        tokens: ids, prompt included.
        calls: how often the large model was asked.
        kept: guesses that it kept.
        checked: guesses that it looked at: those kept, and the first wrong one of each call.
    """

    tokens: list[int]
    calls: int
    kept: int
    checked: int


def write_with_draft(
    model: nn.Module, draft: nn.Module, tokens: list[int], n: int, guesses: int = 4, seed: int = 0
) -> Draft:
    """Go on with a text by n tokens or a few more, drawn as from the large model alone.

    A guess x that the small model drew with probability q(x) is kept with probability
    min(1, p(x) / q(x)). The first that isn't is drawn anew from what p has above q. No cache is
    kept, so that the steps stay in sight.

    Args:
        model: p: ids (B, T) to logits (B, T, V).
        draft: q, of the same vocabulary.
        tokens: the text so far, at least one.
        n: tokens to write, at least.
        guesses: made for each step.
        seed: of the draws.
    """
    check_sizes(n=n, guesses=guesses, tokens=len(tokens))
    chance = torch.Generator().manual_seed(seed)
    ids, end, calls, kept, checked = list(tokens), len(tokens) + n, 0, 0, 0
    while len(ids) < end:
        # The small model guesses, one token after the other.
        start, qs = len(ids), []
        for _ in range(guesses):
            qs.append(_next(draft, ids, 1)[0])
            ids.append(_draw(qs[-1], chance))

        # The large one says what it thinks of each place, in one step.
        ps, calls = _next(model, ids, guesses + 1), calls + 1

        # Guesses are kept up to the first that fails; its place, or the next, is drawn from p.
        for i, (p, q) in enumerate(zip(ps, qs, strict=False)):
            guess, checked = ids[start + i], checked + 1
            if torch.rand((), generator=chance) >= p[guess] / q[guess]:
                del ids[start + i :]
                ids.append(_draw((p - q).clamp(min=0), chance))
                break
            kept += 1
        else:
            ids.append(_draw(ps[-1], chance))
    return Draft(ids, calls, kept, checked)


@torch.inference_mode()
def _next(model: nn.Module, ids: list[int], places: int) -> Tensor:
    """Return the probabilities (places, V) of the next token at the last places."""
    return model(torch.tensor([ids]))[0, -places:].softmax(-1)


def _draw(weights: Tensor, chance: torch.Generator) -> int:
    return int(weights.multinomial(1, generator=chance).item())
