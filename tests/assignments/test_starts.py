"""A worker that ends before it has anything of a learner's costs nobody; later, its learner."""

import os
import time

import pytest
from graded_class import LIGHT, LIGHT_EXERCISES, hand_in

from course_lib.assignments import grade as command
from course_lib.assignments import pool, sandbox, zygote
from course_lib.assignments.__main__ import main
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.pool import grade_many
from course_lib.assignments.verdicts import Limits

RIGHT = {one.name: one.solution for one in LIGHT_EXERCISES}
ALL = sum(one.points for one in LIGHT_EXERCISES)
FORK = zygote.Zygote.fork


@pytest.fixture
def course(walls, tmp_path, monkeypatch):
    """Return a class of two, which differ; between tries nobody waits."""
    monkeypatch.setattr(pool, "PAUSE", 0.0)
    monkeypatch.setattr(pool, "TRIES", 2)
    text = f"{RIGHT['one_step']}\n# {{}}".format
    return hand_in(tmp_path, 2, lambda number: RIGHT | {"one_step": text(number)})


def one_by_one(after=lambda: None):
    """Return what grades one submission at a time, and does something after the first."""

    def runner(jobs, workers):
        for number, result in enumerate(grade_many(jobs, 1)):
            yield result
            if number == 0:
                after()

    return runner


def scores(course):
    with Gradebook(course / FILE) as book:
        return {row["student_id"]: row["score"] for row in book.scores()}


def no_start(self):
    raise OSError("no more processes")


@pytest.mark.long
def test_where_workers_die_at_their_start_grading_stops_and_goes_on_later(
    course, monkeypatch, capsys
):
    with monkeypatch.context() as broken:

        def breaks():
            broken.setattr(zygote.Zygote, "fork", no_start)
            broken.setitem(sandbox.ENVIRONMENT, "PYTHONPATH", "/nowhere")

        broken.setattr(command, "grade_many", one_by_one(breaks))
        assert main(["grade", "--course", str(course), "--json"]) == 2
    said = capsys.readouterr().err
    assert f"{LIGHT}: expected a worker that starts, before it gets any submission" in said
    assert "Python doesn't work in it (ModuleNotFoundError: No module named 'course_lib" in said
    assert "nobody lost a point by it; what was graded is kept" in said
    assert said.count("\n") == 1
    assert scores(course) == {"learner00": ALL}
    done = command.grade(course, runner=grade_many)
    assert (done["graded"], done["unchanged"], done["problems"]) == (1, 1, [])
    assert scores(course) == {"learner00": ALL, "learner01": ALL}


@pytest.mark.long
@pytest.mark.parametrize("ever", [False, True], ids=["once", "of one submission, each time"])
def test_a_bad_start_is_tried_again_alone_and_stops_nobody_else(course, monkeypatch, ever):
    here, first, failed = os.getpid(), course / "first", course / "failed"

    def fork(self):
        # The judges are forks of this process; a trial runs in it.
        if os.getpid() != here and not (first if ever else failed).exists():
            failed.touch()
            no_start(self)
        return FORK(self)

    monkeypatch.setattr(zygote.Zygote, "fork", fork)
    done = command.grade(course, runner=one_by_one(first.touch))
    assert failed.exists()
    assert done["problems"] == ([f"learner00, {LIGHT}: no more processes"] if ever else [])
    assert scores(course) == {"learner00": 0 if ever else ALL, "learner01": ALL}


@pytest.mark.long
def test_imports_that_fail_within_the_walls_are_not_the_learners_fault(walls):
    from course_lib.assignments.asking import NotStarted, Runs

    end = time.monotonic() + 60
    runs = Runs(["import os; os._exit(0)"], 1, Limits(), end, imports="import no_such_package")
    with pytest.raises(NotStarted, match="imports fail in it: ModuleNotFoundError: No module"):
        runs.ready()
    runs.stop()


@pytest.mark.long
def test_cells_that_end_their_process_are_the_learners_fault(walls):
    from course_lib.assignments.asking import Lost, Runs

    runs = Runs(["import os; os._exit(0)"], 1, Limits(), time.monotonic() + 60)
    for _ in range(2):
        with pytest.raises(Lost, match="the notebook's cells can't be run: its process ended"):
            runs.ready()
    runs.stop()


def test_a_chapter_whose_imports_are_not_installed_says_so(monkeypatch):
    judge = pytest.importorskip("course_lib.assignments.judge")
    one = type(LIGHT_EXERCISES[0])(
        **vars(LIGHT_EXERCISES[0]) | {"imports": "import no_such_package"}
    )
    monkeypatch.setattr(judge, "read_chapter", lambda _: [one])
    with pytest.raises(RuntimeError, match="got: No module named 'no_such_package'; install it"):
        judge.load.__wrapped__(LIGHT)
