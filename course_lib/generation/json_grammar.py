"""Constrained output: a model's text is JSON, always, since no other token can be chosen.

Taught in 'Text generation'. A pushdown automaton reads JSON (RFC 8259) byte by byte, so tokens may
hold several signs, or a piece of one. Which tokens can come next is worked out once for each state
that is met: first what depends on the top of its stack alone, as in Dong et al. (2024), 'XGrammar'.
"""

import json
import math
from collections.abc import Collection, Iterable
from copy import copy
from functools import lru_cache
from types import UnionType
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import check_ids, check_sizes, expect
from course_lib.generation.sampling import GREEDY, Choose, anew
from course_lib.text import BPETokenizer

State = tuple[str, ...]  # goals: what stands to be read, the next one last
Rules = dict[int, tuple[str, ...]]  # the next byte: what stands to be read in place of the goal
_SPACE, _DIGITS = b" \t\n\r", b"0123456789"
_NUMBER = ((b"-", "natural tail"), (b"0", "tail"), (b"123456789", "digits tail"))


def _rules(*rows: tuple[Iterable[int], str]) -> Rules:
    """Return rules from rows of bytes and the goals that each of them leads to, the next first."""
    return {byte: tuple(reversed(goals.split())) for places, goals in rows for byte in places}


_JSON = {
    "end": _rules((_SPACE, "end")),
    "string": _rules(
        (b'"', ""),
        (b"\\", "escape string"),
        ((byte for byte in range(0x20, 0x80) if byte not in b'"\\'), "string"),
        # UTF-8, without overlong forms and halves of surrogate pairs (RFC 3629, section 4).
        (range(0xC2, 0xE0), "more string"),
        (b"\xe0", "from_a0 more string"),
        ((byte for byte in range(0xE1, 0xF0) if byte != 0xED), "more more string"),
        (b"\xed", "to_9f more string"),
        (b"\xf0", "from_90 more more string"),
        (range(0xF1, 0xF4), "more more more string"),
        (b"\xf4", "to_8f more more string"),
    ),
    "more": _rules((range(0x80, 0xC0), "")),
    "from_a0": _rules((range(0xA0, 0xC0), "")),
    "to_9f": _rules((range(0x80, 0xA0), "")),
    "from_90": _rules((range(0x90, 0xC0), "")),
    "to_8f": _rules((range(0x80, 0x90), "")),
    "escape": _rules((b'"\\/bfnrt', ""), (b"u", "hex hex hex hex")),
    "hex": _rules((b"0123456789abcdefABCDEF", "")),
    "natural": _rules((b"0", ""), (b"123456789", "digits")),
    "digits": _rules((_DIGITS, "digits")),
    "digit": _rules((_DIGITS, "")),
    "tail": _rules((b".", "digit digits power"), (b"eE", "exponent digits")),
    "power": _rules((b"eE", "exponent digits")),
    "exponent": _rules((b"+-", "digit"), (_DIGITS, "")),
    "key": _rules((_SPACE, "key"), (b'"', "string")),
    "colon": _rules((_SPACE, "colon"), (b":", "")),
    "comma": _rules((_SPACE, "comma"), (b",", "")),
    "quote": _rules((_SPACE, "quote"), (b'"', "")),
    "close": _rules((_SPACE, "close"), (b"}", "")),
    "members": _rules((_SPACE, "members"), (b'"', "string colon value more_members"), (b"}", "")),
    "more_members": _rules(
        (_SPACE, "more_members"), (b",", "key colon value more_members"), (b"}", "")
    ),
    "value": _rules(
        (_SPACE, "value"),
        (b'"', "string"),
        (b"{", "members"),
        (b"[", "items"),
        (b"t", "r u e"),
        (b"f", "a l s e"),
        (b"n", "u l l"),
        *_NUMBER,
    ),
    **{letter: _rules((letter.encode(), "")) for letter in "aelrsu"},
}
_BELOW = "below"  # stands for all goals under the one that is looked at
_MAY_BE_EMPTY = {"end", "digits", "tail", "power"}
# A schema that is one type: its goal, or the rows of its rules.
_SIMPLE: dict[type, str | tuple[tuple[bytes, str], ...]] = {
    object: "value",
    str: "key",
    float: _NUMBER,
    int: ((b"-", "natural"), (b"0", ""), (b"123456789", "digits")),
    bool: ((b"t", "r u e"), (b"f", "a l s e")),
    type(None): ((b"n", "u l l"),),
}


