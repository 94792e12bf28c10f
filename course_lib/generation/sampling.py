"""Generation: from a model's logits to text, token by token.

Taught in 'Text generation'. Top-k sampling is from Fan et al. (2018), 'Hierarchical Neural Story
Generation', section 5.4; top-p (nucleus) sampling from Holtzman et al. (2020), 'The Curious Case of
Neural Text Degeneration'; the repetition penalty from Keskar et al. (2019), 'CTRL', section 4.1.
All functions take a :class:`course_lib.model.GPT`, or a :class:`Conditioned` encoder-decoder, and
any tokenizer that has ``encode`` and ``decode``.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from numbers import Real
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.attention import KeyValueCache
from course_lib.checks import (
    check_counts,
    check_ids,
    check_not_negative,
    check_positive,
    check_shares,
    check_sizes,
    expect,
)
from course_lib.model import GPT, Transformer

Choose = Callable[[Tensor, list[list[int]]], Tensor]  # logits (B, V), tokens so far -> ids (B,)


class Tokenizer(Protocol):
    """What generation needs of a tokenizer."""

    def encode(self, text: str) -> Sequence[int]:
        """Return the token ids of a text."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""


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


@dataclass
class Sampler:
    """How the next token is chosen: at random, by the model's probabilities as changed here.

    In this order: the penalty, the temperature, top-k, top-p.

    All draws are from one row of random numbers, in turn: those of a second text go on where the
    first ended, and the rows of a batch share them. A sampler with a seed that is made anew so
    gives the same texts again for the same prompts in the same batch; in another batch, or alone, a
    prompt gets others. Without draws (temperature 0) a batch changes nothing.

    Args:
        temperature: what logits are divided by: below 1 bolder, above 1 wilder, 0 for greedy.
        top_k: only the k likeliest tokens.
        top_p: only the likeliest tokens that together have this probability.
        repetition_penalty: see :func:`penalize_repetition`.
        seed: of the draws, a whole number from 0 on; None for another text each time.

    Raises:
        ValueError: if a setting is out of its range; when called, if the logits leave no choice:
            all are minus infinity, or one is NaN.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int | None = None
    _chance: torch.Generator = field(init=False, repr=False)
    _dtype: torch.dtype = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_not_negative(temperature=self.temperature)
        if self.top_k is not None:
            check_sizes(top_k=self.top_k)
        if self.top_p is not None:
            check_positive(top_p=self.top_p)
            check_shares(top_p=self.top_p)
        check_positive(repetition_penalty=self.repetition_penalty)
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
        logits = logits / self.temperature
        if self.top_k is not None:
            logits = keep_top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = keep_top_p(logits, self.top_p)
        probabilities = logits.softmax(-1)
        _check_choice(probabilities[:, 0])  # all of a row are NaN, or none is
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
    _check_choice(greatest)
    return chosen


def _check_choice(greatest: Tensor) -> None:
    """Refuse a row whose greatest number is NaN or minus infinity."""
    expected = "numbers, and in each row one above minus infinity"
    expect(greatest.min().item() > -math.inf, "logits", expected, "NaN, or a row without")


GREEDY = Sampler(temperature=0)


class Conditioned:
    """An encoder-decoder that has read its source: give it where a GPT is expected.

    Args:
        model: encoder and decoder; it is put in evaluation mode.
        source: (B, S), one source per prompt.
        source_mask: (B, S), true at real tokens.
    """

    def __init__(
        self, model: Transformer, source: Tensor, source_mask: Tensor | None = None
    ) -> None:
        self.model = model.eval()
        self.config = model.config
        with torch.inference_mode():
            self.memory = model.encode(source, source_mask)

    def select(self, rows: Tensor) -> "Conditioned":
        """Return the same with these rows of the batch."""
        chosen = copy(self)
        chosen.memory = self.memory.select(rows)
        return chosen


class Session:
    """A batch of token sequences that a model goes on with.

    Call :meth:`logits`, then :meth:`append`, in turn. With a cache only the newest token is
    computed each time. Prompts of different lengths are padded on the left, the padding is masked.

    A sequence that outgrows the model's context goes on without its older half: then everything is
    computed anew, once, from the newest half of a context.

    Args:
        model: a GPT, put in evaluation mode, or :class:`Conditioned`.
        prompts: token ids, at least one in each: lists, arrays or tensors (T,).
        max_new_tokens: how many will be appended at most; the cache gets room for them.
        use_cache: without it all tokens are computed at each step.

    Raises:
        ValueError: if there is no prompt, one is empty, longer than the context or holds what is no
            id of the model, or ``max_new_tokens`` is not a whole number, 0 or above.
    """

    def __init__(
        self,
        model: GPT | Conditioned,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        use_cache: bool = True,
    ) -> None:
        context = model.config.context
        check_counts(max_new_tokens=max_new_tokens)
        self.tokens = [_id_list("prompt", prompt, model.config.vocab_size) for prompt in prompts]
        expect(len(self.tokens) > 0, "prompts", "at least one", "none")
        for prompt in self.tokens:
            fine = 1 <= len(prompt) <= context
            expect(fine, "prompt", f"1 to context={context} tokens", len(prompt))
        if not isinstance(model, Conditioned):
            model.eval()
        self.model = model
        self._starts = [0] * len(self.tokens)  # where the part that the model sees begins
        self._room = min(max(map(len, self.tokens)) + max_new_tokens, context)
        self._use_cache = use_cache
        self._caches: list[KeyValueCache] | None = None
        self._mask: Tensor | None = None  # (B, S), false at padding

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Return the logits (B, V) of each sequence's next token."""
        context = self.model.config.context
        for i, tokens in enumerate(self.tokens):
            if len(tokens) - self._starts[i] > context:
                self._starts[i] = len(tokens) - max(1, context // 2)
                self._caches = None
        if self._caches is not None and self._caches[0].length == self._room:
            self._caches = None  # full, with the padding of rows that are shorter or have left
        if self._caches is not None:
            inputs = self._tensor([tokens[-1:] for tokens in self.tokens])
            if self._mask is not None:
                self._mask = F.pad(self._mask, (0, 1), value=True)
            return self._next_logits(inputs)
        rows = [tokens[start:] for tokens, start in zip(self.tokens, self._starts, strict=True)]
        width = max(map(len, rows))
        padding = [width - len(row) for row in rows]
        self._mask = None
        if any(padding):
            self._mask = self._tensor([[0] * n + [1] * (width - n) for n in padding]) == 1
        if self._use_cache:
            self._caches = self._transformer.new_caches(self._room)
        inputs = [[0] * n + row for n, row in zip(padding, rows, strict=True)]
        return self._next_logits(self._tensor(inputs))

    def append(self, chosen: Sequence[int]) -> None:
        """Add a token to each sequence."""
        for tokens, token in zip(self.tokens, chosen, strict=True):
            tokens.append(int(token))

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these sequences only, in this order; one may occur more than once."""
        self.tokens = [list(self.tokens[row]) for row in rows]
        self._starts = [self._starts[row] for row in rows]
        index = self._tensor(rows)
        for cache in self._caches or []:
            cache.select(index)
        if self._mask is not None:
            self._mask = self._mask[index]
        if isinstance(self.model, Conditioned):
            self.model = self.model.select(index)

    @property
    def _transformer(self) -> GPT | Transformer:
        return self.model.model if isinstance(self.model, Conditioned) else self.model

    def _tensor(self, rows: Sequence) -> Tensor:
        return torch.tensor(rows, device=next(self._transformer.parameters()).device)

    def _next_logits(self, inputs: Tensor) -> Tensor:
        if isinstance(self.model, Conditioned):
            expect(self._mask is None, "prompts", "all of one length for an encoder-decoder", "not")
            return self.model.model.decode(inputs, self.model.memory, caches=self._caches)[:, -1]
        states = self.model.states(inputs, caches=self._caches, attention_mask=self._mask)
        return self.model.logits(states[:, -1])  # of the last place only: most of a prompt's work


class _Text:
    """A row's text as it grows, held back where a sign or a stop string may be unfinished."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self._begun = {text[:n] for text in stop for n in range(1, len(text))}
        self._longest = max(map(len, self._begun), default=0)
        self.tokens: list[int] = []
        self.text, self.shown, self.done = "", 0, False

    def add(self, token: int) -> bool:
        """Take up a token; return whether the row goes on."""
        self.tokens.append(token)
        self.text = self.tokenizer.decode(self.tokens)
        places = [place for stop in self.stop if (place := self.text.find(stop)) >= 0]
        if places:
            self.text, self.done = self.text[: min(places)], True
        return not self.done

    def new(self, last: bool = False) -> str:
        """Return what can be shown and was not yet; the last time, all of it."""
        ready = self.text
        if not (last or self.done):
            ready = ready.rstrip("\ufffd")  # the first bytes of a sign decode to this
            for n in range(min(self._longest, len(ready)), 0, -1):
                if ready[-n:] in self._begun:
                    ready = ready[:-n]
                    break
        piece = ready[self.shown :]
        self.shown += len(piece)
        return piece


def anew(choose: Choose) -> Choose:
    """Return what chooses as it is before a text's first token, if it keeps anything of a text."""
    return choose.anew() if hasattr(choose, "anew") else choose


def _steps(
    session: Session, choose: Choose, max_new_tokens: int, add: Callable[[int, int], bool]
) -> Iterator[None]:
    """Go on token by token; ``add(row, token)`` says if the row goes on. Others are dropped."""
    choose = anew(choose)
    rows = list(range(len(session.tokens)))
    for _ in range(max_new_tokens):
        chosen = choose(session.logits(), session.tokens).tolist()
        if len(chosen) != len(rows):
            raise ValueError(f"choose: expected {len(rows)} ids, one for each row, got {chosen}")
        alive = [i for i, row in enumerate(rows) if add(row, chosen[i])]
        yield
        if not alive:
            return
        if len(alive) < len(rows):
            session.keep(alive)
            rows = [rows[i] for i in alive]
        session.append([chosen[i] for i in alive])


def stream(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[int],
    choose: Choose = GREEDY,
    *,
    max_new_tokens: int = 100,
    stop: str | Sequence[str] = (),
    use_cache: bool = True,
) -> Iterator[str]:
    """Go on with a prompt, piece by piece, as soon as each piece is certain.

    Args:
        model: see :class:`Session`, also for what happens when the context is full.
        tokenizer: has ``encode`` and ``decode``.
        prompt: text, or token ids (for special tokens).
        choose: a :class:`Sampler`, or any function of the logits (B, V) and the tokens so far of
            each row that returns the next ids (B,), e.g. to allow only some. If it has a method
            ``anew``, what that returns chooses: one that remembers a text forgets it there.
        max_new_tokens: where to end at the latest.
        stop: strings that end the text; they are left out.
        use_cache: see :class:`Session`.

    Returns:
        The new text in pieces, without the prompt.

    Raises:
        ValueError: at once, if the prompt is empty or too long, or a setting is out of its range.
    """
    text = _Text(tokenizer, _stops(stop))
    session = Session(model, [_ids(tokenizer, prompt)], max_new_tokens, use_cache)
    return _pieces(text, _steps(session, choose, max_new_tokens, lambda _, token: text.add(token)))


def _pieces(text: _Text, steps: Iterator[None]) -> Iterator[str]:
    for _ in steps:
        if piece := text.new():
            yield piece
    if piece := text.new(last=True):
        yield piece


def generate(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str | Sequence[int],
    choose: Choose = GREEDY,
    *,
    max_new_tokens: int = 100,
    stop: str | Sequence[str] = (),
    use_cache: bool = True,
) -> str:
    """Return all that :func:`stream` yields; args and errors are the same."""
    (text,) = generate_batch(
        model,
        tokenizer,
        [prompt],
        choose,
        max_new_tokens=max_new_tokens,
        stop=stop,
        use_cache=use_cache,
    )
    return text


def generate_batch(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str | Sequence[int]],
    choose: Choose = GREEDY,
    *,
    max_new_tokens: int = 100,
    stop: str | Sequence[str] = (),
    use_cache: bool = True,
) -> list[str]:
    """Go on with several prompts at once: the new text of each.

    The model gives each the probabilities that it would have alone; what is drawn from them differs
    (see :class:`Sampler`). Args and errors are those of :func:`stream`. Rows that are done leave
    the batch.
    """
    expect(not isinstance(prompts, str), "prompts", "a list of prompts", "one text")
    stops = _stops(stop)
    session = Session(model, [_ids(tokenizer, p) for p in prompts], max_new_tokens, use_cache)
    texts = [_Text(tokenizer, stops) for _ in session.tokens]
    for _ in _steps(session, choose, max_new_tokens, lambda row, token: texts[row].add(token)):
        pass
    return [text.text for text in texts]


