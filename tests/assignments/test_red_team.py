"""Hostile and broken submissions: none earns a point, none stops the batch, nothing is left."""

import dataclasses
import json
import math
import os
import re
import time
from pathlib import Path

import pytest

from course_lib.assignments import zygote
from course_lib.assignments.cells import Exercise, chapter_path, read_chapter
from course_lib.assignments.verdicts import Limits

pytestmark = pytest.mark.long
HOSTILE = Path(__file__).parent / "hostile"
CHAPTER = "numbers_that_learn"
LIMITS = Limits(seconds=6, cell_seconds=3, memory=2**30, disk=2**25)
WALLS, ANSWERS = (
    (HOSTILE / f"{name}.py").read_text(encoding="utf-8") for name in ("walls", "answers")
)
WAYS = re.findall(r"^def (wall__\w+)", WALLS, re.M)
FORGERIES = re.findall(r"^def (\w+__\w+)", ANSWERS, re.M)


@pytest.fixture(scope="module")
def judge(walls):
    from course_lib.assignments import judge

    return judge


@pytest.fixture(scope="module")
def begun(judge):
    """Start a process for cells once for all tests; the next one starts where one has ended."""
    os.environ["CANARY"] = "CANARY"
    parent = zygote.begin(LIMITS, "import torch")
    started = {}

    def runs(source, forked):
        if forked and parent is None:
            pytest.skip("namespaces can't be nested here")
        if (source, forked) not in started:
            start = parent.fork if forked else None
            end = time.monotonic() + 600
            # What shall be held may take its time on a busy machine; what never ends may not.
            limits = dataclasses.replace(LIMITS, seconds=60.0 if source is WALLS else 3.0)
            started[source, forked] = judge.Runs([source], 1, limits, end, start)
        return started[source, forked]

    yield runs
    del os.environ["CANARY"]
    for one in started.values():
        one.stop()
    if parent:
        parent.end()


@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_the_walls_hold(judge, begun, way, forked):
    test = f"def test_{way}(attempt):\n    got = attempt()\n    assert got == 'held', got"
    hidden = f"def hidden_{test[4:]}"
    exercise = Exercise(CHAPTER, way, 1.0, "", test, hidden, "", "", "")
    got = judge.judged(exercise, {}, begun(WALLS, forked), 1)
    assert got.earned == 1, got.message


@pytest.mark.parametrize("name", FORGERIES)
def test_no_point_that_was_not_earned(judge, begun, name):
    exercises, names, _ = judge.load(CHAPTER)
    (exercise,) = [one for one in exercises if one.name == name.partition("__")[0]]
    got = judge.judged(exercise, names, begun(ANSWERS, True), 1, name)
    assert got.earned == 0, got
    assert not got.hidden
    assert "\x1b" not in got.message
    assert len(got.message) <= 500
    knows = "__knows_" in name
    said = "not written yet" if name == "one_step__says_it_is_not_written" else "not yet"
    assert got.visible == ("passed" if knows else said)


def notebook(*cells: object) -> bytes:
    made = [
        one if isinstance(one, dict) else {"cell_type": "code", "source": one, "metadata": {}}
        for one in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4}).encode()