class JSONGrammar:
    """A pushdown automaton that reads JSON byte by byte.

    Each goal has one rule per next byte, which says what stands to be read after it: a grammar in
    Greibach's normal form. The stack of goals is the whole state.

    Args:
        schema: what the text may hold: ``str``, ``int``, ``float`` (any number), ``bool``, ``None``
            or ``object`` (anything); several of these, as in ``int | None``; a list with the schema
            of its items; a tuple of the strings to choose from; or a dict from keys to schemas: all
            of them, in this order.

    Raises:
        ValueError: if the schema is something else.
    """

    def __init__(self, schema: object = object) -> None:
        self.rules = _JSON | {_BELOW: {}}
        self.rules["items"] = self._items("value", "items")
        self.start: State = ("end", self._goal(schema))

    def read(self, state: State, data: bytes) -> State | None:
        """Return the state after these bytes, or None if no text goes on like this."""
        for byte in data:
            new = self.step(state, byte)
            if new is None:
                return None
            state = new
        return state

    def step(self, state: State, byte: int) -> State | None:
        """Return the state after one byte, or None if it can't come next."""
        while state:
            goals = self.rules[state[-1]].get(byte)
            if goals is not None:
                return state[:-1] + goals
            if state[-1] not in _MAY_BE_EMPTY:
                return None
            state = state[:-1]
        return None

    @staticmethod
    def complete(state: State) -> bool:
        """Return whether the text may end here."""
        return _MAY_BE_EMPTY.issuperset(state)

    def _goal(self, schema: Any) -> str:
        """Return the goal that reads a value of the schema; its rules are made if need be."""
        name = f"value of {schema!r}"
        kind: Any = type(schema)
        rules: Rules
        # One type; else a dict, several types, a list, strings to choose from.
        if schema is None or (isinstance(schema, type) and schema in _SIMPLE):
            rows = _SIMPLE[type(None) if schema is None else schema]
            if isinstance(rows, str):
                return rows
            rules = _rules(*rows)
        elif kind is dict and all(type(key) is str for key in schema):
            goals: list[str] = []
            for key, inner in schema.items():
                goals += ["comma"] if goals else []
                goals += ["quote", self._literals([key]), "colon", self._goal(inner)]
            rules = {ord("{"): ("close", *reversed(goals))}
        elif kind is UnionType:
            rules = {}
            for option in schema.__args__:
                of_option = self.rules[self._goal(option)].items()
                new = {byte: goals for byte, goals in of_option if byte not in _SPACE}
                expected = "types that begin with different signs"
                expect(rules.keys().isdisjoint(new), "schema", expected, schema)
                rules |= new
        elif kind is list and len(schema) == 1:
            goal = self._goal(schema[0])
            first = f"items of {goal}"
            self.rules[first] = self._items(goal, first)
            rules = {ord("["): (first,)}
        elif kind is tuple and schema and all(type(text) is str for text in schema):
            rules = {ord('"'): (self._literals(schema),)}
        else:
            expected = "a type of JSON, a dict of them, a list of one or a tuple of strings"
            raise ValueError(f"schema: expected {expected}, got {schema!r}")
        # Before any value there may be space.
        self.rules[name] = rules | dict.fromkeys(_SPACE, (name,))
        return name

    def _items(self, goal: str, first: str) -> Rules:
        """Return the rules of the goal that reads what stands behind a list's bracket."""
        more = f"more_{first}"
        self.rules[more] = _rules((b"]", "")) | {
            ord(","): (more, goal),
            **dict.fromkeys(_SPACE, (more,)),
        }
        begin = {byte: (more, *goals) for byte, goals in self.rules[goal].items()}
        return begin | _rules((b"]", "")) | dict.fromkeys(_SPACE, (first,))

    def _literals(self, texts: Collection[str]) -> str:
        """Return the goal that reads one of the strings behind its first quotation mark."""
        return self._one_of({json.dumps(text, ensure_ascii=False)[1:].encode() for text in texts})

    def _one_of(self, ends: Collection[bytes]) -> str:
        name = f"one of {sorted(ends)}"
        if name not in self.rules:
            rules: Rules = {}
            for byte in {end[0] for end in ends}:
                left = {end[1:] for end in ends if end[0] == byte}
                rules[byte] = () if left == {b""} else (self._one_of(left),)
            self.rules[name] = rules
        return name


class _Node:
    """A place in the tree of all tokens: the token that ends here, and what comes next."""

    def __init__(self) -> None:
        self.token: int | None = None
        self.children: dict[int, _Node] = {}