def generate_tokens(
    model: GPT | Conditioned,
    prompts: Sequence[Sequence[int]],
    choose: Choose = GREEDY,
    *,
    max_new_tokens: int = 100,
    stop_tokens: Sequence[int] = (),
    use_cache: bool = True,
) -> list[list[int]]:
    """Go on with several prompts at once, in token ids.

    Args:
        model: see :class:`Session`.
        prompts: token ids; for an encoder-decoder its start token, once per source.
        choose: see :func:`stream`.
        max_new_tokens: where to end at the latest.
        stop_tokens: ids that end a row; they are left out.
        use_cache: see :class:`Session`.

    Returns:
        The new ids of each row.

    Raises:
        ValueError: as :class:`Session`, or if a stop token is no id of the model.
    """
    session = Session(model, prompts, max_new_tokens, use_cache)
    stops = set(_id_list("stop_tokens", stop_tokens, model.config.vocab_size))
    new: list[list[int]] = [[] for _ in session.tokens]

    def add(row: int, token: int) -> bool:
        if token in stops:
            return False
        new[row].append(token)
        return True

    for _ in _steps(session, choose, max_new_tokens, add):
        pass
    return new


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
    fine = isinstance(length_penalty, Real) and -10 <= length_penalty <= 10
    expect(fine, "length_penalty", "a number from -10 to 10", length_penalty)
    session = Session(model, prompts, max_new_tokens)
    stops_at = set(_id_list("stop_tokens", stop_tokens, model.config.vocab_size))
    running = [[Hypothesis(0.0, [])] for _ in session.tokens]  # log-probabilities for scores
    done: list[list[Hypothesis]] = [[] for _ in session.tokens]
    # So many candidates that n_beams are left even if all others stop.
    width = n_beams * (1 + max(1, len(stops_at)))
    for step in range(1, max_new_tokens + 1):
        log_probabilities = session.logits().float().log_softmax(-1).cpu()  # (rows, V)
        rows, first = [], 0
        for i, beams in enumerate(running):
            mine, going = log_probabilities[first : first + len(beams)], []
            for rank, (score, beam, token) in enumerate(_candidates(beams, mine, width)):
                stops, tokens = token in stops_at, beams[beam].tokens
                if stops or step == max_new_tokens:
                    if rank < n_beams:
                        tokens = tokens if stops else [*tokens, token]
                        done[i].append(Hypothesis(score / step**length_penalty, tokens))
                elif len(going) < n_beams:
                    going.append((first + beam, Hypothesis(score, [*tokens, token])))
            first += len(beams)
            done[i] = sorted(done[i], key=lambda h: -h.score)[:n_beams]
            best = going[0][1].score / step**length_penalty if going else -math.inf
            if len(done[i]) == n_beams and best <= done[i][-1].score:
                going = []
            rows += [row for row, _ in going]
            running[i] = [beam for _, beam in going]
        if not rows:
            break
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
    _check_choice(scores[0])
    for score, place in zip(scores.tolist(), places.tolist(), strict=True):
        yield score, *divmod(place, totals.shape[1])


def _ids(tokenizer: Tokenizer, prompt: str | Sequence[int]) -> Sequence[int]:
    return tokenizer.encode(prompt) if isinstance(prompt, str) else prompt


def _id_list(argument: str, ids: Sequence[int] | Tensor, size: int) -> list[int]:
    """Return ids, whatever holds them, as Python's whole numbers; refuse those not below size."""
    ids = ids.tolist() if hasattr(ids, "tolist") else ids
    expect(isinstance(ids, Iterable), argument, "a list of ids", repr(ids))
    ids = [i.item() if isinstance(i, Tensor) else i for i in ids]
    check_ids(argument, ids, size)
    return [int(i) for i in ids]


def _stops(stop: str | Sequence[str]) -> list[str]:
    single = isinstance(stop, str) or not isinstance(stop, Iterable)
    stops = [stop] if single else list(stop)
    fine = all(isinstance(each, str) and each for each in stops)
    expect(fine, "stop", "strings that are not empty", stops)
    return stops
