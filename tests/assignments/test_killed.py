"""A grading that is killed at any moment goes on where it was: nothing twice, nothing lost."""

import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from graded_class import LIGHT, LIGHT_EXERCISES, hand_in

from course_lib.assignments.grade import grade
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.pool import grade_many

LEARNERS, KILLS = 99, 20
ALL = sum(one.points for one in LIGHT_EXERCISES)
# Grades without a sandbox, and names each submission as it begins it.
SCRIPT = f"""
import sys
from pathlib import Path
from course_lib.assignments.cells import chapter_path, read_chapter
from course_lib.assignments.grade import grade
from course_lib.assignments.verdicts import Graded, Verdict

EXERCISES = read_chapter(chapter_path("{LIGHT}"))

def runner(jobs, workers):
    for job in jobs:
        print(job.submission.parts[-3], flush=True)
        verdicts = [Verdict(e.name, e.points, e.points, "passed", True, "", 0) for e in EXERCISES]
        yield Graded(job.submission, job.chapter, job.seed, verdicts)

grade(Path(sys.argv[1]), runner=runner)
"""


@pytest.mark.long
def test_killed_at_random_moments_every_submission_is_graded_once(tmp_path):
    text = "def one_step(*_):\n    return {}".format
    course = hand_in(tmp_path, LEARNERS, lambda number: {"one_step": text(number)})
    command = [sys.executable, "-c", SCRIPT, str(course)]
    draw, begun = random.Random(0), []
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            # Killed while it begins one, writes one, or is between two.
            begun += [running.stdout.readline().strip() for _ in range(draw.randint(1, 3))]
            time.sleep(draw.uniform(0, 0.02))
            running.send_signal(signal.SIGKILL)
            begun += running.stdout.read().split()
        begun = [name for name in begun if name]  # on a fast machine all may be done
    with Gradebook(course / FILE) as book:
        held = {student for _, student in book.graded()}
        # Each row of the gradebook is whole.
        assert all(row["max_score"] == ALL for row in book.scores())
        assert held == {row["student_id"] for row in book.scores()}
    # What was in the gradebook wasn't begun again: at each kill at most one was on its way.
    assert len(held) > KILLS // 2
    assert held <= set(begun)
    assert len(begun) - len(held) <= KILLS
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    everybody = {f"learner{number:02d}" for number in range(LEARNERS)}
    assert sorted(done.stdout.split()) == sorted(everybody - held)
    with Gradebook(course / FILE) as book:
        assert [row["score"] for row in book.scores()] == [ALL] * LEARNERS


# With the sandbox

RIGHT = {one.name: one.solution for one in LIGHT_EXERCISES}


def written(course):
    """Return what the gradebook holds of each learner, to the letter: a second grading differs."""
    with Gradebook(course / FILE) as book:
        rows = book.rows("SELECT student, graded FROM course_graded")
    return {row["student"]: row["graded"] for row in rows}


def grown(course, running, more):
    """Wait until so many more are written, or all are done."""
    before = len(written(course))
    while running.poll() is None and len(written(course)) < before + more:
        time.sleep(0.02)


@pytest.mark.parametrize(
    "kills",
    [pytest.param(2, marks=pytest.mark.long), pytest.param(20, marks=pytest.mark.slow)],
)
def test_killed_within_the_sandbox_nothing_is_lost_or_twice_or_left_behind(walls, tmp_path, kills):
    learners = 3 * kills
    course = hand_in(
        tmp_path,
        learners,
        lambda number: RIGHT | {"one_step": f"{RIGHT['one_step']}\n# {number}"},
    )
    command = [sys.executable, "-m", "course_lib.assignments", "grade", "--json"]
    command += ["--course", str(course)]
    draw, held = random.Random(kills), {}
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            # While it loads, while it begins the first ones, or while others are done.
            grown(course, running, draw.randrange(4))
            time.sleep(draw.uniform(0, 0.5))
            family = psutil.Process(running.pid).children(recursive=True)
            running.send_signal(signal.SIGKILL)
            running.wait()
        _, left = psutil.wait_procs(family, timeout=10)
        assert not left, "what it started ends with it"
        now = written(course)
        assert held.items() <= now.items(), "what was graded stays as it is"
        held = now
    done = grade(course, runner=grade_many)
    assert (done["graded"], done["problems"]) == (learners - len(held), [])
    now = written(course)
    assert held.items() <= now.items()
    assert len(now) == learners
    with Gradebook(course / FILE) as book:
        assert [row["score"] for row in book.scores()] == [ALL] * learners
