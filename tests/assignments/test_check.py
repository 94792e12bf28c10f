"""The exercise checker tells the four kinds of verdict apart and never raises."""

import subprocess
import sys

import pytest

from course_lib.assignments import check


def test_twice(twice):
    if twice(3) != 6:
        raise AssertionError("twice(3) is 6,\n  always")


test_twice.__test__ = False  # an exercise's test, not pytest's


def unwritten(x):
    raise NotImplementedError("your code here")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda x: 2 * x, "test_twice: passed"),
        (unwritten, "test_twice: not written yet"),
        (lambda x: x, "test_twice: not yet. twice(3) is 6, always"),
        (lambda: 0, "test_twice: not yet. TypeError: "),
    ],
)
def test_check_says_in_one_line_how_it_went(capsys, answer, verdict):
    check(test_twice, answer)
    printed = capsys.readouterr().out
    assert printed.startswith(verdict)
    assert printed.count("\n") == 1


def test_importing_it_brings_neither_torch_nor_the_rest_of_the_package():
    """So that whoever grades many answers starts at once."""
    code = "import sys, course_lib.assignments; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert not {"torch", "numpy", "matplotlib"} & set(loaded)
    ours = {name for name in loaded if name.startswith("course_lib")}
    assert ours == {"course_lib", "course_lib.assignments"}