class JSONChooser:
    """Chooses only tokens that can still become valid JSON before the tokens run out.

    Give it as ``choose`` to the functions of :mod:`course_lib.generation`, with the same
    ``max_new_tokens``, and the end token (or its text) where these stop. Any number of rows can be
    generated at once, and texts after or beside each other. Python's ``json`` refuses what is
    nested about a thousand deep, and whole numbers of more than 4,300 digits, so don't ask for as
    many tokens.

    Args:
        tokenizer: the model's.
        end: the id of the token that ends a text.
        max_new_tokens: when the text must have ended.
        schema: see :class:`JSONGrammar`.
        choose: chooses among the tokens that are left.

    Raises:
        ValueError: if the schema can't be, ``max_new_tokens`` is too small for it, or ``end`` is no
            id of the tokenizer.
    """

    def __init__(
        self,
        tokenizer: BPETokenizer,
        end: int,
        max_new_tokens: int,
        schema: object = object,
        choose: Choose = GREEDY,
    ) -> None:
        check_ids("end", [end], tokenizer.vocab_size)
        check_sizes(max_new_tokens=max_new_tokens)
        # The grammar, and the tree of all tokens.
        self.grammar = JSONGrammar(schema)
        self.end, self.choose = end, choose
        self.max_new_tokens = max_new_tokens
        self.vocab_size = tokenizer.vocab_size
        self._bytes = {token: data for data, token in tokenizer.vocab.items()}
        self._root = _Node()
        for data, token in tokenizer.vocab.items():
            node = self._root
            for byte in data:
                node = node.children.setdefault(byte, _Node())
            node.token = token
        # Is there room for the shortest text?
        self._lengths = self._shortest_completions() | {_BELOW: 0.0}
        least = self._length(self.grammar.start)
        expect(
            least < math.inf, "schema", "one that the tokenizer's tokens can spell", repr(schema)
        )
        expect(least <= max_new_tokens, "max_new_tokens", f"at least {least:.0f}", max_new_tokens)
        self._rows: dict[tuple[int, ...], tuple[State, int]] = {}
        self.lengths_after = lru_cache(maxsize=128)(self._lengths_after)
        self._top = lru_cache(maxsize=None)(self._from_top)

    def __call__(self, logits: Tensor, tokens: list[list[int]]) -> Tensor:
        """Choose a token id for each row: (B,).

        Args:
            logits: (B, V).
            tokens: the ids so far of each row. A row that doesn't go on from one of the last call
                is taken for a prompt; :meth:`anew` forgets that call.

        Raises:
            ValueError: if a row holds a token that was not allowed, or went on behind its end; or
                if the logits are not those of the tokenizer's vocabulary.
        """
        size = self.vocab_size
        expect(logits.shape[-1] == size, "logits", f"shape (B, {size})", tuple(logits.shape))
        rows = [tuple(row.tolist() if hasattr(row, "tolist") else row) for row in tokens]
        self._rows = {row: self._after(row) for row in rows}
        allowed = torch.stack([self.allowed(*self._rows[row]) for row in rows])
        return self.choose(logits.masked_fill(~allowed.to(logits.device), -math.inf), tokens)

    def anew(self) -> "JSONChooser":
        """Return the same without what it remembers of a text; each generation begins with it."""
        new = copy(self)
        new._rows, new.choose = {}, anew(self.choose)
        return new

    def allowed(self, state: State, left: int) -> Tensor:
        """Return booleans (V,): after which tokens the text can be completed.

        Args:
            state: of the grammar.
            left: tokens that may still come, the next included.
        """
        allowed = self.lengths_after(state) < left
        allowed[self.end] = self.grammar.complete(state)
        return allowed

    def _after(self, row: tuple[int, ...]) -> tuple[State, int]:
        """Return a row's state, and how many tokens are left to it."""
        if row[:-1] not in self._rows:
            return self.grammar.start, self.max_new_tokens
        state, left = self._rows[row[:-1]]
        new = self.grammar.read(state, self._bytes.get(row[-1], b"\0"))
        if new is None:
            expected = "a valid text that stops at its end token"
            raise ValueError(f"tokens: expected {expected}, got token {row[-1]} behind it")
        return new, left - 1

    def _shortest_completions(self) -> dict[str, float]:
        """Return the number of tokens that each goal takes at least, if each is a single byte."""
        lengths = {goal: 0.0 if goal in _MAY_BE_EMPTY else math.inf for goal in self.grammar.rules}
        # Until no goal gets shorter by what is known of the others.
        changed = True
        while changed:
            changed = False
            for goal, rules in self.grammar.rules.items():
                for byte, goals in rules.items():
                    child = self._root.children.get(byte)
                    if child is None or child.token is None:
                        continue
                    length = 1 + sum(lengths[g] for g in goals)
                    if length < lengths[goal]:
                        lengths[goal], changed = length, True
        return lengths

    def _length(self, state: Iterable[str]) -> float:
        return sum(self._lengths[goal] for goal in state)

    def _lengths_after(self, state: State) -> Tensor:
        """Return the tokens that a text takes at least after each token, (V,); inf if refused."""
        *rest, goal = state
        lengths, exits = self._top(goal)
        lengths = lengths + self._length(rest)
        for byte, node in exits:
            new = self.grammar.step(tuple(rest), byte)
            if new is not None:
                found, _ = self._walk(node, new)
                lengths[list(found)] = torch.tensor(list(found.values()))
        return lengths

    def _from_top(self, goal: str) -> tuple[Tensor, list[tuple[int, _Node]]]:
        """Return what doesn't depend on the goals below, and the bytes that reach down to them."""
        found, exits = self._walk(self._root, (_BELOW, goal))
        lengths = torch.full((self.vocab_size,), math.inf)
        lengths[list(found)] = torch.tensor(list(found.values()))
        return lengths, exits

    def _walk(self, node: _Node, state: State) -> tuple[dict[int, float], list[tuple[int, _Node]]]:
        """Go down the tree of tokens as far as the automaton reads."""
        found, exits, todo = {}, [], [(node, state)]
        while todo:
            node, state = todo.pop()
            if node.token is not None:
                found[node.token] = self._length(state)
            for byte, child in node.children.items():
                new = self.grammar.step(state, byte)
                if new is not None:
                    todo.append((child, new))
                elif state[0] == _BELOW and self.grammar.complete(state[1:]):
                    exits.append((byte, child))
        return found, exits
