"""The gradebook holds each submission's grades whole, and is nbgrader's, too."""

import json
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from course_lib.assignments import sandbox
from course_lib.assignments.__main__ import main
from course_lib.assignments.cells import Essay, chapter_path, read_chapter
from course_lib.assignments.grade import grade
from course_lib.assignments.gradebook import FILE, Attempt, Gradebook, fingerprint
from course_lib.assignments.verdicts import Graded, Verdict

NAMES = [exercise.name for exercise in read_chapter(chapter_path("background"))]


def attempt(student="ada", sha256="a" * 64, **changed):
    held = {
        "file": f"submitted/{student}/background/background.ipynb",
        "origin": "background.ipynb",
        "time": "2027-01-31 17:00:00",
        "late": 0,
        "place": 1,
    }
    return Attempt(student, "background", sha256, **held | changed)


def verdict(name="times_read", visible="passed", hidden=True, points=2.0, message=""):
    return Verdict(name, points, points * hidden, visible, hidden, message, 0.1)


def result(*verdicts, submission="x", seed=1, problems=()):
    return Graded(Path(submission), "background", seed, list(verdicts), list(problems), 0.2)


@pytest.fixture
def book(tmp_path):
    with Gradebook(tmp_path / FILE) as made:
        yield made


def test_a_grade_is_the_sum_of_what_was_earned_less_what_lateness_takes(book):
    one = verdict("a", visible="passed", hidden=False)
    book.record(attempt(), result(one, verdict("b", points=3.0)), "m", partial=0.5, penalty=0.5)
    (row,) = book.scores()
    assert (row["raw_score"], row["max_score"], row["score"]) == (4.0, 5.0, 3.5)
    assert book.cells(row["notebook"])["a"]["auto_score"] == 1.0


def test_recorded_again_it_replaces_and_drops_what_is_no_longer_asked(book):
    book.record(attempt(), result(verdict("a"), verdict("old")), "m")
    book.record(attempt(), result(verdict("a", "not yet", False, message="no")), "n")
    (row,) = book.scores()
    assert (row["score"], row["max_score"]) == (0.0, 2.0)
    ((key, graded),) = book.graded().items()
    assert key == ("background", "ada")
    assert graded == result(verdict("a", "not yet", False, message="no"))


def test_what_a_person_gave_stays_until_the_learner_writes_something_new(book):
    essays = [Essay("background", "why", 3.0, "Why?")]
    book.record(attempt(), result(verdict()), "m", essays=essays)
    (row,) = book.scores()
    assert (row["to_mark"], row["score"], row["max_score"]) == (1, 2.0, 5.0)
    book.mark(row["notebook"], "why", 2.5, "Well said.")
    book.record(attempt(), result(verdict()), "n", essays=essays)
    (row,) = book.scores()
    assert (row["to_mark"], row["score"]) == (0, 4.5)
    book.record(attempt(sha256="b" * 64), result(verdict()), "n", essays=essays)
    assert book.scores()[0]["to_mark"] == 1
    with pytest.raises(ValueError, match="essay: expected one that was handed in, got 'which'"):
        book.mark(row["notebook"], "which", 1, "")


def test_a_record_that_fails_leaves_nothing(book):
    broken = result(verdict(), verdict("b", message={"no": "text"}))
    with pytest.raises(sqlite3.Error):
        book.record(attempt(), broken, "m")
    assert not book.scores()
    assert not book.students()


def test_the_last_attempt_counts_and_all_are_kept(book):
    book.add_attempt(attempt(place=1))
    book.add_attempt(attempt(place=2, sha256="b" * 64))
    assert [one.place for one in book.attempts()] == [1, 2]
    assert [one.place for one in book.current("background")] == [2]


def test_what_is_no_gradebook_is_left_alone(tmp_path):
    path = tmp_path / FILE
    path.write_text("something else, and longer than a header of SQLite would be" * 20)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="expected a gradebook"):
        Gradebook(path)
    assert path.read_bytes() == before


def test_nbgrader_opens_it(book, tmp_path):
    api = pytest.importorskip("nbgrader.api", reason="nbgrader isn't installed")
    book.set_due("background", "2027-02-01 12:00:00")
    book.add_student("ada", first_name="Ada", last_name="Lovelace")
    words = verdict("b", visible="not yet", hidden=False, message="2, not 3")
    essays = [Essay("background", "why", 3.0, "Why?")]
    book.record(attempt(), result(verdict("a"), words), "m", essays=essays, penalty=0.5)
    with api.Gradebook(f"sqlite:///{tmp_path / FILE}") as theirs:
        found = theirs.find_submission("background", "ada")
        assert (found.score, found.max_score) == (2.0, 7.0)
        assert found.late_submission_penalty == 0.5
        assert found.timestamp == datetime(2027, 1, 31, 17)
        assert found.duedate == datetime(2027, 2, 1, 12)
        assert found.needs_manual_grade
        grade = theirs.find_grade("grade_b", "background", "background", "ada")
        assert (grade.auto_score, grade.max_score, grade.failed_tests) == (0.0, 2.0, True)
        assert theirs.find_comment("b", "background", "background", "ada").comment == "2, not 3"
        # And what nbgrader writes is read here.
        theirs.find_grade("why", "background", "background", "ada").manual_score = 1.5
        theirs.db.commit()
    assert book.scores()[0]["raw_score"] == 3.5


