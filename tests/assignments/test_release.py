"""What is released: three notebooks, of which the learner's tells no answer and no hidden test."""

import contextlib
import dataclasses
import io
import json
import re

import nbformat
import pytest

from course_lib.assignments.__main__ import COMMANDS, main
from course_lib.assignments.cells import chapter_names, chapter_path, read_chapter
from course_lib.assignments.release import (
    cell,
    leaks,
    notebooks,
    plain,
    release,
    with_solution,
    written,
)

CHAPTERS = chapter_names()
# Of cell("x = 1", "a"), and with 2 points: what nbgrader 0.9.6's compute_checksum says.
CHECKSUMS = ("b870a1d688d10ef13a7383a917a74208", "34ecb23a72ef8048246341bc1dc44497")
EACH = [  # tools needs TensorFlow
    pytest.param(name, marks=[pytest.mark.long] if name == "tools" else []) for name in CHAPTERS
]


@pytest.fixture(scope="module")
def made():
    return {name: notebooks(chapter_path(name)) for name in CHAPTERS}


def run(notebook):
    """Run a notebook's code but for its install cell; return what it prints."""
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"][1:]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for text in code:
            exec(compile(text, "released", "exec"), names)
    return printed.getvalue().splitlines()


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_of_a_solution_or_a_hidden_test_is_anywhere_in_what_learners_get(chapter, made):
    text = written(made[chapter]["release"])
    exercises = read_chapter(chapter_path(chapter))
    assert not leaks(text, exercises)
    for exercise in exercises:
        assert f"hidden_test_{exercise.name}" not in text
    assert "BEGIN SOLUTION" not in text
    assert '"attachments"' not in text
    assert all(not cell.get("outputs") for cell in made[chapter]["release"]["cells"])
    # The same lines are found where they are.
    for version in ("source", "solution"):
        told = leaks(written(made[chapter][version]), exercises)
        assert len(told) >= 2 * len(exercises)


def test_a_leak_is_found_in_outputs_metadata_and_attachments():
    exercises = read_chapter(chapter_path("background"))
    line = "return weight * total / size  # WebText2: 3.47, not 2.9"
    for place in ({"outputs": [{"text": [line]}]}, {"metadata": {"note": line}}):
        assert leaks(json.dumps({"cells": [place]}), exercises) == [line]


def test_a_chapter_that_would_tell_its_answer_is_not_released(tmp_path):
    notebook = json.loads(chapter_path("background").read_text(encoding="utf-8"))
    notebook["cells"][0]["source"] += "\n# return weight * total / size  # WebText2: 3.47, not 2.9"
    path = tmp_path / "background.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.raises(ValueError, match="expected a release without solutions"):
        notebooks(path)


@pytest.mark.parametrize("chapter", EACH)
def test_no_stub_passes_and_every_solution_gets_its_points(chapter, made):
    names = [exercise.name for exercise in read_chapter(chapter_path(chapter))]
    said = run(made[chapter]["release"])
    assert said == [f"test_{name}: not written yet" for name in names]
    # The autograder's cells raise where a test fails.
    said = run(made[chapter]["source"])
    assert [line for line in said if line.startswith("test_")] == [
        f"test_{name}: passed" for name in names
    ]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_version_is_a_notebook_with_whole_metadata(chapter, made):
    exercises = {exercise.name: exercise for exercise in read_chapter(chapter_path(chapter))}
    ids = []
    for notebook in made[chapter].values():
        nbformat.validate(nbformat.from_dict(notebook))
        marks = [cell["metadata"]["nbgrader"] for cell in notebook["cells"]]
        ids.append([mark["grade_id"] for mark in marks])
        assert len(set(ids[-1])) == len(ids[-1])
        assert all(mark["schema_version"] == 3 for mark in marks)
        points = {mark["grade_id"]: mark["points"] for mark in marks if mark["grade"]}
        assert points == {f"grade_{name}": one.points for name, one in exercises.items()}
        assert {mark["grade_id"] for mark in marks if mark["solution"]} == set(exercises)
    assert ids[0] == ids[1] == ids[2]


def test_names_stay_when_exercises_change_their_order_and_their_titles(tmp_path):
    notebook = json.loads(chapter_path("background").read_text(encoding="utf-8"))
    text = json.dumps(notebook).replace("### Exercise 1: How often", "### Exercise 1: Often")
    path = tmp_path / "background.ipynb"
    path.write_text(text, encoding="utf-8")

    def names(path):
        return [cell["id"] for cell in notebooks(path)["release"]["cells"]]

    assert names(path) == names(chapter_path("background"))


def test_links_are_whole_and_citations_are_words():
    text = "As [Training](training.ipynb) and {cite:t}`wu2016google` say; [cards](../book/data.md)."
    assert plain(text, "https://x/y") == (
        "As [Training](https://x/y/blob/main/notebooks/training.ipynb) and Wu (2016) say; "
        "[cards](https://x/y/blob/main/book/data.md)."
    )
    assert plain("[this](https://a.b/c)", "https://x/y") == "[this](https://a.b/c)"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_link_of_a_released_notebook_is_whole(chapter, made):
    cells = made[chapter]["release"]["cells"]
    for text in [one["source"] for one in cells if one["cell_type"] == "markdown"]:
        assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)]*)\)", text))
        assert "{cite" not in text


def test_arguments_of_every_kind_reach_the_solution():
    (exercise, *_) = read_chapter(chapter_path("background"))
    stub = "def times_read(a, /, b, *c, d=1, **e):\n    raise NotImplementedError\n"
    solution = "def times_read(a, /, b, *c, d=1, **e):\n    return a, b, c, d, e\n"
    names = {}
    exec(with_solution(dataclasses.replace(exercise, stub=stub, solution=solution)), names)
    assert names["times_read"](1, 2, 3, d=4, f=5) == (1, 2, (3,), 4, {"f": 5})


def test_a_checksum_is_nbgraders():
    # As nbgrader.utils.compute_checksum says of such a cell.
    assert cell("x = 1", "a")["metadata"]["nbgrader"]["checksum"] == CHECKSUMS[0]
    graded = cell("x = 1", "a", points=2.0)["metadata"]["nbgrader"]
    assert graded["checksum"] == CHECKSUMS[1]


def test_the_command_writes_the_files_and_says_where(tmp_path, capsys):
    status = main(["release", "background", "--out", str(tmp_path), "--json"])
    (row,) = json.loads(capsys.readouterr().out)["released"]
    assert status == 0
    assert (row["chapter"], row["exercises"], row["points"]) == ("background", 5, 8.0)
    assert sorted(file.parent.parent.name for file in tmp_path.rglob("*.ipynb")) == [
        "release",
        "solution",
        "source",
    ]
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.ipynb")}
    release(["background"], tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.ipynb")} == before


def test_the_link_to_colab_leads_where_the_notebook_is_published(made):
    found = notebooks(chapter_path("background"), "https://github.com/me/class", "spring")
    link = "github/me/class/blob/spring/release/background/background.ipynb"
    assert link in written(found["release"])


def test_all_of_no_chapters_is_told_and_not_done(tmp_path):
    """As where only the package is installed."""
    with pytest.raises(ValueError, match=r"expected .* to hold some, got none; they come with"):
        release(["all"], tmp_path / "out", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_chapter_that_is_not_there_is_one_line_and_status_2(tmp_path, capsys):
    assert main(["release", "back_ground", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "CHAPTER: expected one of background, got 'back_ground'" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_is_for_with_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0
    assert "examples:\n  python -m course_lib.assignments" in said
    assert "--json" in said