RIGHT = {one.name: one.solution for one in read_chapter(chapter_path(CHAPTER))}
STEP = RIGHT["one_step"]
FILES = {  # what is handed in, with the points that it earns
    "empty": (b"", 0),
    "not JSON": (b"{'cells': [", 0),
    "JSON, but no notebook": (b"[1, 2]", 0),
    "no list of cells": (b'{"cells": 5}', 0),
    "cells that are none": (b'{"cells": [5, null, {"cell_type": 3}, {}]}', 0),
    "a source of numbers": (b'{"cells": [{"cell_type": "code", "source": [1]}]}', 0),
    "brackets in brackets": (b"[" * 500_000, 0),
    "no text": (os.urandom(10_000), 0),
    "too large": (b'{"cells": [' + b" " * 30_000_000, 0),
    "no cells": (notebook(), 0),
    "the answer as a text cell": (notebook({"cell_type": "markdown", "source": STEP}), 0),
    "an answer twice, the last one wrong": (notebook(STEP, "def one_step(*_): return 0, 0"), 0),
    "an answer twice, the last one right": (notebook("def one_step(*_): return 0, 0", STEP), 1),
    "a cell that ends the process": (notebook(STEP, "import os; os._exit(0)"), 0),
    "a cell that never ends": (notebook("while True: pass", STEP), 1),
    "a cell that leaves": (notebook("raise SystemExit", STEP), 1),
    "a cell that isn't Python": (notebook("def (:", STEP), 1),
    "a seed set as a number": (notebook("import random\nrandom.seed = 42", STEP), 1),
    "an error without a text": (
        notebook("class Odd(Exception):\n def __str__(self): 1 / 0\nraise Odd", STEP),
        1,
    ),
    "warnings that are errors": (
        notebook("import warnings\nwarnings.simplefilter('error')", STEP),
        1,
    ),
    "no length of anything": (notebook("import builtins\nbuiltins.len = None", STEP), 0),
    "all files closed": (notebook("import os\nos.closerange(0, 256)", STEP), 0),
    "magics": (notebook("%pip install x\n!rm -rf /", "%%bash\nrm -rf /", STEP), 1),
    "tests deleted, renamed, edited, worth more": (
        notebook(
            "def test_one_step(answer): pass",
            "hidden_test_one_step = test_one_step",
            {
                "cell_type": "code",
                "source": STEP,
                "metadata": {"exercise": {"name": "other", "points": 99}, "tags": ["solution"]},
                "id": "../../x",
            },
        ),
        1,
    ),
    "keys twice, of which the last ones count": (
        b'{"cells": [], "nbformat": 9, ' + notebook(STEP)[1:-1] + b', "nbformat": 4}',
        1,
    ),
    "a mark of the byte order": (b"\xef\xbb\xbf" + notebook(STEP), 1),
    "in the letters of Windows": (notebook("# \xe4\n" + STEP).decode().encode("utf-16"), 0),
    "line ends of Windows": (notebook(STEP.replace("\n", "\r\n")), 1),
    "a cell of lines": (
        notebook({"cell_type": "code", "source": STEP.splitlines(True), "metadata": {}}),
        1,
    ),
    "a notebook of format 3": (
        json.dumps(
            {"worksheets": [{"cells": [{"cell_type": "code", "input": STEP}]}], "nbformat": 3}
        ).encode(),
        0,
    ),
    "a notebook of format 5": (
        notebook(STEP).replace(b'"nbformat": 4', b'"nbformat": 5, "later": {"x": [1]}'),
        1,
    ),
    "cells without end": (b'{"cells": [' + b"{}, " * 10_000 + notebook(STEP)[11:], 0),
    "ids that are the same": (
        notebook(*({"cell_type": "code", "source": STEP, "metadata": {}, "id": "a"},) * 3),
        1,
    ),
    "a line of 10 MB": (notebook("x = '" + "y" * 10**7 + "'", STEP), 1),
    "many statements": (notebook("x=1;" * 10**5, STEP), 1),
    "a deep expression": (notebook("x = " + "(" * 10**5 + ")" * 10**5, STEP), 1),
    "a deep expression that is none": (notebook("x = " + "-" * 10**6 + "1", STEP), 1),
    "a half of a sign": (notebook("x = '\ud800'", STEP), 1),
    "a sign that ends": (notebook("x = '\0'", STEP), 1),
    "numbers too long to write": (notebook(f"x = {'9' * 10_000}", STEP), 1),
    "an answer that is to be waited for": (notebook("async " + STEP.lstrip()), 0),
    "an answer in wide letters": (notebook(STEP.replace("one_step", "\uff4fne_step")), 1),
    "a metadata of text": (
        notebook({"cell_type": "code", "source": STEP, "metadata": "x", "outputs": 5}),
        1,
    ),
    "a cell that starts another notebook": (
        notebook("import runpy\nrunpy.run_module('course_lib.assignments.worker')", STEP),
        1,
    ),
    "cells that sleep": (
        notebook(*["import time\ntime.sleep(0.5)"] * 2, STEP),
        1,
    ),
    "the book's chapter, its solutions and hidden tests in it": (
        chapter_path(CHAPTER).read_bytes(),
        0,
    ),
    "an answer that isn't a function": (notebook("one_step = 5"), 0),
    "an answer that is a class": (
        notebook("class one_step(tuple):\n def __new__(*a): return tuple.__new__(tuple, (0, 0))"),
        0,
    ),
}


@pytest.fixture(scope="module")
def graded(judge, tmp_path_factory):
    """Grade all files in one batch."""
    from course_lib.assignments import pool
    from course_lib.assignments.verdicts import Job

    folder = tmp_path_factory.mktemp("; rm -rf $HOME `id`\n&& submissions")
    for what, (data, _) in FILES.items():
        Path(folder, f"{what}.ipynb").write_bytes(data)
    Path(folder, "a link.ipynb").symlink_to("/etc/passwd")
    Path(folder, "a folder.ipynb").mkdir()
    before = sorted(folder.rglob("*"))
    jobs = [Job(path, CHAPTER, 1) for path in before]
    done = {one.submission.stem: one for one in pool.grade_many(jobs, 2, LIMITS)}
    assert len(done) == len(jobs), "each submission has a result, whatever the others do"
    assert sorted(folder.rglob("*")) == before, "nothing is left outside"
    return done


@pytest.mark.parametrize("what", [*FILES, "a link", "a folder"])
def test_a_file_earns_what_its_answers_earn(graded, what):
    earned = sum(one.earned for one in graded[what].verdicts)
    wanted = FILES[what][1] if what in FILES else 0
    assert math.isclose(earned, wanted), graded[what]
    assert [one.name for one in graded[what].verdicts] == list(RIGHT)
    assert [one.points for one in graded[what].verdicts] == [1, 1, 2, 2, 3]
