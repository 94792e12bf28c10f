"""Beam search: the likeliest continuation, looked for along several at once.

Taught in 'Text generation' and 'Machine translation'.
"""

import math
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.checks import check_sizes, expect
from course_lib.generation.sampling import check_choice
from course_lib.generation.session import Conditioned, Session, id_list
from course_lib.model import GPT


class Hypothesis(NamedTuple):
    """New tokens, and their log-probability divided by a power of their number."""

    score: float
    tokens: list[int]


def beam_search(
    model: GPT | Conditioned,
    prompts: Sequence[Sequence[int]],
    n_beams: int,
    *,
    max_new_tokens: int = 100,
    stop_tokens: Sequence[int] = (),
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """Look for the likeliest continuation: keep the ``n_beams`` best beginnings at each step.

    A hypothesis is done at a stop token or at ``max_new_tokens``. The search ends when ``n_beams``
    are done and the best that goes on scores no better than the worst of them. Wu et al. (2016),
    'Google's Neural Machine Translation System', section 7, compare length penalties.

    Args:
        model: see :class:`Session`.
        prompts: token ids; for an encoder-decoder its start token, once per source.
        n_beams: 1 is greedy decoding.
        max_new_tokens: where to end at the latest.
        stop_tokens: ids that end a hypothesis; they count for the score and are left out.
        length_penalty: the power, from -10 to 10; 0 prefers short ones, above 1 long ones.

    Returns:
        For each prompt up to ``n_beams`` hypotheses, the best first.

    Raises:
        ValueError: as :func:`generate_tokens`, or if a setting is out of its range.
    """
    check_sizes(n_beams=n_beams, max_new_tokens=max_new_tokens)
    penalty: object = length_penalty
    in_range = isinstance(penalty, Real) and -10 <= length_penalty <= 10
    expect(in_range, "length_penalty", "a number from -10 to 10", length_penalty)
    session = Session(model, prompts, max_new_tokens)
    stops_at = set(id_list("stop_tokens", stop_tokens, model.config.vocab_size))
    running = [[Hypothesis(0.0, [])] for _ in session.tokens]  # log-probabilities for scores
    done: list[list[Hypothesis]] = [[] for _ in session.tokens]
    # So many candidates that n_beams are left even if all others stop.
    width = n_beams * (1 + max(1, len(stops_at)))
    for step in range(1, max_new_tokens + 1):
        log_probabilities = session.logits().float().log_softmax(-1).cpu()  # (rows, V)
        rows: list[int] = []
        first = 0
        for i, beams in enumerate(running):
            # A prompt's best candidates: those at their end are done, the others go on.
            mine = log_probabilities[first : first + len(beams)]
            going: list[tuple[int, Hypothesis]] = []
            for rank, (score, beam, token) in enumerate(_candidates(beams, mine, width)):
                stops, tokens = token in stops_at, beams[beam].tokens
                if stops or step == max_new_tokens:
                    if rank < n_beams:
                        tokens = tokens if stops else [*tokens, token]
                        done[i].append(Hypothesis(score / step**length_penalty, tokens))
                elif len(going) < n_beams:
                    going.append((first + beam, Hypothesis(score, [*tokens, token])))
            first += len(beams)
            # Is it done: can none that goes on get better than those that are?
            done[i] = sorted(done[i], key=lambda h: -h.score)[:n_beams]
            best = going[0][1].score / step**length_penalty if going else -math.inf
            if len(done[i]) == n_beams and best <= done[i][-1].score:
                going = []
            rows += [row for row, _ in going]
            running[i] = [beam for _, beam in going]
        if not rows:
            break
        # The beams that go on, each from the row that it continues.
        session.keep(rows)
        session.append([beam.tokens[-1] for beams in running for beam in beams])
    return done


def _candidates(
    beams: list[Hypothesis], log_probabilities: Tensor, count: int
) -> Iterator[tuple[float, int, int]]:
    """Yield the best ways to go on with any of the beams: score, beam and token."""
    if not beams:
        return
    totals = log_probabilities + torch.tensor([[beam.score] for beam in beams])  # (beams, V)
    scores, places = totals.flatten().topk(min(count, totals.numel()))
    check_choice(scores[0])
    for score, place in zip(scores.tolist(), places.tolist(), strict=True):
        yield score, *divmod(place, totals.shape[1])
