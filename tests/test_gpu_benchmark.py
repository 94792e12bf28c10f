"""The benchmark on a GPU, tried on the processor: its pieces, and all of it in small sizes."""

import importlib.util
import json
import signal
import sys
import time
import weakref
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


def small_bench():
    return gpu_parts.Bench(torch.device("cpu"), gpu_parts.SMALL)


def no_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


def run(tmp_path, bench=None, limit=600.0, **parts):
    report, path = {"parts": {}}, tmp_path / "gpu.json"
    try:
        gpu.run_parts(bench, parts, limit, report, path)
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


def test_without_alarms_a_part_whose_time_is_up_begins_no_other_row(tmp_path, monkeypatch):
    monkeypatch.delattr(signal, "setitimer", raising=False)
    found = run(tmp_path, limit=0.0, a=part(lambda: {"ms": 1.0}))
    assert (found["a"]["ended"], found["a"]["rows"]) == ("its time was up", [])


def test_what_a_failed_row_held_is_given_back():
    held = []

    def measure():
        big = torch.ones(10)
        held.append(weakref.ref(big))
        no_memory(big)

    assert gpu.measured(measure) == {"error": "OutOfMemoryError: CUDA out of memory"}
    assert held[0]() is None


def test_a_card_with_too_little_memory_is_said_and_the_rest_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_parts.Bench, "product_speed", no_memory)
    bench = small_bench()
    assert gpu.machine(bench)["measured peak, FLOP/s"] == "OutOfMemoryError: CUDA out of memory"
    rows = run(tmp_path, bench, a=gpu_parts.PARTS["roofline"])["a"]["rows"]
    assert [row["what"] for row in rows if "error" in row] == ["square", "square"]
    assert sum("GFLOP/s" in row for row in rows) == 2 * len(gpu_parts.SMALL.tokens)


def test_without_transformers_only_its_rows_are_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    parts = {name: gpu_parts.PARTS[name] for name in ("generation", "large")}
    found = run(tmp_path, small_bench(), **parts)
    assert all("transformers" in row["error"] for row in found["generation"]["rows"])
    lean, theirs = found["large"]["rows"]
    assert lean["least"] <= lean["ours by theirs"] <= lean["most"]
    assert "transformers" in theirs["error"]
    assert gpu.version("nobody-s-package") == "not installed"


def test_an_older_torch_is_told_what_is_expected(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_again", gpu.__file__)
    monkeypatch.setitem(sys.modules, "gpu_parts", None)
    with pytest.raises(SystemExit, match=r"PyTorch 2\.11 or newer.*got PyTorch"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_a_file_that_can_t_be_written_ends_nothing(tmp_path, capsys):
    report = {"parts": {}}
    gpu.run_parts(None, {"a": part(lambda: {"ms": 1.0})}, 600, report, tmp_path)
    assert report["parts"]["a"]["ended"] == "done"
    assert f"{tmp_path}: not written: IsADirectoryError" in capsys.readouterr().err


def test_the_median_of_rounds_stands_between_their_ends():
    found = gpu_parts.by_theirs([2.0, 1.0, 4.0], [2.0, 3.0, 2.0])
    assert found == {"ours by theirs": 1.0, "least": 0.5, "most": 3.0}


def test_a_table_shows_three_digits_and_no_empty_line():
    record = {"says": "Measure.", "ended": "done", "seconds": 1.0, "rows": [{"ms": 1.0}]}
    assert gpu.table("a", record).splitlines()[1:] == ["a (done, 1.0 s): Measure.", "  ms", "1.00"]
    assert gpu.table("a", {**record, "rows": []}).splitlines()[1:] == ["a (done, 1.0 s): Measure."]


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
    ours, theirs = gpu_parts.llamas(small_bench())
    tokens = torch.arange(12)[None]
    with torch.inference_mode():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--data", "nowhere"], "--data: expected a file that --pack made, got nowhere: no such"),
        (["--limit", "0"], "expected a whole number above 0"),
        (
            ["--data", "benchmarks"],
            "--data: expected a file that --pack made, got benchmarks: OSError",
        ),
        (["--data", "README.md"], "--data: expected a file that --pack made, got README.md: Safe"),
        (["--out", "nowhere/gpu.json"], "--out: expected a file that can be written, got nowhere"),
        (
            ["--out", "benchmarks"],
            "--out: expected a file that can be written, got benchmarks: IsA",
        ),
        (["--pack", "nowhere/pack"], "--pack: expected a file that can be written, got nowhere"),
        (["--parts", "songs"], "invalid choice: 'songs'"),
    ],
)
def test_bad_input_is_said(given, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        gpu.arguments(given)
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.long
def test_all_of_it_runs_small_on_a_processor(tmp_path):
    parts = [name for name in gpu_parts.PARTS if name != "tests"]  # these would run pytest again
    out = tmp_path / "gpu.json"
    code = gpu.main(["--device", "cpu", "--limit", "900", "--out", str(out), "--parts", *parts])
    report = json.loads(out.read_text())
    found = report["parts"]
    assert report["small"]
    failed = [row for record in found.values() for row in record["rows"] if "error" in row]
    assert not failed
    assert code == 0
    assert list(found) == parts
