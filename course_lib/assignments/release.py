"""Three versions of a chapter's exercises: the learner's, the instructor's and the autograder's.

Folders and cell metadata are nbgrader's (schema version 3), so that a course that uses it can take
them: ``release/`` for learners, ``source/`` for its autograder, and ``solution/`` to read. Names of
cells come from the exercises' own, so that they are the same from year to year.
"""

import argparse
import ast
import hashlib
import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.assignments.cells import (
    NOTEBOOKS,
    Cell,
    Essay,
    Exercise,
    chapter_names,
    chapter_path,
    chapter_title,
    read_cells,
    read_chapter,
    read_essays,
    source,
)
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import count
from course_lib.assignments.variants import own_key, with_own
from course_lib.files import written_whole

VERSIONS = ("release", "source", "solution")
COLAB = "https://colab.research.google.com/github"
HOW = (
    "Write your answer in place of `raise NotImplementedError` and run the cell. Its last line "
    "tests the answer. When it is handed in, the same test runs again, and another with inputs "
    "of its own. Don't delete or copy these cells: your answers are found by them."
)
GRADED = "# The course's own test runs here when the notebook is graded."
ESSAY = "*Write your answer here.*"
NOTEBOOK = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python"},
}
FOLDED: dict[str, Any] = {"cellView": "form", "jupyter": {"source_hidden": True}}
# A line shorter than this can't be told from anybody's.
TELLING = 12


def checksum(text: str, kind: str, meta: dict[str, Any]) -> str:
    """Return what nbgrader calls a cell's checksum: it tells whether the cell was changed."""
    locked = not meta["solution"] and (meta["grade"] or meta["locked"])
    parts = [text, kind, str(meta["grade"]), str(meta["solution"]), str(locked), meta["grade_id"]]
    parts += [str(float(meta["points"]))] if meta["grade"] else []
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def cell(
    text: str,
    grade_id: str,
    *,
    kind: str = "code",
    solution: bool = False,
    points: float | None = None,
    **metadata: Any,
) -> Cell:
    """Return a cell with nbgrader's metadata; what is neither answer nor graded is locked."""
    meta: dict[str, Any] = {
        "schema_version": 3,
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": not solution,
        "solution": solution,
        "task": False,
        "cell_type": kind,
    }
    if points is not None:
        meta["points"] = points
    meta["checksum"] = checksum(text, kind, meta)
    made = {
        "cell_type": kind,
        "id": grade_id.replace("_", "-")[:64],
        "metadata": {**metadata, "nbgrader": meta},
        "source": text,
    }
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def without_check(text: str) -> str:
    """Return a cell's code without its title and without the call of ``check`` at its end."""
    lines = text.splitlines()
    last = ast.parse(text).body[-1]
    if isinstance(last, ast.Expr):
        lines = lines[: last.lineno - 1]
    return "\n".join(line for line in lines if not line.startswith("# @title")).strip()


def with_solution(exercise: Exercise) -> str:
    """Return the stub with the solution in it, between the marks that nbgrader cuts out."""
    head = ast.parse(exercise.stub).body[0]
    assert isinstance(head, ast.FunctionDef), f"{exercise.name}: a stub defines a function first"
    given = head.args
    call = [arg.arg for arg in (*given.posonlyargs, *given.args)]
    call += [f"*{given.vararg.arg}"] if given.vararg else []
    call += [f"{arg.arg}={arg.arg}" for arg in given.kwonlyargs]
    call += [f"**{given.kwarg.arg}"] if given.kwarg else []
    body = [
        "### BEGIN SOLUTION",
        without_check(exercise.solution),
        f"return {exercise.name}({', '.join(call)})",
        "### END SOLUTION",
    ]
    # The stub's lines around its only statement stay as they are.
    lines, (first, last) = exercise.stub.splitlines(), (head.body[0], head.body[-1])
    inside = textwrap.indent("\n".join(body), "    ")
    return "\n".join([*lines[: first.lineno - 1], inside, *lines[last.end_lineno :]])


def graded(exercise: Exercise) -> str:
    """Return the autograder's cell: both tests, between the marks that nbgrader cuts out."""
    tests = f"{without_check(exercise.test)}\n\n\n{without_check(exercise.hidden_test)}"
    call = f"hidden_test_{exercise.name}({exercise.name})"
    return f"{GRADED}\n### BEGIN HIDDEN TESTS\n{tests}\n\n\n{call}\n### END HIDDEN TESTS"


def plain(statement: str, repository: str) -> str:
    """Return a text of the book as it reads outside of it: links whole, citations as words."""
    text = re.sub(
        r"\]\((?!\w+:)([\w./]+)\)",
        lambda link: f"]({repository}/blob/main/{normal(link[1])})",
        statement,
    )
    cited = r"\{cite:[tp]\}`([a-z]+)(\d{4})\w*`"
    return re.sub(cited, lambda key: f"{key[1].capitalize()} ({key[2]})", text)


