"""What a training run tells: its history, a bar, a plot, files."""

import csv
import errno
import sys
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import BATCHES, run, tiny_model

from course_lib.training import log as logs


def test_history_tells_losses_rates_and_speed():
    evaluated = []
    result = run(
        tiny_model(),
        steps=25,
        schedule=lambda step: 1 - step / 25,
        evaluate=lambda model: evaluated.append(model.training) or 2.5,
        eval_every=8,
    )
    assert [row["step"] for row in result.history] == [8, 10, 16, 20, 24, 25]
    assert [row["val_loss"] for row in result.history] == [2.5, None, 2.5, None, 2.5, 2.5]
    assert evaluated == [False] * 4, "evaluation happens in evaluation mode"
    assert result.history[0]["learning_rate"] == pytest.approx(0.05 * (1 - 7 / 25))
    seconds = [row["seconds"] for row in result.history]
    assert seconds == sorted(seconds)
    for before, row in zip(result.history, result.history[1:], strict=False):
        tokens = 8 * 6 * (row["step"] - before["step"])
        took = row["seconds"] - before["seconds"]
        assert row["tokens_per_second"] == pytest.approx(tokens / took)
    assert (result.loss, result.val_loss) == (result.history[-1]["loss"], 2.5)


def test_time_of_evaluation_is_not_counted(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(logs.time, "perf_counter", lambda: clock[0])

    def batches(step):
        clock[0] += 1
        return BATCHES(step)

    def evaluate(model):
        clock[0] += 100
        return 0.0

    result = run(tiny_model(), batches, steps=4, evaluate=evaluate, eval_every=1)
    assert [row["seconds"] for row in result.history] == [1, 2, 3, 4]


def test_logs_are_csv_and_tensorboard(tmp_path):
    result = run(tiny_model(), steps=30, log=tmp_path / "log", evaluate=lambda model: 2.0)
    with (tmp_path / "log" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [10, 20, 30]
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in result.history]
    assert [row["val_loss"] for row in rows] == ["", "", "2.0"]
    board = EventAccumulator(str(tmp_path / "log"))
    board.Reload()
    shown = {event.step: event.value for event in board.Scalars("loss")}
    assert shown == pytest.approx({row["step"]: row["loss"] for row in result.history})
    assert [event.step for event in board.Scalars("val_loss")] == [30]


def no_space(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk:
    """A file whose writing fails from some moment on."""

    def __init__(self, file, fails):
        self.file, self.fails = file, fails

    def __getattr__(self, name):
        return no_space if name == self.fails else getattr(self.file, name)


@pytest.mark.parametrize("fails", ["write", "flush"])
def test_a_log_on_a_full_disk_ends_the_training_with_one_sentence(tmp_path, monkeypatch, fails):
    opened = logs.TrainingLog._open

    def on_a_full_disk(self, folder, done):
        opened(self, folder, done)
        self._file = FullDisk(self._file, fails)

    monkeypatch.setattr(logs.TrainingLog, "_open", on_a_full_disk)
    expected = r"log: the log of step 10 can't be written \(No space left on device\); free space"
    with pytest.raises(OSError, match=expected):
        run(tiny_model(), log=tmp_path / "log", steps=30)


def test_a_log_that_can_not_be_begun_leaves_the_one_before(tmp_path, monkeypatch):
    run(tiny_model(), log=tmp_path, checkpoint=tmp_path / "kept", steps=10)
    before = (tmp_path / "log.csv").read_text()
    monkeypatch.setattr("course_lib.files.flush", no_space)
    with pytest.raises(OSError, match=r"the log of step 10 can't be written \(No space left"):
        run(tiny_model(), log=tmp_path, checkpoint=tmp_path / "kept", steps=20)
    assert (tmp_path / "log.csv").read_text() == before
    assert not (tmp_path / "log.csv.part").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file: the log of step 0 can't be written \(File exists\)"):
        run(tiny_model(), log=tmp_path / "file")


def test_bar_is_shown_at_a_terminal_only(monkeypatch, capsys):
    run(tiny_model())
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run(tiny_model(), evaluate=lambda model: 1.5)
    shown = capsys.readouterr().err
    for part in ("training", "12/12", "loss=", "tokens/s=", "val=1.500"):
        assert part in shown
    run(tiny_model(), progress=False)
    assert capsys.readouterr().err == ""


def fake_notebook(monkeypatch, live: bool) -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=live))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.mark.parametrize("live", [True, False])
def test_a_notebook_is_watched_if_its_user_can_be_asked(monkeypatch, live):
    fake_notebook(monkeypatch, live)
    assert logs.somebody_watches() is live


def test_live_plot_is_drawn_where_somebody_watches_only(monkeypatch):
    drawn = []

    def display(figure, display_id):
        (ax,) = figure.axes
        drawn.append("shown")
        return SimpleNamespace(update=lambda figure: drawn.append(len(ax.lines[0].get_xdata())))

    monkeypatch.setattr("IPython.display.display", display)
    run(tiny_model(), steps=30, live_plot=True)
    assert drawn == []
    monkeypatch.setattr(logs, "somebody_watches", lambda: True)
    run(tiny_model(), steps=30, live_plot=True, progress=False)
    assert (drawn[:2], drawn[-1]) == (["shown", 1], 3)
