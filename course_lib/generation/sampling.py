"""Sampling: which token comes next, given a model's logits.

Taught in 'Text generation'. Top-k sampling is from Fan et al. (2018), 'Hierarchical Neural Story
Generation', section 5.4; top-p (nucleus) sampling from Holtzman et al. (2020), 'The Curious Case of
Neural Text Degeneration'; min-p from Nguyen et al. (2025), 'Turning Up the Heat', section 3; the
repetition penalty from Keskar et al. (2019), 'CTRL', section 4.1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from course_lib.checks import (
    check_counts,
    check_ids,
    check_not_negative,
    check_positive,
    check_shares,
    check_sizes,
    expect,
)

Choose = Callable[[Tensor, list[list[int]]], Tensor]  # logits (B, V), tokens so far -> ids (B,)


def penalize_repetition(logits: Tensor, tokens: list[list[int]], penalty: float) -> Tensor:
    """Make tokens that occurred before less likely: divide their logits (multiply negative ones).

    Args:
        logits: (B, V).
        tokens: the ids so far of each row, prompt included.
        penalty: above 1 against repetition; 1 changes nothing.

    Raises:
        ValueError: if the penalty is not above 0, or an id is not one of the V.
    """
    check_positive(penalty=penalty)
    logits = logits.clone()
    for row, seen in zip(logits, tokens, strict=True):
        ids = sorted(set(seen.tolist() if hasattr(seen, "tolist") else seen))
        check_ids("tokens", ids[:1] + ids[-1:], len(row))  # the least and the greatest
        before = torch.tensor(ids, dtype=torch.long, device=logits.device)
        row[before] = torch.where(row[before] < 0, row[before] * penalty, row[before] / penalty)
    return logits


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Set all but the k greatest logits of each row (B, V), and their equals, to minus infinity."""
    check_sizes(k=k)
    least = logits.topk(min(k, logits.shape[-1])).values[:, -1:]
    return logits.masked_fill(logits < least, -math.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest tokens of each row (B, V) whose probabilities sum to at least p."""
    check_positive(p=p)
    check_shares(p=p)
    wide = torch.promote_types(logits.dtype, torch.float32)  # sums of half precision lose the small
    probabilities, order = logits.softmax(-1, dtype=wide).sort()  # the least likely first
    needless = probabilities.cumsum(-1) <= 1 - p
    needless[:, -1] = False
    return logits.masked_fill(needless.scatter(-1, order, needless), -math.inf)


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Keep the tokens of each row (B, V) at least a share p as likely as the row's likeliest."""
    check_shares(p=p)
    wide = torch.promote_types(logits.dtype, torch.float32)
    probabilities = logits.softmax(-1, dtype=wide)
    least = p * probabilities.amax(-1, keepdim=True)
    return logits.masked_fill(probabilities < least, -math.inf)


@dataclass
class Sampler:
    """How the next token is chosen: at random, by the model's probabilities as changed here.

    In this order: the penalty, the temperature, top-k, top-p, min-p.

    All draws are from one row of random numbers, in turn: those of a second text go on where the
    first ended, and the rows of a batch share them. A sampler with a seed that is made anew so
    gives the same texts again for the same prompts in the same batch; in another batch, or alone, a
    prompt gets others. Without draws (temperature 0) a batch changes nothing.

    Args:
        temperature: what logits are divided by: below 1 bolder, above 1 wilder, 0 for greedy.
        top_k: only the k likeliest tokens.
        top_p: only the likeliest tokens that together have this probability.
        min_p: only tokens at least this share as likely as the likeliest.
        repetition_penalty: see :func:`penalize_repetition`.
        seed: of the draws, a whole number from 0 on; None for another text each time.

    Raises:
        ValueError: if a setting is out of its range; when called, if the logits leave no choice:
            all are minus infinity, or one is NaN.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None
    _chance: torch.Generator = field(init=False, repr=False)
    _dtype: torch.dtype = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # The settings.
        check_not_negative(temperature=self.temperature)
        if self.top_k is not None:
            check_sizes(top_k=self.top_k)
        if self.top_p is not None:
            check_positive(top_p=self.top_p)
            check_shares(top_p=self.top_p)
        if self.min_p is not None:
            check_shares(min_p=self.min_p)
        check_positive(repetition_penalty=self.repetition_penalty)
        # Chance of its own, from the seed if there is one.
        self._chance = torch.Generator()
        if self.seed is None:
            self._chance.seed()
        else:
            check_counts(seed=self.seed)
            expect(self.seed < 2**63, "seed", "a whole number below 2**63", self.seed)
            self._chance.manual_seed(int(self.seed))
        # What is multiplied or divided by numbers out of this range can leave that of float32.
        usual = all(1e-6 < x < 1e6 for x in (self.temperature or 1, self.repetition_penalty))
        self._dtype = torch.float32 if usual else torch.float64

    def probabilities(self, logits: Tensor, tokens: list[list[int]]) -> Tensor:
        """Return what is drawn from: (B, V).

        Args:
            logits: (B, V).
            tokens: the ids so far of each row, prompt included; only the penalty looks at them.
        """
        logits = self._penalized(logits, tokens).to(self._dtype)
        if self.temperature == 0:
            return torch.zeros_like(logits).scatter(-1, _greatest(logits)[:, None], 1.0).float()
        if self._dtype == torch.float64:
            logits = logits - logits.amax(-1, keepdim=True)  # the greatest stays, however divided
        # The temperature, then what cuts off the unlikely.
        logits = logits / self.temperature
        if self.top_k is not None:
            logits = keep_top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = keep_top_p(logits, self.top_p)
        if self.min_p is not None:
            logits = keep_min_p(logits, self.min_p)
        probabilities = logits.softmax(-1)
        check_choice(probabilities[:, 0])  # all of a row are NaN, or none is
        return probabilities.float()

    def __call__(self, logits: Tensor, tokens: list[list[int]]) -> Tensor:
        """Choose a token id for each row: (B,)."""
        if self.temperature == 0:
            return _greatest(self._penalized(logits, tokens))
        return self.probabilities(logits, tokens).cpu().multinomial(1, generator=self._chance)[:, 0]

    def _penalized(self, logits: Tensor, tokens: list[list[int]]) -> Tensor:
        if self.repetition_penalty == 1:
            return logits
        return penalize_repetition(logits.to(self._dtype), tokens, self.repetition_penalty)


def _greatest(logits: Tensor) -> Tensor:
    """Return where each row (B, V) is greatest: (B,)."""
    greatest, chosen = logits.max(-1)  # argmax is slow in half precision
    check_choice(greatest)
    return chosen


def check_choice(greatest: Tensor) -> None:
    """Refuse a row whose greatest number is NaN or minus infinity."""
    expected = "numbers, and in each row one above minus infinity"
    expect(greatest.min().item() > -math.inf, "logits", expected, "NaN, or a row without")


GREEDY = Sampler(temperature=0)


def anew(choose: Choose) -> Choose:
    """Return what chooses as it is before a text's first token, if it keeps anything of a text."""
    return choose.anew() if hasattr(choose, "anew") else choose
