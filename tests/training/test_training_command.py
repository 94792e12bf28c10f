"""`python -m course_lib.training`: what it says, and what it says is wrong."""

import re
import resource
import subprocess
import sys

import pytest

from course_lib.training import RECIPES
from course_lib.training import __main__ as module
from course_lib.training.__main__ import main

SHORT = ["--steps", "3", "--layers", "1", "--width", "32", "--context", "16", "--batch-size", "4"]


def command_line(tmp_path, content: bytes, *arguments: str) -> int:
    (tmp_path / "text.txt").write_bytes(content)
    return main(["--text", str(tmp_path / "text.txt"), *SHORT, *arguments])


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("tokenizer", [["characters"], ["bpe", "--vocab-size", "260"]])
def test_command_line_trains_says_the_loss_and_shows_a_sample(tmp_path, capsys, recipe, tokenizer):
    content = b"To be, or not to be: that is the question. \n" * 40
    arguments = ["--recipe", recipe, "--tokenizer", *tokenizer]
    assert command_line(tmp_path, content, *arguments) == 0
    said, result, *sample = capsys.readouterr().out.splitlines()
    assert re.match(r"[\d,]+ parameters, [\d,]+ training tokens of \d+ kinds, on ", said)
    assert re.match(r"step 3: loss [\d.]+, validation [\d.]+ nats per token, [\d.]+ per ", result)
    assert sample


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"abc", (), "tokens: expected more than context = 16, got 2"),
        (b"ab\xff", (), "--text: expected UTF-8, got byte 2 of "),
        (b"abcabcab", ("--context", "4"), "--text: expected at least 2 tokens in its last tenth"),
        (b"abc" * 99, ("--eval-every", "0"), "eval_every: expected a whole number above 0, got 0"),
        (b"abc" * 99, ("--seed", "-1"), "seed: expected a whole number, 0 or above, got -1"),
        (b"abc" * 99, ("--batch-size", "0"), "batch_size: expected a whole number above 0, got 0"),
        (b"abc" * 99, ("--steps", "0"), "steps: expected a whole number above 0, got 0"),
        (b"abc" * 99, ("--width", "33"), "d_model"),
        (b"abc" * 99, ("--tokenizer", "bpe", "--vocab-size", "9"), "vocab_size: expected at"),
    ],
)
def test_command_line_says_what_is_wrong(tmp_path, capsys, content, arguments, message):
    assert command_line(tmp_path, content, *arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_command_line_names_a_file_that_is_not_there(capsys):
    assert main(["--text", "not/there.txt"]) == 1
    expected = "--text: expected a file to read, got not/there.txt (No such file or directory)"
    assert expected in capsys.readouterr().err


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


@pytest.mark.long
@pytest.mark.parametrize("flag", ["--checkpoint", "--log"])
def test_command_line_says_in_one_sentence_that_the_disk_is_full(tmp_path, flag):
    (tmp_path / "text.txt").write_bytes(b"To be, or not to be" * 40)
    folder = tmp_path / "kept"
    steps = "3" if flag == "--checkpoint" else "100"  # a log takes longer to grow so large
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "course_lib.training",
            "--text",
            tmp_path / "text.txt",
            *SHORT,
            "--steps",
            steps,
            flag,
            folder,
        ],
        capture_output=True,
        text=True,
        preexec_fn=limit_file_size,
    )
    assert done.returncode == 1, done.stderr
    (said,) = done.stderr.splitlines()
    assert re.match(rf"{folder}: the (checkpoint|log) of step \d+ can't be written \(", said), said
    assert "File too large" in said
    assert not list(folder.glob(".part-*")) + list(folder.glob("*.part"))


def test_command_line_ends_after_ctrl_c_with_the_shell_s_code(tmp_path, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt("stopped after step 2; the same call goes on from there")

    monkeypatch.setattr(module, "train", stopped)
    assert command_line(tmp_path, b"abc" * 99) == 130
    assert "the same call goes on" in capsys.readouterr().err


def test_command_line_has_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    for flag in ("--recipe", "--checkpoint", "--shard", "torchrun"):
        assert flag in shown


def said_with_checkpoints(tmp_path, capsys, *arguments: str) -> list[str]:
    folder = tmp_path / "kept"
    assert (
        command_line(tmp_path, b"To be, or not" * 99, "--checkpoint", str(folder), *arguments) == 0
    )
    return [line for line in capsys.readouterr().out.splitlines() if "kept" in line]


def test_a_stopped_run_says_what_it_found_and_goes_on_and_again_begins_anew(tmp_path, capsys):
    folder = tmp_path / "kept"
    assert said_with_checkpoints(tmp_path, capsys) == []
    found = f"goes on from {folder} (step 3); --again begins anew"
    assert said_with_checkpoints(tmp_path, capsys) == [found]
    (folder / "mark").write_text("")
    anew = f"begins anew (--again); what there was is now in {folder}.before"
    for _ in range(2):
        assert said_with_checkpoints(tmp_path, capsys, "--again") == [anew]
        assert sorted(path.name for path in folder.iterdir()) == ["step-00000003"]
    assert not (tmp_path / "kept.before" / "mark").exists(), "the last one only is kept"


def test_what_torchrun_starts_again_does_not_begin_anew(tmp_path, capsys, monkeypatch):
    said_with_checkpoints(tmp_path, capsys)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    (found,) = said_with_checkpoints(tmp_path, capsys, "--again")
    assert found.startswith("goes on from ")
