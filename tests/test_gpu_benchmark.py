"""The benchmark on a GPU, tried on the processor: its pieces, and all of it in small sizes."""

import json
import sys
import time
from dataclasses import replace

import pytest
import torch
from project import ROOT

from course_lib import costs
from course_lib.model import GPT, GPTConfig

sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu
import gpu_parts


def part(*measures):
    """Return a part of the benchmark with these rows."""

    def rows(_):
        """Measure something."""
        for i, measure in enumerate(measures):
            yield {"row": i}, measure

    return rows, 1.0


def fail():
    raise RuntimeError("broken\ncard")


def stop():
    raise KeyboardInterrupt


def time_up():
    raise gpu.TimeUpError


def run(tmp_path, **parts):
    report, path = {}, tmp_path / "gpu.json"
    try:
        gpu.run_parts(None, parts, 600, report, path)
    finally:
        assert json.loads(path.read_text()) == report
    return report["parts"]


def test_a_row_that_fails_is_said_and_the_others_measured(tmp_path):
    found = run(tmp_path, a=part(fail, lambda: {"ms": 1.0}), b=part(lambda: {"ms": 2.0}))
    assert found["a"]["rows"] == [
        {"row": 0, "error": "RuntimeError: broken card"},
        {"row": 1, "ms": 1.0},
    ]
    assert found["b"]["ended"] == "done"
    assert "RuntimeError: broken card" in gpu.table("a", found["a"])


def test_a_part_whose_time_is_up_keeps_its_rows_and_the_next_goes_on(tmp_path):
    found = run(tmp_path, a=part(lambda: {"ms": 1.0}, time_up), b=part(lambda: {"ms": 2.0}))
    assert found["a"]["ended"] == "its time was up"
    assert found["a"]["rows"] == [{"row": 0, "ms": 1.0}]
    assert found["b"]["ended"] == "done"


def test_an_alarm_ends_what_takes_too_long():
    with pytest.raises(gpu.TimeUpError), gpu.time_limit(0.01):
        time.sleep(60)


def test_ctrl_c_leaves_what_was_measured(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, a=part(lambda: {"ms": 1.0}, stop), b=part())
    found = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert found["a"]["ended"] == "Ctrl-C"
    assert found["a"]["rows"] == [{"row": 0, "ms": 1.0}]


def test_operations_of_a_step_are_three_forward_passes():
    model = GPT(GPTConfig.gpt2(65))
    expected = 3 * costs.gpt_forward_flops(4, 128, 65, 64)
    assert gpu_parts.flops_per_token(model, 64) == expected


def test_memory_of_both_loops_is_predicted_on_a_processor():
    sizes = replace(gpu_parts.SMALL, large=(2, 2, 32, 4001))
    rows = gpu_parts.memory(gpu_parts.Bench(torch.device("cpu"), sizes))
    found = {(labels["batch"], labels["logits held"]): measure() for labels, measure in rows}
    assert set(found) == {(1, True), (4, True), (1, False), (4, False)}
    for row in found.values():
        assert row["measured by predicted"] == pytest.approx(1, abs=0.05)


def test_both_llamas_compute_the_same():
    bench = gpu_parts.Bench(torch.device("cpu"), gpu_parts.SMALL)
    ours, theirs = gpu_parts.llamas(bench)
    tokens = torch.arange(12)[None]
    with torch.inference_mode():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--data", "nowhere"], "--data: expected a file that --pack made, got nowhere: no such"),
        (["--limit", "0"], "expected a whole number above 0"),
        (["--out", "nowhere/gpu.json"], "expected a folder that is there"),
        (["--parts", "songs"], "invalid choice: 'songs'"),
    ],
)
def test_bad_input_is_said(given, message, capsys):
    with pytest.raises(SystemExit):
        gpu.arguments(given)
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.long
def test_all_of_it_runs_small_on_a_processor(tmp_path):
    parts = [name for name in gpu_parts.PARTS if name != "tests"]  # these would run pytest again
    out = tmp_path / "gpu.json"
    code = gpu.main(
        ["--small", "--device", "cpu", "--limit", "900", "--out", str(out), "--parts", *parts]
    )
    found = json.loads(out.read_text())["parts"]
    failed = [row for record in found.values() for row in record["rows"] if "error" in row]
    assert not failed
    assert code == 0
    assert list(found) == parts
