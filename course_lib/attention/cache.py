"""The key-value cache. Taught in 'The SelfAttention class' and 'Text generation'."""

import torch
from torch import Tensor

from course_lib.attention.inputs import as_rows, check_tensor
from course_lib.checks import check_sizes, expect


class KeyValueCache:
    """Keys and values of the tokens so far, so that a new token computes only its own.

    Memory for ``max_length`` tokens is taken at the first append.

    Args:
        max_length: how many tokens the cache can hold.

    Raises:
        ValueError: if ``max_length`` is not a whole number above 0.
    """

    def __init__(self, max_length: int) -> None:
        check_sizes(max_length=max_length)
        self.max_length = max_length
        self.length = 0
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    @property
    def batch_size(self) -> int | None:
        """Number of sequences held; None while the cache is empty."""
        return None if self._keys is None else len(self._keys)

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order, e.g. the survivors of a beam search."""
        if self._keys is not None and self._values is not None:
            rows = as_rows(rows, len(self._keys))
            self._keys, self._values = self._keys[rows], self._values[rows]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add the newest tokens and return everything so far.

        Args:
            keys: (B, H, T, D), the newest T tokens.
            values: (B, H, T, D).

        Returns:
            Keys and values of all tokens so far, each (B, H, length, D).

        Raises:
            ValueError: if the cache is full, or shape or dtype differ from what it holds.
        """
        # What fits goes on at once: this is done for each layer and token.
        held, end = self._keys, self.length + keys.shape[2]
        fits = (
            held is not None
            and keys.shape == values.shape
            and keys.shape[:2] == held.shape[:2]
            and keys.shape[3] == held.shape[3]
            and keys.dtype == held.dtype
            and end <= self.max_length
        )
        if not fits:
            self._check(keys, values)

        # The first time, memory for all tokens to come.
        if self._keys is None or self._values is None:
            batch, heads, _, width = keys.shape
            self._keys = keys.new_empty(batch, heads, self.max_length, width)
            self._values = torch.empty_like(self._keys)

        # The newest behind those so far.
        self._keys[:, :, self.length : end] = keys
        self._values[:, :, self.length : end] = values
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def _check(self, keys: Tensor, values: Tensor) -> None:
        """Say what doesn't fit."""
        check_tensor("keys", keys, "(B, H, T, D)")
        shape = tuple(keys.shape)
        expect(values.shape == shape, "values", f"shape {shape}", tuple(values.shape))
        batch, heads, new, width = shape
        if self._keys is not None:
            held = (*self._keys.shape[:2], self._keys.shape[3]), self._keys.dtype
            got = (batch, heads, width), keys.dtype
            expect(held == got, "keys", f"batch, heads, width and dtype {held}", got)
        limit = self.max_length - self.length
        expect(new <= limit, "keys", f"at most {limit} more tokens", new)
