"""The training loop against plain loops, and what it does when something goes wrong."""

import copy
import csv
import errno
import functools
import math
import re
import resource
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import BATCHES, NARROW, adamw, assert_same_weights, masked, mean_loss, run, tiny_model
from torch import nn

from course_lib.training import log as logs
from course_lib.training import loop as training
from course_lib.training.loop import (
    IGNORE,
    TrainingError,
    next_token_loss,
    pick_device,
    pick_precision,
)


def test_gives_the_weights_and_losses_of_a_plain_loop():
    ours, plain = tiny_model(), tiny_model()
    result = run(ours, schedule=lambda step: 1 / (1 + step), clip=0.1, log_every=1)
    optimizer, losses = adamw(plain), []
    for step in range(12):
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + step)
        inputs, targets = BATCHES(step)
        loss = F.cross_entropy(plain(inputs).transpose(1, 2), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
        optimizer.step()
        losses.append(loss.item())
    assert [row["loss"] for row in result.history] == pytest.approx(losses, abs=1e-6)
    assert_same_weights(ours, plain)


def test_several_optimizers_share_the_parameters():
    ours, plain = tiny_model(), tiny_model()
    run(ours, optimizer=[adamw(ours[0]), torch.optim.SGD(ours[3].parameters(), 0.1)], clip=None)
    optimizers = [adamw(plain[0]), torch.optim.SGD(plain[3].parameters(), 0.1)]
    for step in range(12):
        next_token_loss(plain, *BATCHES(step)).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    assert_same_weights(ours, plain)


@pytest.mark.parametrize("pieces", [2, 3, 8])
def test_pieces_give_the_whole_batch_s_gradient_also_with_targets_that_do_not_count(pieces):
    whole, cut = tiny_model().double(), tiny_model().double()
    expected = run(whole, masked, log_every=1)
    got = run(cut, masked, log_every=1, accumulate=pieces)
    for one, other in zip(expected.history, got.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-12)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], abs=1e-12)
    assert_same_weights(cut, whole, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [2, 3, 4, 8, 9])
@pytest.mark.parametrize("loss", [mean_loss, next_token_loss])
def test_rows_where_nothing_counts_take_no_part_in_any_number_of_pieces(pieces, loss):
    def batches(step):
        inputs, targets = masked(step)
        targets[[1, 4 + step % 4]] = IGNORE
        return inputs, targets

    whole, cut = tiny_model().double(), tiny_model().double()
    expected = run(whole, batches, log_every=1, loss=loss)
    got = run(cut, batches, log_every=1, loss=loss, accumulate=pieces)
    for one, other in zip(expected.history, got.history, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-12)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], abs=1e-12)
    assert_same_weights(cut, whole, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [1, 3, 8])
@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("loss", [mean_loss, next_token_loss])
def test_a_batch_where_nothing_counts_changes_nothing(pieces, precision, loss):
    def batches(step):
        inputs, targets = BATCHES(step)
        return inputs, targets if step < 3 else torch.full_like(targets, IGNORE)

    settings = {"precision": precision, "loss": loss, "accumulate": pieces, "log_every": 1}
    short, long = tiny_model(), tiny_model()
    run(short, batches, steps=3, **settings)
    result = run(long, batches, steps=5, **settings)
    assert [row["loss"] for row in result.history[3:]] == [0, 0]
    assert_same_weights(long, short)


