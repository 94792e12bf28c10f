"""Each exercise passes and fails across the boundary as it does in the notebook."""

import json
import time
from pathlib import Path

import pytest
from project import ROOT

from course_lib.assignments.cells import chapter_names, chapter_path, read_chapter
from course_lib.assignments.verdicts import Limits

ANSWERS = ROOT / "tests" / "book"


@pytest.fixture(scope="module")
def judge(walls):
    from course_lib.assignments import judge

    return judge


@pytest.fixture(scope="module")
def start(judge):
    """Start a worker, as grading does: by a fork of a process that has the imports of chapters."""
    from course_lib.assignments import zygote

    imports = [read_chapter(chapter_path(chapter))[0].imports for chapter in chapter_names()]
    parent = zygote.begin(Limits(), "\n".join(dict.fromkeys(imports)))
    yield parent and parent.fork
    if parent:
        parent.end()


def names_of(kind: str, chapter: str) -> list[str]:
    source = (ANSWERS / f"{kind}_answers" / f"{chapter}.py").read_text(encoding="utf-8")
    tree = compile(source, chapter, "exec")
    return [name for name in tree.co_names if "__" in name and name.partition("__")[0]]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["right", "wrong"])
@pytest.mark.parametrize("chapter", chapter_names())
def test_answers_are_judged_as_in_the_notebook(judge, start, chapter, kind):
    exercises, names, _ = judge.load(chapter)
    source = (ANSWERS / f"{kind}_answers" / f"{chapter}.py").read_text(encoding="utf-8")
    end = time.monotonic() + 600
    runs = judge.Runs([source], 5, Limits(), end, start, exercises[0].imports)
    faults = []
    try:
        for exercise in exercises:
            for name in names_of(kind, chapter):
                if name.partition("__")[0] != exercise.name:
                    continue
                seed = judge.derived(5, chapter, exercise.name)
                got = judge.judged(exercise, names, runs, seed, name)
                wanted = exercise.points if kind == "right" else 0
                if got.earned != wanted or (kind == "wrong" and got.visible != "not yet"):
                    faults.append(f"{name}: {got.visible}, {got.message or got.hidden}")
    finally:
        runs.stop()
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("chapter", ["numbers_that_learn"])
def test_a_notebook_of_solutions_earns_all_points_and_one_of_stubs_none(judge, chapter, tmp_path):
    exercises = read_chapter(chapter_path(chapter))
    for part, visible in (("solution", "passed"), ("stub", "not written yet")):
        cells = [
            {"cell_type": "code", "source": text, "metadata": {}}
            for one in exercises
            for text in (one.test, getattr(one, part))
        ]
        path = Path(tmp_path, f"{part}.ipynb")
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
        graded = judge.grade(path, chapter, seed=1)
        assert [one.visible for one in graded.verdicts] == [visible] * len(exercises)
        assert not graded.problems
        earned = sum(one.earned for one in graded.verdicts)
        assert earned == (sum(one.points for one in exercises) if part == "solution" else 0)
