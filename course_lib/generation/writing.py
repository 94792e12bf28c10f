"""Writing: a model's text, piece by piece or at once, for one prompt or several.

Taught in 'Text generation'. All functions take any tokenizer that has ``encode`` and ``decode``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from course_lib.checks import expect
from course_lib.generation.sampling import GREEDY, Choose, anew
from course_lib.generation.session import Conditioned, Session, id_list
from course_lib.model import GPT


class Tokenizer(Protocol):
    """What generation needs of a tokenizer."""

    def encode(self, text: str) -> Sequence[int]:
        """Return the token ids of a text."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""


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


def _steps(
    session: Session, choose: Choose, max_new_tokens: int, add: Callable[[int, int], bool]
) -> Iterator[None]:
    """Go on token by token; ``add(row, token)`` says if the row goes on. Others are dropped."""
    choose = anew(choose)
    # Which row each sequence that is left is; all of them at first.
    rows = list(range(len(session.tokens)))
    for _ in range(max_new_tokens):
        chosen = choose(session.logits(), session.tokens).tolist()
        if len(chosen) != len(rows):
            raise ValueError(f"choose: expected {len(rows)} ids, one for each row, got {chosen}")
        # The rows that are done leave, the others take their token up.
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
    stops = set(id_list("stop_tokens", stop_tokens, model.config.vocab_size))
    new: list[list[int]] = [[] for _ in session.tokens]

    def add(row: int, token: int) -> bool:
        if token in stops:
            return False
        new[row].append(token)
        return True

    for _ in _steps(session, choose, max_new_tokens, add):
        pass
    return new


def _ids(tokenizer: Tokenizer, prompt: str | Sequence[int]) -> Sequence[int]:
    return tokenizer.encode(prompt) if isinstance(prompt, str) else prompt


def _stops(stop: str | Sequence[str]) -> list[str]:
    several = isinstance(stop, Iterable) and not isinstance(stop, str)
    stops: list[Any] = list(stop) if several else [stop]
    texts = all(isinstance(each, str) and each for each in stops)
    expect(texts, "stop", "strings that are not empty", stops)
    return stops
