"""A test of several choices: the model chooses what it finds likeliest, without a word written.

This is how models are compared on MMLU, HellaSwag and their like (Brown et al. 2020, section 2.4).
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import nn

from course_lib.checks import expect


class Question(NamedTuple):
    """What the model reads, the texts that could follow, and which of them is right."""

    before: str
    choices: tuple[str, ...]
    right: int


@torch.inference_mode()
def choice_log_probs(
    model: nn.Module, encode: Callable[[str], Sequence[int]], question: Question
) -> list[float]:
    """Return the log-probability of each choice behind the question, in nats.

    Question and choice are encoded as one text. Where a token crosses the border between them, it
    counts with the choice, and so does, for all choices, what stands from there on.

    Args:
        model: token ids (B, T) to logits (B, T, V); it is put in evaluation mode.
        encode: text to token ids.
        question: what is asked; ``before`` has at least one token.

    Raises:
        ValueError: if there is no token before a choice, or none in it.
    """
    alone = list(encode(question.before))
    texts = [list(encode(question.before + choice)) for choice in question.choices]
    # Where the choices begin: behind the tokens that all texts share with the question.
    shared = [
        sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(alone, ids, strict=False)))
        for ids in texts
    ]
    begin = min(shared)
    expect(begin > 0, "question", "a token before each choice", repr(question.before))
    for ids, choice in zip(texts, question.choices, strict=True):
        expect(begin < len(ids), "question", "choices with a token of their own", repr(choice))
    # All choices at once; what pads the shorter ones stands behind them and is seen by none.
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    rows = [torch.tensor(ids) for ids in texts]
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)  # (choices, T)
    logits = model.eval()(tokens[:, :-1])
    log_probs = F.log_softmax(logits.float(), -1).gather(-1, tokens[:, 1:, None])[..., 0]
    return [
        row[begin - 1 : len(ids) - 1].double().sum().item()
        for row, ids in zip(log_probs, texts, strict=True)
    ]


def choose(
    questions: Sequence[Question],
    log_probs: Sequence[ArrayLike],
    *,
    per_byte: bool = False,
    without: Sequence[ArrayLike] | None = None,
) -> np.ndarray:
    """Return which choice each question gets: the one with the greatest score.

    Args:
        questions: what was asked.
        log_probs: for each question those of its choices; see :func:`choice_log_probs`.
        per_byte: divide each by the bytes of the choice, so that long ones aren't behind.
        without: log-probabilities of the same choices without the question, taken off: what
            counts is how much the question helps (Holtzman et al. 2021).

    Raises:
        ValueError: if there is not a log-probability for each choice.
    """
    for name, table in {"log_probs": log_probs, "without": without}.items():
        if table is not None:
            sizes, wanted = [np.size(row) for row in table], [len(q.choices) for q in questions]
            expect(sizes == wanted, name, "one for each choice of each question", sizes)
    chosen = []
    for i, question in enumerate(questions):
        scores = np.array(log_probs[i], dtype=float)
        if without is not None:
            scores -= without[i]
        if per_byte:
            scores /= [len(choice.encode()) for choice in question.choices]
        chosen.append(int(scores.argmax()))
    return np.array(chosen)