# Grading


class Runner:
    """Grades each job, up to the one at which it is killed; counts what it was given."""

    def __init__(self, until=None):
        self.until, self.jobs = until, []

    def __call__(self, jobs, workers):
        for number, job in enumerate(jobs):
            if number == self.until:
                raise KeyboardInterrupt
            self.jobs.append(job)
            yield result(verdict(), submission=str(job.submission), seed=job.seed)


@pytest.fixture
def course(tmp_path):
    with Gradebook(tmp_path / FILE) as book:
        for student in ("ada", "bob", "cy"):
            book.add_attempt(attempt(student, sha256=student))
    return tmp_path


def test_a_stopped_grading_goes_on_where_it_was(course):
    with pytest.raises(KeyboardInterrupt):
        grade(course, runner=Runner(until=2))
    runner = Runner()
    done = grade(course, runner=runner)
    assert [job.submission.parts[-3] for job in runner.jobs] == ["cy"]
    assert (done["graded"], done["unchanged"]) == (1, 2)
    with Gradebook(course / FILE) as book:
        assert [row["student_id"] for row in book.scores()] == ["ada", "bob", "cy"]


def test_only_what_changed_is_graded_again(course):
    first, nothing, new, seeded, again = (Runner() for _ in range(5))
    grade(course, runner=first)
    grade(course, runner=nothing)
    assert (len(first.jobs), len(nothing.jobs)) == (3, 0)
    with Gradebook(course / FILE) as book:
        book.add_attempt(attempt("bob", sha256="new", place=2))
    grade(course, runner=new)
    assert [job.submission.parts[-3] for job in new.jobs] == ["bob"]
    assert len({job.seed for job in first.jobs + new.jobs}) == 1, "the seed is drawn once"
    grade(course, runner=seeded, seed=new.jobs[0].seed + 1)
    assert len(seeded.jobs) == 3
    grade(course, runner=again, again=True)
    assert len(again.jobs) == 3


def test_other_exercises_are_graded_again():
    exercises = read_chapter(chapter_path("background"))
    assert fingerprint(exercises) == fingerprint(read_chapter(chapter_path("background")))
    assert fingerprint(exercises) != fingerprint(exercises[1:])


def test_other_points_or_another_text_run_nothing_and_count_at_once(course, tmp_path):
    chapters = tmp_path / "notebooks"
    chapters.mkdir()
    text = chapter_path("background").read_text(encoding="utf-8")
    (chapters / "background.ipynb").write_text(text, encoding="utf-8")
    exercises = read_chapter(chapters / "background.ipynb")

    def passing(jobs, workers):
        for job in jobs:
            seen = [verdict(one.name, points=one.points) for one in exercises]
            yield result(*seen, submission=str(job.submission), seed=job.seed)

    grade(course, runner=passing, folder=chapters)
    held = json.loads(text)
    for cell in held["cells"]:
        if cell["metadata"].get("exercise", {}).get("name") == "times_read":
            cell["metadata"]["exercise"]["points"] = 5
    said = json.dumps(held).replace("How often was Wikipedia read?", "Wikipedia, how often?")
    (chapters / "background.ipynb").write_text(said, encoding="utf-8")
    runner = Runner()
    grade(course, runner=runner, folder=chapters)
    assert not runner.jobs
    with Gradebook(course / FILE) as book:
        rows = book.scores()
    assert {(row["score"], row["max_score"]) for row in rows} == {(12, 12)}


def test_a_late_day_beyond_grace_takes_its_share_and_nothing_is_run_for_it(course):
    with Gradebook(course / FILE) as book:
        book.add_attempt(attempt("ada", sha256="ada", late=3))
    grade(course, runner=Runner())
    runner = Runner()
    grade(course, runner=runner, late=0.1, grace=1)
    assert not runner.jobs
    with Gradebook(course / FILE) as book:
        penalties = {row["student_id"]: row["late_submission_penalty"] for row in book.scores()}
    # Two days, of the 8 points of the chapter.
    assert penalties == {"ada": pytest.approx(1.6), "bob": 0, "cy": 0}


def test_a_chapter_that_was_not_collected_is_named(course, tmp_path):
    with pytest.raises(ValueError, match=r"expected one that was collected \(background\), got x"):
        grade(course, ["x"], runner=Runner())
    with pytest.raises(ValueError, match=r"expected one that was collected \(none is\), got none"):
        grade(tmp_path / "new", runner=Runner())


def test_without_a_sandbox_grading_is_refused_in_one_line(course, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "why_not", lambda: "sandbox: expected bubblewrap, got none")
    assert main(["grade", "--course", str(course)]) == 2
    assert "grade: sandbox: expected bubblewrap, got none" in capsys.readouterr().err
    with Gradebook(course / FILE) as book:
        assert not book.scores()