@pytest.mark.parametrize("pieces", [2, 3, 9])
def test_a_batch_of_fewer_rows_than_pieces_does_not_stop_a_run(pieces):
    def batches(step):  # the last one has what was left: one row
        return tuple(tensor[: 8 if step < 11 else 1] for tensor in BATCHES(step))

    whole, cut = tiny_model().double(), tiny_model().double()
    assert run(cut, batches, accumulate=pieces).loss == pytest.approx(run(whole, batches).loss)
    assert_same_weights(cut, whole, atol=1e-10, rtol=0)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_processes_share_a_batch_of_any_size(monkeypatch, world, pieces, rows):
    inputs, targets = (tensor[:rows] for tensor in masked(0))
    targets[3:5] = IGNORE
    model, total, lengths = tiny_model().double(), 0, set()
    monkeypatch.setattr(training.distributed, "world_size", lambda: world)
    for rank in range(world):
        monkeypatch.setattr(training.distributed, "rank", lambda rank=rank: rank)
        cut = training._split((inputs, targets), pieces)
        lengths.add(len(cut))
        total += sum(share * mean_loss(model, *piece) for piece, share in cut).item() / world
    assert len(lengths) == 1, "all wait for each other equally often"
    assert total == pytest.approx(mean_loss(model, inputs, targets).item(), abs=1e-12)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("pieces", [1, 3])
def test_ids_of_a_narrower_type_teach_the_same(dtype, pieces):
    def narrow(step):
        inputs, targets = masked(step) if dtype.is_signed else BATCHES(step)
        return inputs.int(), targets.to(dtype)

    ours, plain = tiny_model(), tiny_model()
    got = run(ours, narrow, accumulate=pieces)
    run(plain, masked if dtype.is_signed else BATCHES, accumulate=pieces)
    assert_same_weights(ours, plain)
    seconds = got.history[0]["seconds"]
    assert got.history[0]["tokens_per_second"] * seconds == pytest.approx(10 * 8 * 6)


def test_bfloat16_stays_near_float32_and_keeps_float32_weights():
    low, full = tiny_model(), tiny_model()
    near = run(low, precision="bfloat16", steps=40).loss
    assert near == pytest.approx(run(full, steps=40).loss, abs=0.02)
    assert {p.dtype for p in low.parameters()} == {torch.float32}


def test_float16_scales_the_loss_and_leaves_steps_out_that_overflow():
    scales = []

    def loss(model, *batch):
        value = next_token_loss(model, *batch)
        value.register_hook(lambda grad: scales.append(grad.item()))
        return value * 4  # with the first scale, 65,536, gradients overflow in float16

    model = tiny_model()
    result = run(model, precision="float16", loss=loss, steps=40, log_every=1)
    assert scales[0] >= 65536
    assert all(p.isfinite().all() for p in model.parameters())
    assert result.loss < result.history[0]["loss"]


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


def test_model_is_trained_in_training_mode_and_left_in_evaluation_mode():
    modes = []
    model = tiny_model()
    model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    run(model, evaluate=lambda m: 0.0, eval_every=1, steps=3)
    assert modes == [True] * 3
    assert not model.training


def test_dropout_is_a_pure_function_of_seed_and_step():
    def trained(seed):
        torch.manual_seed(seed + 100)  # what was drawn before must not matter
        return run(tiny_model(dropout=0.5), seed=seed).history[-1]["loss"]

    assert trained(0) == trained(0)
    assert trained(0) != trained(1)


def test_gradients_that_were_left_in_the_model_do_not_count():
    ours, clean = tiny_model(), tiny_model()
    next_token_loss(ours, *BATCHES(99)).backward()
    run(ours, steps=1)
    run(clean, steps=1)
    assert_same_weights(ours, clean)
    assert all(p.grad is None for p in ours.parameters())


def test_compiled_model_learns_the_same(monkeypatch):
    compiled = []

    def traced(graph, inputs):
        compiled.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=traced))
    ours, plain = tiny_model(), tiny_model()
    run(ours, compile=True)
    assert len(compiled) == 1, "one graph for all steps"
    run(plain)
    assert_same_weights(ours, plain)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_stops_at_the_step_whose_loss_is_not_finite(bad):
    def loss(model, *batch):
        steps.append(0)
        return next_token_loss(model, *batch) * (bad if len(steps) == 8 else 1)

    steps = []
    expected = rf"step 7: the loss is {bad}\. Try a learning rate well below 0\.05, a warm-up"
    with pytest.raises(TrainingError, match=expected):
        run(tiny_model(), loss=loss)


