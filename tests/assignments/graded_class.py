"""A class of three, graded without a sandbox: what comes after grading needs none."""

import json
from pathlib import Path

from course_lib.assignments.cells import chapter_path, read_chapter
from course_lib.assignments.collect import collect
from course_lib.assignments.grade import grade
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.release import notebooks
from course_lib.assignments.verdicts import Graded, Verdict

EXERCISES = read_chapter(chapter_path("background"))
# For what runs in the sandbox: the chapter whose imports load fastest.
LIGHT = "numbers_that_learn"
LIGHT_EXERCISES = read_chapter(chapter_path(LIGHT))
HOSTILE = "</pre><script>alert(1)</script>\x1b[31m\u202e"


def answers(chapter="background", **sources):
    """Return a learner's notebook of a chapter, as the bytes of its file."""
    made = notebooks(chapter_path(chapter))["release"]
    cells = json.loads(json.dumps(made))
    for cell in cells["cells"]:
        cell["source"] = sources.get(cell["metadata"]["nbgrader"]["grade_id"], cell["source"])
    return json.dumps(cells).encode()


def verdicts(**seen):
    """Return a verdict for each exercise: passed, or what is given of it."""
    made = []
    for one in EXERCISES:
        visible, hidden, message = seen.get(one.name, ("passed", True, ""))
        earned = one.points * (visible == "passed" and hidden)
        made.append(Verdict(one.name, one.points, earned, visible, hidden, message, 0.1))
    return made


RESULTS = {
    "ada": verdicts(),
    "bob": verdicts(
        times_read=("not yet", False, f"200 tokens read {HOSTILE}"),
        energy_range=("passed", False, "at 0.5 it is 3"),
    ),
    "cy": verdicts(
        times_read=("not yet", False, "200 tokens read, of 100: 2, got 3"),
        best_model=("missing", False, ""),
    ),
}


def make_class(tmp_path):
    """Return the folder of a class whose three notebooks are graded."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    same = "def times_read(weight, size, total):\n    " + "\n    ".join(
        f"step_{number} = weight * {number} + size" for number in range(12)
    )
    other = same.replace("step_", "s").replace("weight *", "weight  *")
    own = "def times_read(w, s, t):\n    return w * t / s\n"
    held = {"ada": own, "bob": same + HOSTILE, "cy": other}
    for name, source in held.items():
        (inbox / f"{name}.ipynb").write_bytes(answers(times_read=source))
    folder = tmp_path / "class"
    collect([inbox], folder)
    with Gradebook(folder / FILE) as book:
        book.add_student("ada", first_name="Ada", last_name="=HYPERLINK(1)", email="+1@x.org")

    def runner(jobs, workers):
        for job in jobs:
            student = job.submission.parts[-3]
            yield Graded(Path(job.submission), job.chapter, job.seed, RESULTS[student], [], 0.1)

    grade(folder, runner=runner)
    return folder


def hand_in(folder, count, source):
    """Return the folder of a class of so many; each hands in what ``source`` makes of a number.

    It is the chapter ``LIGHT``.
    """
    inbox, course = folder / "inbox", folder / "class"
    inbox.mkdir()
    for number in range(count):
        (inbox / f"learner{number:02d}.ipynb").write_bytes(answers(LIGHT, **source(number)))
    collect([inbox], course)
    return course