def normal(link: str) -> str:
    """Return where a chapter's link goes, from the repository's root."""
    return link.removeprefix("../") if link.startswith("../") else f"notebooks/{link}"


def repository_of(chapter: Path) -> str:
    """Return the repository's address, as the chapter's install cell has it."""
    found = re.search(r"git\+(https://[^\s\"']+)", source(read_cells(chapter)[0]))
    if not found:
        raise ValueError(f"{chapter.name}: expected git+https://... in its first cell, got none")
    return found[1].removesuffix(".git")


def colab_link(chapter: str, repository: str, branch: str = "main") -> str:
    """Return the link that opens a learner's notebook on Colab."""
    place = repository.removeprefix("https://github.com/").strip("/")
    return f"{COLAB}/{place}/blob/{branch}/release/{chapter}/{chapter}.ipynb"


def notebooks(
    path: Path, repository: str | None = None, branch: str = "main", own: str = ""
) -> dict[str, dict[str, Any]]:
    """Return the versions of a chapter's exercises.

    Args:
        path: the chapter.
        repository: where the learners' notebooks are published; the course's own by default.
        branch: of that repository.
        own: what a learner's own numbers are drawn from; the book's are taken by default.

    Raises:
        ValueError: if the chapter's cells aren't whole, or the learner's notebook would tell
            anything of a solution or a hidden test.
    """
    exercises = [with_own(one, own) for one in read_chapter(path)]
    essays, cells = read_essays(path), read_cells(path)
    home = repository_of(path)
    title = chapter_title(cells)
    link = colab_link(path.stem, repository or home, branch)
    about = f"# Exercises: {title}\n\nOf the chapter [{title}]({home}/blob/main/notebooks/"
    colab = "The numbers in it are your own." if own else f"[Open this notebook on Colab]({link})."
    about += f"{path.name}). {colab}\n\n{HOW}"
    # What all versions begin with, then each exercise, then what is answered in words.
    made = {}
    for version in VERSIONS:
        found = [
            cell(about, "about", kind="markdown"),
            cell(source(cells[0]), "install"),
            cell(exercises[0].imports, "imports", **FOLDED),
        ]
        for exercise in exercises:
            found += exercise_cells(exercise, version, home)
        for essay in essays:
            found += essay_cells(essay, home)
        made[version] = {"cells": found, "metadata": NOTEBOOK, "nbformat": 4, "nbformat_minor": 5}
    told = leaks(written(made["release"]), exercises)
    if told:
        raise ValueError(
            f"{path.name}: expected a release without solutions and hidden tests, got {told[0]!r}"
        )
    return made


def exercise_cells(exercise: Exercise, version: str, home: str) -> list[Cell]:
    """Return an exercise's cells in a version: what is asked, its test, its answer, the grader."""
    name = exercise.name
    mark: dict[str, Any] = {"exercise": {"name": name, "points": exercise.points}}
    answer = {
        "release": exercise.stub,
        "source": with_solution(exercise),
        "solution": exercise.solution,
    }[version]
    hidden = {
        "release": GRADED,
        "source": graded(exercise),
        "solution": exercise.hidden_test,
    }[version]
    statement = plain(exercise.statement, home)
    return [
        cell(statement, f"about_{name}", kind="markdown"),
        cell(exercise.test, f"test_{name}", **mark, tags=["test"], **FOLDED),
        cell(answer, name, solution=True, **mark, tags=["exercise"]),
        cell(hidden, f"grade_{name}", points=exercise.points, **FOLDED),
    ]


def essay_cells(essay: Essay, home: str) -> list[Cell]:
    """Return a question's cells: what is asked, and the place for the answer."""
    mark: dict[str, Any] = {"exercise": {"name": essay.name, "points": essay.points}}
    name = essay.name
    return [
        cell(plain(essay.statement, home), f"about_{name}", kind="markdown"),
        cell(
            ESSAY, name, kind="markdown", solution=True, points=essay.points, tags=["essay"], **mark
        ),
    ]


def leaks(text: str, exercises: Sequence[Exercise]) -> list[str]:
    """Return the lines of solutions and hidden tests that are in a file's text.

    A line that what learners get has, too, tells nothing; nor does a very short one.
    """
    shown = "\n".join(
        part for one in exercises for part in (one.imports, one.test, one.stub, one.statement)
    )
    secret = {
        line.strip()
        for one in exercises
        for part in (one.solution, one.hidden_test)
        for line in part.splitlines()
    }
    # In the file a line is a piece of JSON.
    return sorted(
        line
        for line in secret
        if len(line) >= TELLING
        and line not in shown
        and json.dumps(line, ensure_ascii=False)[1:-1] in text
    )


