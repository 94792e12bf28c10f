"""A grading that is killed at any moment goes on where it was: nothing twice, nothing lost."""

import random
import signal
import subprocess
import sys
import time

import pytest
from graded_class import answers

from course_lib.assignments.collect import collect
from course_lib.assignments.gradebook import FILE, Gradebook

LEARNERS, KILLS = 99, 20
# Grades without a sandbox, and names each submission as it begins it.
SCRIPT = """
import sys
from pathlib import Path
from course_lib.assignments.cells import chapter_path, read_chapter
from course_lib.assignments.grade import grade
from course_lib.assignments.verdicts import Graded, Verdict

EXERCISES = read_chapter(chapter_path("background"))

def runner(jobs, workers):
    for job in jobs:
        print(job.submission.parts[-3], flush=True)
        verdicts = [Verdict(e.name, e.points, e.points, "passed", True, "", 0) for e in EXERCISES]
        yield Graded(job.submission, job.chapter, job.seed, verdicts)

grade(Path(sys.argv[1]), runner=runner)
"""


@pytest.mark.long
def test_killed_at_random_moments_every_submission_is_graded_once(tmp_path):
    inbox, course = tmp_path / "inbox", tmp_path / "class"
    inbox.mkdir()
    for number in range(LEARNERS):
        text = f"def times_read(w, s, t):\n    return {number}"
        (inbox / f"learner{number:02d}.ipynb").write_bytes(answers(times_read=text))
    collect([inbox], course)
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
        assert all(row["max_score"] == 8 for row in book.scores())
        assert held == {row["student_id"] for row in book.scores()}
    # What was in the gradebook wasn't begun again: at each kill at most one was on its way.
    assert len(held) > KILLS // 2
    assert held <= set(begun)
    assert len(begun) - len(held) <= KILLS
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    everybody = {f"learner{number:02d}" for number in range(LEARNERS)}
    assert sorted(done.stdout.split()) == sorted(everybody - held)
    with Gradebook(course / FILE) as book:
        assert [row["score"] for row in book.scores()] == [8.0] * LEARNERS
