"""Checkpoints: a run that is stopped anywhere goes on bit for bit; damage is noticed."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from course_lib import checkpoints, logs
from course_lib.checkpoints import CheckpointError, load, load_latest
from course_lib.optim import SGD, Adam, AdamW, Muon
from course_lib.training import random_windows, train

TOKENS = torch.randint(11, (400,), generator=torch.Generator().manual_seed(0))
BATCHES = random_windows(TOKENS, batch_size=8, context=6)
OPTIMIZERS = {
    "course's Adam": lambda p: Adam(p, 0.01),
    "course's AdamW, not fused": lambda p: AdamW(p, 0.01, fused=False),
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
            os.kill(os.getpid(), signal.SIGINT)
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
            os.kill(os.getpid(), signal.SIGINT)
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


def kill_at_flush(number: int | None) -> None:
    """Let the process kill itself in the middle of writing a checkpoint."""
    flush, count = checkpoints._flush, 0

    def counted(path):
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(path)

    checkpoints._flush = counted


def child(folder: str, kill_at: int | None, started) -> None:
    torch.set_num_threads(1)
    kill_at_flush(kill_at)
    started.set()
    run(Path(folder), steps=60, checkpoint_every=1)


def test_run_goes_on_bit_for_bit_after_20_kills_also_while_a_checkpoint_is_written(tmp_path):
    chance = random.Random(0)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["course_lib.training"])
    kills = finished = 0
    while not finished:
        writing = kills % 2
        started = context.Event()
        # A checkpoint takes five flushes: at each of them, and between, a run is killed.
        kill_at = chance.randint(1, 15) if writing and kills < 20 else None
        process = context.Process(target=child, args=(str(tmp_path), kill_at, started))
        process.start()
        started.wait(60)
        if kills < 20 and not writing:
            time.sleep(chance.uniform(0, 0.1))
            process.kill()
        process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
        kills += process.exitcode != 0
        finished = process.exitcode == 0 and kills >= 20
        if process.exitcode == 0 and not finished:  # done too early: take steps away again
            for path in sorted(tmp_path.glob("step-*"))[1:]:
                path.rename(tmp_path / f".part-{path.name}")
    assert kills == 20
    expected = run(steps=60)
    got = load_latest(tmp_path)
    losses = [row["loss"] for row in got.state["history"]]
    numbers = {"numbers": got.state["numbers"], "losses": losses}
    assert_equal({**got.model, **got.optimizer, "numbers": numbers}, expected)
    assert list(tmp_path.glob(".part-*")) == [], "nothing half written is left"


def test_only_the_last_few_are_kept(tmp_path):
    run(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-00000024", "step-00000027", "step-00000030"]


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
    with pytest.raises(CheckpointError, match=r"optimizer 0, parameter 0: expected shape"):
        run(tmp_path, make=lambda parameters: AdamW(parameters))
    with pytest.raises(CheckpointError, match=r"optimizer 1: it has no parameter \d, the check"):
        run(tmp_path, make=lambda p: (p := list(p)) and [Muon([p[1]]), AdamW(p[:1])])


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
