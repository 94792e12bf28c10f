"""No hidden test lets through an answer that knows the inputs in sight, and nothing else."""

import contextlib
import inspect
import io
import math

import numpy as np
import pytest
import torch

from course_lib.assignments.cells import chapter_names, chapter_path, read_chapter

CONTAINERS = (list, tuple, dict, set, str)


def number(value):
    return isinstance(value, int | float | np.generic) and not isinstance(value, bool)


def each(change):
    """Return what changes each part of a result that isn't a container."""

    def changed(value):
        if type(value) in (list, tuple):
            return type(value)(map(changed, value))
        if type(value) is dict:
            return {key: changed(one) for key, one in value.items()}
        return change(value)

    return changed


def filled(with_what):
    """Return what sets all numbers of a result."""

    def fill(value):
        if isinstance(value, torch.Tensor):
            return value if value.dtype == torch.bool else torch.full(value.shape, with_what)
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
            return np.full(value.shape, with_what)
        return with_what if number(value) else value

    return each(fill)


def emptied(value):
    if isinstance(value, torch.Tensor):
        return value.new_empty((0, *value.shape))
    if isinstance(value, np.ndarray):
        return np.empty((0, *value.shape), value.dtype)
    return np.empty((0,)) if number(value) else value


IGNORANT = {
    "not a number": filled(math.nan),
    "without end": filled(math.inf),
    "zero": filled(0.0),
    "tensors and arrays of nothing": each(emptied),
    "containers of nothing": lambda value: type(value)() if type(value) in CONTAINERS else value,
    "an iterator of nothing": lambda value: iter(()) if type(value) in (list, tuple) else value,
    "none": lambda value: None,
    "true": lambda value: True,
}


class Knows:
    """Gives the right answers to the first calls, and ignorant ones to those that follow."""

    def __init__(self, right, ignorant, first):
        self.right, self.ignorant, self.first = right, ignorant, first
        self.calls, self.changed, self.asked = 0, False, False
        self.__name__ = right.__name__

    def __call__(self, *args, **named):
        self.calls += 1
        self.asked = self.asked or bool(args or named)
        result = self.right(*args, **named)
        if self.calls <= self.first:
            return result
        wrong = self.ignorant(result)
        self.changed = self.changed or repr(wrong) != repr(result)
        return wrong


@pytest.mark.slow
@pytest.mark.parametrize("ignorant", IGNORANT.values(), ids=IGNORANT)
@pytest.mark.parametrize("chapter", chapter_names())
def test_who_knows_only_the_inputs_in_sight_earns_nothing(chapter, ignorant):
    judge = pytest.importorskip("course_lib.assignments.judge")
    through = []
    for one in read_chapter(chapter_path(chapter)):
        names = {"check": lambda *_: None}
        with contextlib.redirect_stdout(io.StringIO()):
            for part in (one.imports, one.test, one.solution, one.hidden_test):
                exec(part.replace("import check", "import check as _check"), names)
        if inspect.isclass(names[one.name]):
            continue
        # How often the test in sight asks, which the hidden one begins with.
        sight = Knows(names[one.name], ignorant, math.inf)
        judge.seed_all(1)
        assert judge.attempt(names[f"test_{one.name}"], sight)[0] == "passed"
        knows = Knows(names[one.name], ignorant, sight.calls)
        judge.seed_all(1)
        found, _ = judge.attempt(names[f"hidden_test_{one.name}"], knows)
        # Without inputs the answer is one number, which can be copied.
        if found == "passed" and knows.changed and sight.asked:
            # Where it is to change its arguments, nobody reads what it returns.
            unread = Knows(names[one.name], lambda _: None, 0)
            judge.seed_all(1)
            if judge.attempt(names[f"test_{one.name}"], unread)[0] != "passed":
                through.append(one.name)
    assert not through
