"""The report says how a class did; it finds copied answers, and not what all were given."""

import json
import re

import pytest
from graded_class import EXERCISES

from course_lib.assignments.__main__ import main
from course_lib.assignments.report import report
from course_lib.assignments.similar import alike, prints, tokens

OWN = """
def f(texts, size):
    counts = {}
    for text in texts:
        for start in range(0, len(text) - size + 1):
            piece = text[start : start + size]
            counts[piece] = counts.get(piece, 0) + 1
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
"""
OTHER = """
def f(texts, size):
    from collections import Counter
    pieces = (t[i:i + size] for t in texts for i in range(len(t) - size + 1))
    found = Counter(pieces).most_common()
    found.sort(key=lambda pair: pair[0])
    found.sort(key=lambda pair: pair[1], reverse=True)
    return found
"""


def renamed(text):
    """Return a copy that was made to look like one's own: other names, comments, spaces."""
    for old, new in {"counts": "d", "piece": "chunk", "start": "i", "texts": "docs"}.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text.replace("\n    return", "\n\n    # give it back\n    return")


def test_a_copy_with_other_names_is_found_and_own_work_is_not():
    found = alike({"ada": OWN, "bob": renamed(OWN), "cy": OTHER}, [])
    assert [(a, b) for a, b, _ in found] == [("ada", "bob")]
    assert found[0][2] == 1.0


def test_what_was_released_is_taken_out():
    assert alike({"ada": OWN, "bob": renamed(OWN)}, [OWN]) == []


def test_what_many_wrote_is_nobodys_copy():
    everybody = {f"learner{number}": OWN for number in range(10)}
    assert alike(everybody, []) == []


def test_short_answers_are_not_compared():
    short = "def f(a, b):\n    return a * b / 2\n"
    assert alike({"ada": short, "bob": short}, []) == []


@pytest.mark.parametrize("text", ["", "def f(", "'''", "\x00", "  x\n y", "(" * 5000])
def test_what_is_no_program_is_compared_as_far_as_it_goes(text):
    assert isinstance(tokens(text), list)
    assert isinstance(prints(text), set)


def test_the_page_shows_marks_hints_and_pairs_and_asks_nobody(course):
    text, data = report(course)
    mine = data["background"]
    assert sorted(mine["scores"]) == [5, 5, 8]
    hard = {row["exercise"]: row for row in mine["hardest"]}
    assert mine["hardest"][0]["exercise"] == "times_read"
    assert hard["times_read"]["passed"] == pytest.approx(1 / 3)
    assert hard["best_model"]["hints"] == [("missing", 1)]
    assert [pair[:3] for pair in mine["alike"]] == [("times_read", "bob", "cy")]
    assert "<svg" in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text, "a learner's text is shown as it is"
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert all(exercise.title in text for exercise in EXERCISES if "'" not in exercise.title)


def test_hints_that_differ_by_values_are_one(course, monkeypatch):
    said = ["at 2 it is 3", "at 2 it is -1.5e-3", "missing it"]
    shown = iter([*said, *["passed"] * 99])
    monkeypatch.setattr("course_lib.assignments.report.told", lambda *_: next(shown))
    rows = {row["exercise"]: row["hints"] for row in report(course)[1]["background"]["hardest"]}
    assert rows["times_read"] == [("at 2 it is 3", 2), ("missing it", 1)]


def test_the_command_writes_one_file(course, capsys):
    assert main(["report", "--course", str(course), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"background"}
    assert (course / "report.html").is_file()
    assert main(["report", "scaling", "--course", str(course)]) == 2
