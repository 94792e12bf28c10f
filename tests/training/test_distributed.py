"""Two processes that train one model, against one process with the same batches."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import safetensors.torch
import torch

from course_lib.costs import communication_bytes
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.training import (
    IGNORE,
    checkpoints,
    corpus_loss,
    distributed,
    random_windows,
    recipe_optimizers,
    train,
)
from course_lib.training.__main__ import main as command_line

TOKENS = torch.tensor(list(Path(__file__).read_bytes()))  # a text that has something to learn
STEPS = 12


def batches(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Half of the batch has few targets that count: pieces must not weigh equally much."""
    inputs, targets = random_windows(TOKENS, batch_size=8, context=16)(step)
    rows, columns = torch.arange(8)[:, None], torch.arange(16)
    return inputs, targets.masked_fill((rows < 4) & (columns < 13), IGNORE)


def written() -> int:
    """Return the bytes that this process has written so far, to sockets and files."""
    counts = Path("/proc/self/io")
    return int(counts.read_text().split("wchar:")[1].split()[0]) if counts.exists() else 0


def run(
    mode: str = "one", recipe: str = "gpt2", batches=batches, dtype=torch.float64, **settings
) -> dict:
    """Train; return losses, the validation's too, and all weights.

    In float64: else where a gradient is near zero, AdamW makes a whole step of its rounding.
    """
    torch.manual_seed(0)
    shape = {"context": 16, "n_layers": 2, "d_model": 32}
    if recipe == "speedrun":
        model = Speedrun(SpeedrunConfig(256, **shape))
    else:
        model = GPT(GPTConfig.gpt2(256, **shape))
    model.to(dtype)
    if mode == "fsdp":
        distributed.shard(model)
    here = sum(distributed.local(p).numel() for p in model.parameters())
    optimizers, schedule = recipe_optimizers(model, recipe, STEPS)
    sent = []

    def counted(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        sent.append(written())
        return batches(step)

    result = train(
        model,
        counted,
        steps=STEPS,
        optimizer=optimizers,
        schedule=schedule,
        evaluate=lambda model: corpus_loss(model, TOKENS[:200], 16),
        log_every=1,
        device="cpu",
        **settings,
    )
    weights = {name: distributed.whole(p.detach()) for name, p in model.named_parameters()}
    losses = [row["loss"] for row in result.history]
    return {
        "losses": losses,
        "val_loss": result.val_loss,
        "here": here,
        "sent": [b - a for a, b in pairwise(sent)],
        "weights": weights,
    }


def killing(restart: int):
    """Return batches whose 9th lets the second process kill itself, before that many restarts."""

    def killed(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        now = int(os.environ["TORCHELASTIC_RESTART_COUNT"]) == restart
        if step == 8 and now and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return batches(step)

    return killed


def main(folder: Path) -> None:
    """Train in all ways, as one of the processes that torchrun started."""
    with distributed.process_group():
        assert distributed.world_size() == 2
        found = {}
        for i, mode in enumerate(("ddp", "fsdp")):
            kept = {"checkpoint": folder / mode, "checkpoint_every": 5}
            found[f"{mode} gpt2"] = run(mode, batches=killing(i), **kept)
            found[f"{mode} speedrun"] = run(mode, "speedrun", accumulate=2)
            found[f"{mode} measured"] = run(mode, dtype=torch.float32)
        if distributed.rank() == 0:
            for name, result in found.items():
                weights = {key: p.contiguous() for key, p in result.pop("weights").items()}
                safetensors.torch.save_file(weights, folder / f"{name}.safetensors")
            (folder / "found.json").write_text(json.dumps(found))


def torchrun(*arguments: object, restarts: int = 0) -> subprocess.CompletedProcess:
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, "--max-restarts", str(restarts), *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes left; one of them was killed twice, and torchrun began again."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(__file__, folder, restarts=2)
    assert done.stderr.count("exitcode: -9") == 2, done.stderr
    return folder


def assert_agree(got: dict, expected: dict) -> None:
    # Processes tell each other their losses in float32.
    assert got["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    assert got["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-5)
    # A batch as a whole and in 2 or 4 pieces: the root mean square over a tensor was 2e-13 at most,
    # of both recipes, four texts and one to four times their learning rates (in float32 1e-3). A
    # row left out moves some tensor by 2e-3.
    assert got["weights"].keys() == expected["weights"].keys()
    for name, weight in expected["weights"].items():
        difference = (got["weights"][name] - weight).square().mean().sqrt()
        assert difference <= 1e-9, f"{name}: {difference:.1e}"


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["gpt2", "speedrun"])
@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_processes_learn_what_one_does_with_the_same_batches(folder, mode, recipe):
    expected = run(recipe=recipe)
    got = json.loads((folder / "found.json").read_text())[f"{mode} {recipe}"]
    got["weights"] = safetensors.torch.load_file(folder / f"{mode} {recipe}.safetensors")
    assert_agree(got, expected)
    if mode == "ddp":
        assert got["here"] == expected["here"], "each process holds the whole model"
    else:
        assert got["here"] == expected["here"] / 2, "each process holds half of it"


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts what a process writes")
@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_processes_send_what_the_cost_model_says(folder, mode):
    found = json.loads((folder / "found.json").read_text())[f"{mode} measured"]
    weights = run()["weights"]
    size = 4 * sum(p.numel() for p in weights.values())
    expected = communication_bytes(size, 2, sharded=mode == "fsdp")
    if mode == "fsdp":
        # gloo adds gradients up for all, and each process keeps its part: twice as much.
        expected += size / 2
        # What is in no block stays together between the passes: it isn't gathered again.
        outside = [p.numel() for name, p in weights.items() if not name.startswith("blocks.")]
        expected -= 4 * sum(outside) / 2
    assert statistics.median(found["sent"]) == pytest.approx(expected, rel=0.05)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_one_process_can_take_over_from_two(folder, tmp_path, mode):
    for step in (5, 10):
        name = f"step-{step:08d}"
        shutil.copytree(folder / mode / name, tmp_path / name)
    assert_agree(run(checkpoint=tmp_path), run())


@pytest.mark.long
def test_the_command_line_trains_on_two_processes_what_it_trains_on_one(tmp_path, capfd):
    text = tmp_path / "text.txt"
    text.write_bytes(Path(__file__).read_bytes())
    settings = "--steps 12 --layers 1 --width 32 --context 16 --batch-size 4 --recipe gpt2"
    arguments = ["--text", str(text), *settings.split()]
    alone = tmp_path / "alone"
    assert command_line([*arguments, "--checkpoint", str(alone)]) == 0
    together = tmp_path / "together"
    done = torchrun("-m", "course_lib.training", *arguments, "--shard", "--checkpoint", together)
    for printed in (capfd.readouterr().out, done.stdout):
        assert printed.count("nats per token") == 1, "one process speaks for all"
    histories = [checkpoints.load_latest(path).state["history"] for path in (alone, together)]
    losses, others = ([row["loss"] for row in history] for history in histories)
    assert others == pytest.approx(losses, abs=1e-5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
