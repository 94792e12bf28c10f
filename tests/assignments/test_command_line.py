"""The command line: wrong input is one line that says what is wanted, and status 2."""

import pytest

from course_lib.assignments.__main__ import COMMANDS, READERS, main


def refused(line, capsys):
    """Return what a command says that could not be done."""
    with_parser = False
    try:
        status = main(line)
    except SystemExit as left:  # argparse
        status, with_parser = left.code, True
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert with_parser or said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("command", READERS)
def test_a_folder_that_is_no_class_s_is_told_and_not_made(command, tmp_path, capsys):
    form = ["csv"] if command == "export" else []
    said = refused([command, *form, "--course", str(tmp_path / "clas")], capsys)
    assert "--course: expected a class's folder, with gradebook.db in it, got" in said
    assert "first: collect" in said
    assert not (tmp_path / "clas").exists()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["release", "background"], "required: --out"),
        (["release", "backgrounds", "--out", "x"], "CHAPTER: expected one of background"),
        (["release", "background", "--out", "file"], "file/release/background: Not a directory"),
        (["release", "compute", "--out", "x", "--seed", "-1"], "a whole number, 0 or above"),
        (["roster", "none.csv"], "none.csv: expected a table as CSV in UTF-8, got: No such file"),
        (["roster", "."], "expected a table as CSV in UTF-8, got: Is a directory"),
        (["collect", "none"], "FROM: expected a folder, a zip file or a notebook, got none"),
        (["collect", ".", "--due", "monday"], "expected a time such as 2027-01-31T17:00"),
        (["collect", ".", "--chapter", "scaled"], "expected one of scaling"),
        (["grade", "--workers", "0"], "expected a whole number, 1 or above, got '0'"),
        (["grade", "--late", "3"], "expected a share from 0 to 1, got '3'"),
        (["export", "pdf"], "invalid choice: 'pdf'"),
        (["demo", "--out", "."], "--out: expected a new folder, got ., which holds something"),
        (["demo", "--out", "d", "--workers", "-1"], "expected a whole number, 1 or above"),
        (["check", "none.ipynb"], "NOTEBOOK: none.ipynb: expected a notebook, got: No such file"),
        (["check", "file"], "file: expected a notebook, got a file that isn't JSON"),
    ],
)
def test_wrong_input_is_one_line(line, wanted, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text", encoding="utf-8")
    monkeypatch.setattr("course_lib.assignments.sandbox.why_not", lambda: None)
    assert wanted in refused(line, capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_takes(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "examples:" in said
    assert "--json" in said
