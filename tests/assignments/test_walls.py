"""The command that says which walls stand tries each of them."""

import json
import os

import pytest

from course_lib.assignments import sandbox
from course_lib.assignments import walls as command
from course_lib.assignments.__main__ import main

ALWAYS = ["network", "files", "processes", "seccomp filter", "no new privileges", "resource limits"]


@pytest.mark.long
def test_each_wall_stands_or_says_why_not(walls, capsys):
    assert main(["walls", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["walls"]
    assert [name for name in said if said[name] == command.STANDS][: len(ALWAYS)] == ALWAYS
    assert all(one.startswith((command.STANDS, "no: ")) for one in said.values())


def test_outside_of_the_sandbox_it_finds_that_none_holds(monkeypatch):
    monkeypatch.setattr(os, "fork", lambda: 1)
    said = command.tried_within()
    for name in ("network", "processes", "seccomp filter", "no new privileges"):
        assert said[name] == "does not hold", name


def test_a_wall_that_does_not_hold_shows_in_the_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(command, "found", lambda _: {"network": "does not hold"})
    assert main(["walls"]) == 1
    assert "does not hold" in capsys.readouterr().out


def test_without_bubblewrap_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "why_not", lambda: "Grading needs bubblewrap: install it.")
    assert main(["walls"]) == 2
    assert "install it" in capsys.readouterr().err