def test_stops_where_only_the_gradient_is_not_finite():
    def loss(model, *batch):  # sqrt has no slope at 0
        return next_token_loss(model, *batch) + (model[3].weight[0, 0] * 0).sqrt()

    with pytest.raises(TrainingError, match="step 0: the gradient's norm is nan"):
        run(tiny_model(), loss=loss, clip=None)


def limited_loss(rows: int):
    def loss(model, *batch):
        if len(batch[0]) > rows:
            raise torch.OutOfMemoryError("out of memory")
        return next_token_loss(model, *batch)

    return loss


def test_out_of_memory_says_which_batch_fits():
    expected = "step 0: out of memory with 8 rows at a time; 2 fit: pass accumulate=4 "
    with pytest.raises(TrainingError, match=expected):
        run(tiny_model(), loss=limited_loss(2))
    assert run(tiny_model(), loss=limited_loss(2), accumulate=4).history[-1]["step"] == 12
    with pytest.raises(TrainingError, match="not even one row fits"):
        run(tiny_model(), loss=limited_loss(0))


def test_out_of_memory_on_a_cpu_is_recognized():
    def loss(model, *batch):
        if len(batch[0]) > 4:
            torch.empty(2**50)
        return next_token_loss(model, *batch)

    with pytest.raises(TrainingError, match="4 fit: pass accumulate=2"):
        run(tiny_model(), loss=loss)


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="must match the size"):
        run(tiny_model(), loss=lambda model, x, y: (torch.ones(2) + torch.ones(3)).sum())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: expected a whole number above 0, got 0"),
        ({"accumulate": 0}, "accumulate: expected a whole number above 0, got 0"),
        ({"accumulate": 2.0}, "accumulate: expected a whole number above 0, got 2.0"),
        ({"eval_every": 0}, "eval_every: expected a whole number above 0, got 0"),
        ({"log_every": True}, "log_every: expected a whole number above 0, got True"),
        ({"checkpoint_every": -1}, "checkpoint_every: expected a whole number above 0, got -1"),
        ({"seed": -1}, "seed: expected a whole number, 0 or above, got -1"),
        ({"clip": 0}, "clip: expected a number above 0, got 0"),
        ({"clip": -1.0}, "clip: expected a number above 0, got -1.0"),
        ({"clip": float("nan")}, "clip: expected a number above 0, got nan"),
        ({"clip": float("inf")}, "clip: expected a number above 0, got inf"),
        ({"optimizer": []}, r"optimizer: expected one or several optimizers, got \[\]"),
        ({"optimizer": ["AdamW"]}, "optimizer: expected one or several optimizers, got .'AdamW'"),
        ({"schedule": lambda step: -1.0}, "schedule: expected a number, 0 or above, got -1.0"),
        ({"schedule": lambda step: math.nan}, "schedule: expected a number, 0 or above, got nan"),
        (
            {"precision": "int8"},
            "precision: expected one of float32, bfloat16, float16, got 'int8'",
        ),
    ],
)
def test_arguments_that_can_not_be(settings, message):
    with pytest.raises(ValueError, match=message):
        run(tiny_model(), **settings)


def test_a_learning_rate_that_can_not_be_is_refused_also_if_set_by_hand():
    model = tiny_model()
    optimizer = adamw(model)
    optimizer.param_groups[0]["lr"] = math.nan
    with pytest.raises(ValueError, match="lr: expected a number, 0 or above, got nan"):
        run(model, optimizer=optimizer)


def test_a_parameter_in_two_optimizers_is_refused():
    model = tiny_model()
    with pytest.raises(ValueError, match="optimizer: expected each parameter in one optimizer"):
        run(model, optimizer=[adamw(model), adamw(model[3])])


@pytest.mark.parametrize("sizes", [(0, 0), (8, 7), (1, 0)])
def test_a_batch_without_rows_or_of_unlike_rows_is_refused(sizes):
    def batches(step):
        return tuple(tensor[:n] for tensor, n in zip(BATCHES(step), sizes, strict=True))

    for pieces in (1, 2):
        with pytest.raises(ValueError, match=r"batch: expected tensors of as many rows, at least"):
            run(tiny_model(), batches, accumulate=pieces)


