"""A learner's own machine says what the notebook's page says."""

import json

import pytest
from graded_class import EXERCISES, answers

from course_lib.assignments.__main__ import main
from course_lib.assignments.own_machine import verdicts


@pytest.fixture
def write(tmp_path):
    def written(**sources):
        path = tmp_path / "mine.ipynb"
        path.write_bytes(answers(**sources))
        return path

    return written


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("def times_read(w, s, t):\n    return w * t / s\nprint('hello')", "passed"),
        (EXERCISES[0].stub, "not written yet"),
        (EXERCISES[0].solution, "passed"),
        ("def times_read(w, s, t):\n    return w", "not yet. 200 tokens read, of 100: 2, got 0.5"),
        ("def times_read(", "not yet. SyntaxError: '(' was never closed"),
        ("def other(): ...", "not yet. expected times_read in the exercise's cells, got none"),
        ("1 / 0", "not yet. ZeroDivisionError: division by zero"),
    ],
)
def test_each_verdict_is_the_pages(write, answer, said):
    found = verdicts(write(times_read=answer))
    assert found["times_read"].startswith(said)
    assert found["training_days"] == "not written yet"
    assert list(found) == [exercise.name for exercise in EXERCISES]


def test_the_command_says_that_there_is_no_sandbox_and_its_status_tells(write, capsys):
    path = write(**{exercise.name: exercise.solution for exercise in EXERCISES})
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "without a sandbox" in said[0]
    assert said[-1] == "5 of 5 passed"
    assert main(["check", str(write()), "--json"]) == 1
    assert set(json.loads(capsys.readouterr().out)["verdicts"].values()) == {"not written yet"}


def test_what_has_no_exercises_is_one_line(tmp_path, capsys):
    path = tmp_path / "x.ipynb"
    path.write_text('{"cells": []}')
    assert main(["check", str(path)]) == 2
    assert "NOTEBOOK: expected exercises with their tests, got none" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none.ipynb")]) == 2
