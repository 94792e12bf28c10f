"""Checkpoints: a run that is stopped anywhere goes on bit for bit; damage is noticed."""

import copy
import errno
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from course_lib.training import checkpoints, random_windows, train
from course_lib.training import log as logs
from course_lib.training.checkpoints import CheckpointError, load, load_latest
from course_lib.training.optim import SGD, Adam, AdamW, Muon

TOKENS = torch.randint(11, (400,), generator=torch.Generator().manual_seed(0))
BATCHES = random_windows(TOKENS, batch_size=8, context=6)
OPTIMIZERS = {
    "course's Adam": lambda p: Adam(p, 0.01),
    "course's SGD": lambda p: SGD(p, 0.1, momentum=0.9),
    "torch's AdamW": lambda p: torch.optim.AdamW(p, 0.01),
    "torch's AdamW, fused": lambda p: torch.optim.AdamW(p, 0.01, fused=True, amsgrad=True),
    "torch's SGD": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "torch's RMSprop": lambda p: torch.optim.RMSprop(p, 0.01, centered=True),
    "torch's Rprop": lambda p: torch.optim.Rprop(p, 0.01),
}


class Model(nn.Module):
    """Tied weights, a buffer that changes, and dropout."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, width)
        self.inner = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.inner(self.embedding(tokens))
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return self.head(nn.functional.dropout(x, 0.3, self.training))


def optimizers(model: Model) -> list[torch.optim.Optimizer]:
    matrix = model.inner.weight
    return [Muon([matrix], 0.02), AdamW([p for p in model.parameters() if p is not matrix], 0.01)]


def run(folder: Path | None = None, steps: int = 30, batches=BATCHES, make=None, **settings):
    """Train; return everything that a checkpoint holds."""
    model = Model()
    made = make(model.parameters()) if make else optimizers(model)
    made = made if isinstance(made, list) else [made]
    settings = {
        "schedule": lambda step: 1 / (1 + step),
        "checkpoint_every": 3,
        "log_every": 1,
        **settings,
    }
    settings = {"checkpoint": folder, "device": "cpu", "optimizer": made, **settings}
    result = train(model, batches, steps=steps, **settings)
    taken = checkpoints.capture(steps, model, made, losses=[row["loss"] for row in result.history])
    return {**taken.model, **taken.optimizer, "numbers": taken.state}


def assert_equal(got: dict, expected: dict) -> None:
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        same = torch.equal(got[name], value) if torch.is_tensor(value) else got[name] == value
        assert same, f"{name} differs"


def stopping_at(step: int):
    def batches(asked: int):
        if asked == step:
            signal.raise_signal(signal.SIGINT)
        return BATCHES(asked)

    return batches


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_run_goes_on_bit_for_bit_after_ctrl_c(tmp_path, make):
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 20; the same call goes on"):
        run(tmp_path, batches=stopping_at(19), make=make)
    assert_equal(run(tmp_path, make=make), run(make=make))


def test_batches_drawn_from_torch_s_generator_go_on_too(tmp_path):
    def batches(step):
        if step == 19 and stop:
            signal.raise_signal(signal.SIGINT)
        inputs = torch.randint(11, (8, 6))
        return inputs, inputs

    stop = True
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, batches=batches)
    stop = False
    assert_equal(run(tmp_path, batches=batches), run(batches=batches))


def test_run_with_float16_goes_on_with_its_scale(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, batches=stopping_at(19), precision="float16")
    assert load_latest(tmp_path).state["scaler"]["scale"] > 1
    assert_equal(run(tmp_path, precision="float16"), run(precision="float16"))


def test_run_that_is_done_is_not_done_again(tmp_path):
    expected = run(tmp_path)
    assert_equal(run(tmp_path, batches=None), expected)
    with pytest.raises(ValueError, match=r"steps: expected at least 30, as .* has, got 20"):
        run(tmp_path, steps=20)


def test_run_can_be_made_longer(tmp_path):
    run(tmp_path, steps=20)
    assert_equal(run(tmp_path, steps=30), run(steps=30))


def test_logs_hold_each_step_once_after_a_stop(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, batches=stopping_at(19), log=tmp_path / "log", log_every=10)
    run(tmp_path, log=tmp_path / "log", log_every=10)
    lines = (tmp_path / "log" / "log.csv").read_text().splitlines()
    expected = sorted({*range(3, 31, 3), 10, 20, 30})  # with each checkpoint comes a row
    assert [int(line.split(",")[0]) for line in lines[1:]] == expected


def killed_at(number: int, event: str):
    """Return batches; from the first on, the process kills itself at a flush or a Python call.

    A checkpoint has five flushes, a step about ten thousand calls.
    """
    count = 0

    def counted(*_):
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def batches(step):
        if event == "call":
            sys.setprofile(counted)
        return BATCHES(step)

    if event == "flush":
        flush = checkpoints.flush
        checkpoints.flush = lambda path: (counted(), flush(path))
    return batches


def child(folder: str, kill: tuple[int, str] | None) -> None:
    torch.set_num_threads(1)
    batches = killed_at(*kill) if kill else BATCHES
    run(Path(folder), steps=60, checkpoint_every=1, batches=batches)


@pytest.mark.long
def test_run_goes_on_bit_for_bit_after_20_kills_also_while_a_checkpoint_is_written(tmp_path):
    chance = random.Random(0)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["course_lib.training"])
    # At most three steps are done before each kill, so that 20 find one to break into.
    kills = [(chance.randint(1, 15), "flush") for _ in range(10)]
    kills += [(chance.randint(1, 25_000), "call") for _ in range(10)]
    for kill in [*chance.sample(kills, 20), None]:
        process = context.Process(target=child, args=(str(tmp_path), kill))
        process.start()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if kill else 0)
    expected = run(steps=60)
    got = load_latest(tmp_path)
    losses = [row["loss"] for row in got.state["history"]]
    state = {key: got.state[key] for key in ("numbers", "optimizers")}
    numbers = {**state, "losses": losses}
    assert_equal({**got.model, **got.optimizer, "numbers": numbers}, expected)
    assert list(tmp_path.glob(".part-*")) == [], "nothing half written is left"


def test_only_the_last_few_are_kept(tmp_path):
    run(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-00000024", "step-00000027", "step-00000030"]


def a_checkpoint(step: int) -> checkpoints.Checkpoint:
    return checkpoints.Checkpoint(step, {"w": torch.full((3,), float(step))}, {}, {})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("keep", [0, -1, 1.0, True, None, float("nan")])
def test_to_keep_none_is_refused_before_anything_is_written(tmp_path, keep):
    with pytest.raises(ValueError, match="keep: expected a whole number above 0, got"):
        checkpoints.save(tmp_path / "run", a_checkpoint(1), keep=keep)
    assert names(tmp_path) == []


def test_damaged_checkpoints_do_not_count_among_those_to_keep(tmp_path):
    for step in (1, 2, 3, 4):
        checkpoints.save(tmp_path, a_checkpoint(step), keep=4)
    for step in (3, 4):
        (tmp_path / f"step-0000000{step}" / "model.safetensors").write_bytes(b"")
    checkpoints.save(tmp_path, a_checkpoint(5), keep=2)
    assert names(tmp_path) == [f"step-0000000{step}" for step in (2, 3, 4, 5)]
    checkpoints.save(tmp_path, a_checkpoint(6), keep=2)
    assert names(tmp_path) == [f"step-0000000{step}" for step in (5, 6)]


@pytest.mark.parametrize("damaged", [False, True])
def test_what_was_just_written_is_kept_also_beside_later_steps(tmp_path, damaged):
    for step in (8, 9):
        checkpoints.save(tmp_path, a_checkpoint(step))
    if damaged:
        for path in tmp_path.iterdir():
            (path / "state.json").write_text("{}")
    place = checkpoints.save(tmp_path, a_checkpoint(7), keep=1)
    assert load(place).step == 7


def test_steps_are_ordered_as_numbers_and_other_files_left_alone(tmp_path):
    for name in ("step-by-step", "step-1", "step-final.txt", "step-²²²²²²²²"):
        (tmp_path / name).mkdir()
    for step in (99_999_999, 100_000_000, 100_000_001):
        checkpoints.save(tmp_path, a_checkpoint(step), keep=2)
    kept = [name for name in names(tmp_path) if name.startswith("step-1000")]
    assert kept == ["step-100000000", "step-100000001"]
    assert len(names(tmp_path)) == 6
    assert load_latest(tmp_path).step == 100_000_001


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


FULL = {
    "weights": (checkpoints.safetensors.torch, "save_file", 2),
    "weights, as safetensors says it": (checkpoints.safetensors.torch, "save_file", 1),
    "state": (Path, "write_text", 1),
    **{f"flush {n}": (checkpoints, "flush", n) for n in (1, 2, 3, 4, 5)},
    "making the folder": (Path, "mkdir", 1),
    "place for the parts": (checkpoints.tempfile, "mkdtemp", 1),
    "rename": (Path, "rename", 1),
}


@pytest.mark.parametrize("again", [False, True], ids=["new step", "same step"])
@pytest.mark.parametrize("moment", FULL)
def test_a_full_disk_is_one_sentence_and_leaves_the_checkpoints_before(
    tmp_path, monkeypatch, moment, again
):
    checkpoints.save(tmp_path, a_checkpoint(1))
    checkpoints.save(tmp_path, a_checkpoint(2))
    where, name, number = FULL[moment]
    works, calls = getattr(where, name), itertools.count(1)

    def full(*args, **kwargs):
        if next(calls) < number:
            return works(*args, **kwargs)
        if "safetensors says" in moment:
            raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")
        return no_space()

    monkeypatch.setattr(where, name, full)
    new = a_checkpoint(2 if again else 3)
    expected = rf"^{tmp_path}: the checkpoint of step {new.step} can't be written \(.*No space left"
    with pytest.raises(CheckpointError, match=expected):
        checkpoints.save(tmp_path, new, keep=1)
    monkeypatch.undo()
    assert names(tmp_path) == ["step-00000001", "step-00000002"]
    assert [load(tmp_path / name).step for name in names(tmp_path)] == [1, 2]
    checkpoints.save(tmp_path, new)


def test_a_failing_rename_puts_the_replaced_checkpoint_back(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, a_checkpoint(2))
    rename, calls = Path.rename, itertools.count(1)
    monkeypatch.setattr(Path, "rename", lambda *a: no_space() if next(calls) == 2 else rename(*a))
    with pytest.raises(CheckpointError, match="step 2 can't be written"):
        checkpoints.save(tmp_path, a_checkpoint(2))
    monkeypatch.undo()
    assert names(tmp_path) == ["step-00000002"]
    assert load(tmp_path / "step-00000002").step == 2


def test_a_full_disk_ends_the_training_with_the_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "flush", no_space)
    expected = r"step 3 can't be written \(No space left on device\); free space there, or name an"
    with pytest.raises(CheckpointError, match=expected):
        run(tmp_path)
    assert names(tmp_path) == []


def test_a_folder_that_is_a_file_is_named_before_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file: expected a folder for checkpoints, found a"):
        run(tmp_path / "file", batches=None)
    with pytest.raises(CheckpointError, match=r"step 1 can't be written \(File exists\)"):
        checkpoints.save(tmp_path / "file", a_checkpoint(1))


JUNK = {
    "empty": b"",
    "zeros": bytes(1000),
    "random": random.Random(0).randbytes(1000),
    "a list": b"[1, 2]",
    "a number": b"7",
    "text": b"notes",
    "deep": b"[" * 100_000,
    "another state": b'{"format": "course_lib checkpoint 2", "sha256": "", "state": [1]}',
    "not UTF-8": b"\xff\xfe{}",
}


@pytest.mark.parametrize("name", [*checkpoints.FILES, "state.json"])
def test_junk_and_a_cut_anywhere_are_one_error(tmp_path, name):
    file = checkpoints.save(tmp_path, a_checkpoint(1)) / name
    whole = file.read_bytes()
    for content in [*JUNK.values(), *(whole[:n] for n in range(0, len(whole), 7))]:
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"step-00000001.*: (expected|it was altered)"):
            load(file.parent)
    file.unlink()
    file.mkdir()
    with pytest.raises(CheckpointError, match=r"step-00000001.*: expected"):
        load(file.parent)


def test_weights_are_a_plain_safetensors_file_with_tied_weights_once(tmp_path):
    expected = run(tmp_path)
    weights = safetensors.torch.load_file(tmp_path / "step-00000030" / "model.safetensors")
    assert torch.equal(weights["embedding.weight"], expected["embedding.weight"])
    assert "head.weight" not in weights
    assert int(weights["norm.num_batches_tracked"]) == 30


def cut_off(path: Path) -> None:
    file = path / "optimizer.safetensors"
    file.write_bytes(file.read_bytes()[:-7])


def alter_weights(path: Path) -> None:
    file = path / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)


def alter_state(path: Path) -> None:
    file = path / "state.json"
    file.write_text(file.read_text().replace('"seconds": 0.', '"seconds": 1.'))


def cut_state_off(path: Path) -> None:
    file = path / "state.json"
    file.write_bytes(file.read_bytes()[:100])


def remove_weights(path: Path) -> None:
    (path / "model.safetensors").unlink()


def make_foreign(path: Path) -> None:
    (path / "state.json").write_text(json.dumps({"epoch": 3}))


def make_a_file(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    path.write_text("notes")


DAMAGES = {
    cut_off: r"optimizer.safetensors: expected \d+ bytes, got \d+: it is cut off",
    alter_weights: r"model.safetensors: it was altered; its SHA-256 differs",
    alter_state: r"state.json: it was altered; its SHA-256 differs",
    cut_state_off: r"step-00000030: expected a checkpoint, found no state.json of one",
    remove_weights: r"model.safetensors: expected \d+ bytes, got 0: it is cut off",
    make_foreign: r"step-00000030: expected a checkpoint, found no state.json of one",
    make_a_file: r"step-00000030: expected a checkpoint, found no state.json of one",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_named_and_the_checkpoint_before_is_used(tmp_path, damage):
    expected = run(tmp_path)
    damage(tmp_path / "step-00000030")
    with pytest.raises(CheckpointError, match=DAMAGES[damage]):
        load(tmp_path / "step-00000030")
    with pytest.warns(UserWarning, match=f"{DAMAGES[damage]}; going on from step 27"):
        got = run(tmp_path)
    assert_equal(got, expected)
    assert load(tmp_path / "step-00000030").step == 30, "it was written anew"


def test_no_checkpoint_that_can_be_used_is_an_error_not_a_fresh_start(tmp_path):
    run(tmp_path)
    for path in tmp_path.glob("step-*"):
        alter_weights(path)
    with pytest.raises(CheckpointError, match=r"no other checkpoint is left: name another folder"):
        run(tmp_path)


def test_no_checkpoint_at_all_is_a_fresh_start(tmp_path):
    assert load_latest(tmp_path) is None
    assert load_latest(tmp_path / "not there") is None


def test_checkpoint_of_another_model_is_refused(tmp_path):
    run(tmp_path)
    model = Model(width=9)
    expected = r"model: expected \(11, 9\) torch.float32 for embedding.weight, the checkpoint has "
    with pytest.raises(CheckpointError, match=expected):
        train(model, BATCHES, steps=40, optimizer=optimizers(model), checkpoint=tmp_path)


def test_checkpoint_of_other_optimizers_is_refused(tmp_path):
    run(tmp_path)
    expected = r"optimizer 0: expected course_lib\.\S+\.Muon as in the checkpoint, got course_lib"
    with pytest.raises(CheckpointError, match=expected):
        run(tmp_path, make=lambda parameters: AdamW(parameters))
    expected = r"optimizer 1: expected course_lib\.\S+\.AdamW as in the checkpoint, got nothing;"
    with pytest.raises(CheckpointError, match=expected):
        run(tmp_path, make=lambda p: Muon([list(p)[1]], 0.02))


def everything(model: Model, optimizer: torch.optim.Optimizer) -> dict:
    """Return all that a refused checkpoint must leave as it was."""
    kept = {
        f"state {i} {name}": value
        for i, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    grads = {f"grad {name}": p.grad for name, p in model.named_parameters()}
    groups = copy.deepcopy(optimizer.state_dict()["param_groups"])
    modes = [module.training for module in model.modules()]
    return {**copy.deepcopy({**model.state_dict(), **grads, **kept}), "rest": (groups, modes)}


def begun(make) -> tuple[Model, torch.optim.Optimizer]:
    """Return a model in evaluation mode that has a gradient, and whose optimizer has a state."""
    model = Model().eval()
    optimizer = make(model.parameters())
    for _ in range(2):
        model(TOKENS[None, :5]).square().sum().backward()
        optimizer.step()
    return model, optimizer


KINDS = {
    **OPTIMIZERS,
    "course's SGD without momentum": lambda p: SGD(p, 0.1),
    "course's AdamW": lambda p: AdamW(p, 0.01),
    "course's Muon": lambda p: Muon([q for q in p if q.dim() == 2], 0.02),
    "torch's SGD without momentum": lambda p: torch.optim.SGD(p, 0.1),
    "torch's Adam": lambda p: torch.optim.Adam(p, 0.01),
}
ALIKE = {  # but for how the same is computed
}


@pytest.fixture(scope="module")
def of_each_kind(tmp_path_factory):
    """Folders with a checkpoint by each kind of optimizer."""
    folders = {}
    for name, make in KINDS.items():
        folders[name] = tmp_path_factory.mktemp("kind")
        run(folders[name], steps=3, make=make)
    return folders


@pytest.mark.parametrize("after", KINDS)
def test_every_other_kind_of_optimizer_is_refused_and_leaves_all_as_it_was(of_each_kind, after):
    model, optimizer = begun(KINDS[after])
    before = everything(model, optimizer)
    for name, folder in of_each_kind.items():
        if name == after or frozenset((name, after)) in ALIKE:
            continue
        expected = r"^optimizer 0.*: expected .* as in the checkpoint, got .*; pass what the run"
        with pytest.raises(CheckpointError, match=expected):
            train(model, BATCHES, steps=6, optimizer=optimizer, checkpoint=folder, device="cpu")
        assert_equal(everything(model, optimizer), before)


def in_groups(*sizes: int, **settings: float):
    def make(parameters):
        parameters = iter(parameters)
        groups = [{"params": list(itertools.islice(parameters, n)), **settings} for n in sizes]
        return AdamW(groups, 0.01)

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: AdamW(p, np.float32(0.5)), r"group 0: lr: expected 0.01 as in .*, got 0.5; p"),
        (lambda p: AdamW(p, 0.02), r"group 0: lr: expected 0.01 as in the checkpoint, got 0.02; p"),
        (
            lambda p: AdamW(p, 0.01, betas=(0.9, 0.99)),
            r"betas: expected \[0.9, 0.999\] .*, 0.99\];",
        ),
        (lambda p: AdamW(p, 0.01, eps=1e-6), "group 0: eps: expected 1e-08 as in .*, got 1e-06;"),
        (lambda p: AdamW(p, 0.01, weight_decay=0.1), "weight_decay: expected 0.01 as .*, got 0.1;"),
        (in_groups(2, 3), "group 0: parameter 2: expected inner.bias as in .*, got nothing;"),
        (in_groups(4), "group 0: parameter 4: expected norm.bias as in .*, got nothing;"),
        (lambda p: AdamW(list(p)[::-1], 0.01), "parameter 0: expected embedding.weight as in"),
    ],
)
def test_other_settings_groups_and_parameters_are_refused(of_each_kind, make, message):
    model = Model()
    optimizer = make(model.parameters())
    before, folder = everything(model, optimizer), of_each_kind["course's AdamW"]
    with pytest.raises(CheckpointError, match=rf"^optimizer 0, .*{message}"):
        train(model, BATCHES, steps=6, optimizer=optimizer, checkpoint=folder, device="cpu")
    assert_equal(everything(model, optimizer), before)


def test_more_steps_than_asked_for_are_refused_and_leave_the_model_as_it_was(of_each_kind):
    model, optimizer = begun(KINDS["course's AdamW"])
    before, folder = everything(model, optimizer), of_each_kind["course's AdamW"]
    with pytest.raises(ValueError, match=r"steps: expected at least 3, as .* has, got 2"):
        train(model, BATCHES, steps=2, optimizer=optimizer, checkpoint=folder, device="cpu")
    assert_equal(everything(model, optimizer), before)


def test_the_rate_that_counts_is_the_one_that_the_schedule_multiplies(tmp_path):
    run(tmp_path, steps=10, schedule=lambda step: 1 / (1 + step))
    run(tmp_path, steps=20, schedule=lambda step: 0.5)


def test_a_run_goes_on_with_float16_that_began_without(tmp_path):
    run(tmp_path, steps=10)
    run(tmp_path, steps=20, precision="float16")
    assert load_latest(tmp_path).state["scaler"]["scale"] > 1
    run(tmp_path, steps=30)


def test_optimizer_whose_state_can_not_be_kept_is_named(tmp_path):
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    optimizer.state[model.weight]["history"] = [torch.zeros(1)]
    with pytest.raises(ValueError, match="expected state of tensors and numbers, got list"):
        checkpoints.capture(0, model, [optimizer])


def test_loss_that_is_not_finite_leaves_the_checkpoint_before(tmp_path):
    def batches(step):
        inputs, targets = BATCHES(step)
        if step == 20:  # noticed only when the row is made, after the next steps
            with torch.no_grad():
                model.inner.weight.fill_(float("nan"))
        return inputs, targets

    model = Model()
    with pytest.raises(RuntimeError, match="step 20: the loss is nan"):
        train(
            model,
            batches,
            steps=40,
            optimizer=optimizers(model),
            device="cpu",
            checkpoint=tmp_path,
            checkpoint_every=3,
        )
    found = load_latest(tmp_path)
    assert found.step == 18
    assert all(tensor.isfinite().all() for tensor in found.model.values())


def test_bar_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    run(tmp_path, steps=20)
    monkeypatch.setattr(logs, "somebody_watches", lambda: True)
    run(tmp_path, steps=30)
    assert "20/30" in capsys.readouterr().err