def test_learning_rates_come_back_and_one_changed_by_hand_is_honored():
    ours = tiny_model()
    optimizer = adamw(ours)
    schedule = lambda step: 1 / (1 + step)  # noqa: E731
    run(ours, optimizer=optimizer, schedule=schedule, steps=5)
    assert optimizer.param_groups[0]["lr"] == 0.05
    with pytest.raises(KeyboardInterrupt):
        run(
            ours,
            lambda step: signal.raise_signal(signal.SIGINT) or BATCHES(step),
            optimizer=optimizer,
            schedule=schedule,
        )
    assert optimizer.param_groups[0]["lr"] == 0.05, "also after Ctrl-C"
    optimizer.param_groups[0]["lr"] = 0.002
    second = run(ours, optimizer=optimizer, schedule=schedule, steps=5, log_every=1)
    rates = [row["learning_rate"] for row in second.history]
    assert rates == pytest.approx([0.002 / (1 + step) for step in range(5)])
    assert optimizer.param_groups[0]["lr"] == 0.002


def test_devices_are_chosen_by_what_is_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device() == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert pick_device() == torch.device("cpu"), "two GPUs are too few for three processes"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device() == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == torch.device("cpu")


def test_precision_is_chosen_by_the_device(monkeypatch):
    assert pick_precision(torch.device("cpu")) == pick_precision(torch.device("mps")) == "float32"
    for has, expected in ((True, "bfloat16"), (False, "float16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has, **_: has)
        assert pick_precision(torch.device("cuda")) == expected


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

    def on_a_full_disk(self, done):
        opened(self, done)
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


@pytest.mark.parametrize("at", [0, 5, 11])
def test_ctrl_c_lets_the_step_end(at):
    before = signal.getsignal(signal.SIGINT)

    def batches(step):
        if step == at:
            signal.raise_signal(signal.SIGINT)
        return BATCHES(step)

    stopped, plain = tiny_model(), tiny_model()
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {at + 1}$"):
        run(stopped, batches)
    run(plain, steps=at + 1)
    assert_same_weights(stopped, plain)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_breaks_in():
    def batches(step):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        run(tiny_model(), batches)


def test_overhead_of_a_step_is_small():
    """In calls, not in seconds: nothing is read from the device between rows."""
    read = []
    model = tiny_model()

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if "_local_scalar_dense" in str(function):
                read.append(function)
            return function(*args, **(kwargs or {}))

    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with Watched():
        run(model, optimizer=optimizer, steps=20, log_every=20)
        few = len(read)
        run(model, optimizer=optimizer, steps=100, log_every=100)
    assert len(read) - few == few, "as many reads for 100 steps as for 20"


def test_model_keeps_its_identity():
    model = tiny_model()
    parameters = list(model.parameters())
    other = copy.deepcopy(model)
    run(model)
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert not torch.equal(model[3].weight, other[3].weight)


SHORT = ["--steps", "3", "--layers", "1", "--width", "32", "--context", "16", "--batch-size", "4"]


def command_line(tmp_path, content: bytes, *arguments: str) -> int:
    (tmp_path / "text.txt").write_bytes(content)
    return training.main(["--text", str(tmp_path / "text.txt"), *SHORT, *arguments])


@pytest.mark.parametrize("recipe", training.RECIPES)
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
    assert training.main(["--text", "not/there.txt"]) == 1
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

    monkeypatch.setattr(training, "train", stopped)
    assert command_line(tmp_path, b"abc" * 99) == 130
    assert "the same call goes on" in capsys.readouterr().err


def test_command_line_has_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        training.main(["--help"])
    shown = capsys.readouterr().out
    for flag in ("--recipe", "--checkpoint", "--shard", "torchrun"):
        assert flag in shown