def written(notebook: dict[str, Any]) -> str:
    """Return a notebook as the text of its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def release(
    chapters: Sequence[str],
    out: Path,
    repository: str | None = None,
    branch: str = "main",
    seed: int | None = None,
    folder: Path = NOTEBOOKS,
) -> list[dict[str, Any]]:
    """Write the versions of chapters' exercises; return a row for each chapter.

    Args:
        chapters: which, or "all".
        out: the course's folder.
        repository: where ``release/`` is published.
        branch: of that repository.
        seed: gives each learner of the class's list own numbers, where an exercise has any.
        folder: of the chapters.

    Raises:
        ValueError: if a chapter isn't there, or isn't whole; if there is a seed and no list.
        OSError: if a file can't be written.
    """
    names = chapter_names(folder) if "all" in chapters else list(dict.fromkeys(chapters))
    if not names:
        raise ValueError(
            f"chapters: expected {folder} to hold some, got none; they come with the project's "
            "folder, not with the package alone"
        )
    paths = {name: chapter_path(name, folder) for name in names}
    # All are made before the first is written.
    made = {name: notebooks(path, repository, branch) for name, path in paths.items()}
    asked: dict[str, list[Exercise | Essay]] = {
        name: [*read_chapter(path), *read_essays(path)] for name, path in paths.items()
    }
    own = {
        name: [one.title for one in found if isinstance(one, Exercise) and one.own]
        for name, found in asked.items()
    }
    students = learners(out, {name: seed if own[name] else None for name in names})
    rows = []
    for name, versions in made.items():
        mine = students if own[name] else []
        for student in mine:
            assert seed is not None
            sheet = notebooks(paths[name], repository, branch, own_key(seed, student))["release"]
            write(out / "own" / student / name / f"{name}.ipynb", sheet)
        # Who has an own notebook isn't given the common one.
        files = {
            version: str(write(out / version / name / f"{name}.ipynb", notebook))
            for version, notebook in versions.items()
            if not (mine and version == "release")
        }
        rows.append(
            {
                "chapter": name,
                "exercises": len(asked[name]),
                "points": sum(one.points for one in asked[name]),
                "files": files | ({"own": str(out / "own")} if mine else {}),
                "own": {"learners": len(mine), "exercises": own[name] if mine else []},
                "colab": None
                if mine
                else colab_link(name, repository or repository_of(paths[name]), branch),
            }
        )
    return rows


def learners(out: Path, seeds: dict[str, int | None]) -> list[str]:
    """Write into the gradebook what numbers are drawn from; return who gets own ones.

    Raises:
        ValueError: if someone should get own ones, and there is no list of the class.
    """
    wanted = any(seed is not None for seed in seeds.values())
    if not wanted and not (out / FILE).exists():
        return []
    with Gradebook(out / FILE) as book:
        found = [str(one["id"]) for one in book.enrolled()]
        if wanted and not found:
            raise ValueError(
                f"--seed: expected the class's list in {out}, got none; first: roster FILE "
                f"--course {out}"
            )
        for name, seed in seeds.items():
            book.set_own(name, seed)
    return found if wanted else []


def write(file: Path, notebook: dict[str, Any]) -> Path:
    """Write a notebook; return where."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(file) as part:
        part.write_text(written(notebook), encoding="utf-8")
    return file


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("chapters", metavar="CHAPTER", nargs="+", help="chapters, or all")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="the course's folder"
    )
    parser.add_argument(
        "--repository", metavar="URL", help="where you publish release/ (for the links to Colab)"
    )
    parser.add_argument("--branch", default="main", help="of that repository (main)")
    parser.add_argument(
        "--seed",
        type=count,
        help="give each learner of the class's list own numbers, where an exercise has any",
    )


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    rows = release(args.chapters, args.out, args.repository, args.branch, args.seed)
    lines = []
    for row in rows:
        files, own = row["files"], row["own"]
        said = f"{row['exercises']} exercises, {row['points']:g} points"
        if own["learners"]:
            titles = ", ".join(own["exercises"])
            said += f"\n  a notebook for each of {own['learners']} learners, with own numbers in: "
            said += titles
        else:
            said += f"\n  {row['colab']}"
        place = files.get("release") or f"{files['own']}/*/{row['chapter']}"
        lines.append(f"{place}: {said}")
    if args.seed is not None and not any(row["own"]["learners"] for row in rows):
        lines.append("no exercise of these chapters has numbers of one's own: --seed changes none")
    return 0, {"released": rows}, "\n".join(lines)
