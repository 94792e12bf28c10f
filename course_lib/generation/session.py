"""Sessions: a batch of token sequences that a model goes on with, with or without a cache.

Taught in 'Text generation'. A session takes a :class:`course_lib.model.GPT`, or a
:class:`Conditioned` encoder-decoder.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.attention import KeyValueCache
from course_lib.checks import check_counts, check_ids, expect
from course_lib.model import GPT, Transformer


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
        self.tokens = [id_list("prompt", prompt, model.config.vocab_size) for prompt in prompts]
        expect(len(self.tokens) > 0, "prompts", "at least one", "none")
        for prompt in self.tokens:
            fits = 1 <= len(prompt) <= context
            expect(fits, "prompt", f"1 to context={context} tokens", len(prompt))
        if not isinstance(model, Conditioned):
            model.eval()
        self.model = model
        self._starts = [0] * len(self.tokens)  # where the part that the model sees begins
        self._limit = min(max(map(len, self.tokens)) + max_new_tokens, context)
        self._use_cache = use_cache
        self._caches: list[KeyValueCache] | None = None
        self._mask: Tensor | None = None  # (B, S), false at padding

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """Return the logits (B, V) of each sequence's next token."""
        # A sequence that outgrew the context goes on without its older half.
        context = self.model.config.context
        for i, tokens in enumerate(self.tokens):
            if len(tokens) - self._starts[i] > context:
                self._starts[i] = len(tokens) - max(1, context // 2)
                self._caches = None
        if self._caches is not None and self._caches[0].length == self._limit:
            self._caches = None  # full, with the padding of rows that are shorter or have left
        # With a cache the newest token of each is all that is computed.
        if self._caches is not None:
            newest = self._tensor([tokens[-1:] for tokens in self.tokens])
            if self._mask is not None:
                self._mask = F.pad(self._mask, (0, 1), value=True)
            return self._next_logits(newest)
        # Without one, or anew, all tokens, padded on the left to one width.
        rows = [tokens[start:] for tokens, start in zip(self.tokens, self._starts, strict=True)]
        width = max(map(len, rows))
        padding = [width - len(row) for row in rows]
        self._mask = None
        if any(padding):
            self._mask = self._tensor([[0] * n + [1] * (width - n) for n in padding]) == 1
        if self._use_cache:
            self._caches = self._transformer.new_caches(self._limit)
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


def id_list(argument: str, ids: Sequence[int] | Tensor, size: int) -> list[int]:
    """Return ids, whatever holds them, as Python's whole numbers; refuse those not below size."""
    ids = ids.tolist() if hasattr(ids, "tolist") else ids
    expect(isinstance(ids, Iterable), argument, "a list of ids", repr(ids))
    numbers: list[Any] = [i.item() if isinstance(i, Tensor) else i for i in ids]
    check_ids(argument, numbers, size)
    return [int(i) for i in numbers]
