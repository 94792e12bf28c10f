"""Costs against hand-computed cases, real modules' counts and published training runs."""

import json
import math
import sys
from functools import partial

import pytest
import torch
from project import ROOT
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel

from course_lib.costs import (
    A100,
    H100,
    V100,
    activation_bytes,
    attainable_flops,
    communication_bytes,
    compute_optimal,
    energy_mwh,
    gpt_forward_flops,
    gpt_parameters,
    gpu_hours,
    loss_bytes,
    matmul_intensity,
    training_flops,
    training_memory,
    utilization,
)
from course_lib.model import GPT, GPTConfig
from course_lib.training import next_token_loss
from course_lib.training.optim import SGD, AdamW

sys.path.insert(0, str(ROOT / "benchmarks"))
from common import peak_megabytes
from lean import plain_loop

SHAPES = [(1, 2, 3, 1), (2, 8, 50, 16), (3, 20, 11, 7), (96, 12288, 50257, 2048)]


def gpt2(n_layers, d_model, vocab_size, context_length, device, n_heads=2):
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=context_length,
        n_embd=d_model,
        n_layer=n_layers,
        n_head=n_heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.device(device):
        return GPT2LMHeadModel(config)


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_are_those_of_transformers_gpt2(shape):
    assert gpt_parameters(*shape) == sum(p.numel() for p in gpt2(*shape, "meta").parameters())


def test_the_number_of_heads_changes_no_parameter():
    counts = {gpt2(2, 12, 5, 4, "meta", heads).num_parameters() for heads in (1, 3, 12)}
    assert counts == {gpt_parameters(2, 12, 5, 4)}


def test_parameters_by_hand():
    """Width 2: 3 + 1 embeddings of 2; 12 * 4 weights and 13 * 2 others; a last norm of 4."""
    assert gpt_parameters(1, 2, 3, 1) == 8 + 48 + 26 + 4


def test_gpt3_has_the_parameters_of_its_paper():
    """Brown et al. 2020, table D.1: 174,600 million."""
    assert round(gpt_parameters(96, 12288, 50257, 2048) / 1e6, -2) == 174_600


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_forward_flops_are_those_that_torch_counts(shape):
    model = gpt2(*shape, "cpu")
    tokens = torch.zeros(3, shape[-1], dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        loss = model(tokens).logits.sum()
    forward = counter.get_total_flops()
    assert forward == 3 * shape[-1] * gpt_forward_flops(*shape)
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    assert counter.get_total_flops() == 2 * forward, "so training costs three forward passes"


def test_six_n_d_is_close_to_the_count_for_gpt3():
    shape = (96, 12288, 50257, 2048)
    estimate = training_flops(gpt_parameters(*shape), 1)
    assert math.isclose(3 * gpt_forward_flops(*shape), estimate, rel_tol=0.03)
    assert training_flops(2, 5) == 60


def test_gpu_hours_by_hand():
    assert gpu_hours(36e12, 1e10, 0.5) == 2
    assert gpu_hours(36e12, 1e10, 1) == 1


def test_utilization_undoes_gpu_hours():
    hours = gpu_hours(3e23, A100.peak, 0.37)
    assert math.isclose(utilization(3e23, hours, A100.peak), 0.37)


def test_gpt3_s_energy_is_the_one_published():
    """Patterson et al. 2021, table 4: 3.14e23 FLOP at 24.6e12 FLOP/s, 330 W, PUE 1.1: 1,287 MWh."""
    hours = gpu_hours(3.14e23, 24.6e12, 1)
    assert math.isclose(hours / 24 / 10_000, 14.8, abs_tol=0.05)
    assert round(energy_mwh(hours, 330, 1.1)) == 1287


def test_llama_s_energy_is_the_one_published():
    """Touvron et al. 2023, table 15: 1,022,362 hours of an A100 at 400 W, PUE 1.1: 449 MWh."""
    assert math.isclose(energy_mwh(1_022_362, A100.watts, 1.1), 449, abs_tol=1)


def test_compute_optimal_spends_the_budget():
    for ratio in (1, 20, 300):
        parameters, tokens = compute_optimal(1e21, ratio)
        assert math.isclose(tokens / parameters, ratio)
        assert math.isclose(training_flops(parameters, tokens), 1e21)


@pytest.mark.parametrize(
    ("flops", "parameters", "tokens"), [(1.21e20, 1e9, 20.2e9), (1.23e22, 10e9, 205.1e9)]
)
def test_compute_optimal_is_close_to_chinchilla_s_table(flops, parameters, tokens):
    """Hoffmann et al. 2022, table 3."""
    found = compute_optimal(flops)
    assert math.isclose(found[0], parameters, rel_tol=0.03)
    assert math.isclose(found[1], tokens, rel_tol=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gpt_parameters(0, 2, 3, 4), "n_layers: expected a whole number above 0, got 0"),
        (lambda: gpt_forward_flops(1, 2, 3, -4), "context_length: expected a whole number above 0"),
        (lambda: training_flops(math.nan, 1), "parameters: expected a number above 0, got nan"),
        (lambda: training_flops(1, math.inf), "tokens: expected a number above 0, got inf"),
        (lambda: gpu_hours(1, 1, 40), "utilization: expected a share of the peak, up to 1, got 40"),
        (lambda: utilization(1, 0, 1), "hours: expected a number above 0, got 0"),
        (lambda: energy_mwh(1, 1, 0.9), "pue: expected at least 1, got 0.9"),
        (lambda: compute_optimal(1, 0), "tokens_per_parameter: expected a number above 0"),
        (lambda: matmul_intensity(1, 2, 0, 4), "n: expected a whole number above 0, got 0"),
        (lambda: attainable_flops(1, 2, -3), "bandwidth: expected a number above 0, got -3"),
        (lambda: activation_bytes(1, 2, 3, 4, 0), "tokens: expected a whole number above 0"),
        (lambda: training_memory(1, shards=0), "shards: expected a whole number above 0, got 0"),
        (lambda: loss_bytes(4, 0), "tokens: expected a whole number above 0, got 0"),
        (lambda: loss_bytes(1.5, 4), "vocab_size: expected a whole number above 0, got 1.5"),
        (lambda: training_memory(1, -1), "activations: expected a number, 0 or above, got -1"),
        (lambda: training_memory(1, update=-1), "update: expected a number, 0 or above, got -1"),
        (lambda: training_memory(1, 0, -1), "loss: expected a number, 0 or above, got -1"),
        (lambda: training_memory(1, moments=-1), "moments: expected a whole number, 0 or above"),
        (
            lambda: training_memory(1, gathered=-1),
            "gathered: expected a number, 0 or above, got -1",
        ),
        (
            lambda: communication_bytes(1, 1.5),
            "processes: expected a whole number above 0, got 1.5",
        ),
        (lambda: communication_bytes(1, 2, accumulate=0), "accumulate: expected a whole number"),
        (lambda: communication_bytes(1, 0), "processes: expected a whole number above 0, got 0"),
    ],
)
def test_a_number_out_of_range_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_every_gpu_s_sources_are_in_the_bibliography():
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for gpu in (V100, A100, H100):
        assert gpu.server_watts > gpu.watts
        for key in (gpu.source, gpu.server_source):
            assert f"{{{key}," in bibliography


def test_intensity_of_a_product_by_hand():
    # (2, 3) @ (3, 4): 48 operations; 6 + 12 + 8 numbers of 4 bytes.
    assert matmul_intensity(2, 3, 4, 4) == 48 / 104
    assert matmul_intensity(2, 3, 4, 2) == 48 / 52
    assert math.isclose(matmul_intensity(10**6, 10**6, 10**6, 2), 10**6 / 3)


def test_roof_is_memory_s_up_to_the_ridge_and_then_arithmetic_s():
    ridge = H100.peak / H100.bandwidth
    assert attainable_flops(ridge / 2, H100.peak, H100.bandwidth) == pytest.approx(H100.peak / 2)
    for intensity in (ridge, 2 * ridge):
        reached = attainable_flops(intensity, H100.peak, H100.bandwidth)
        assert reached == pytest.approx(H100.peak)


def saved_bytes(model, inputs, targets, mixed):
    """Return what autograd keeps of a forward pass, parameters left out."""
    storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
    sizes, kept = [], []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in storages:
            storages.add(storage.data_ptr())
            sizes.append(storage.nbytes())
        kept.append(tensor)  # so that no other tensor takes its place
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=mixed),
    ):
        next_token_loss(model, inputs, targets)
    return sum(sizes)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    "shape", [(1, 2, 32, 50, 8, 4), (3, 4, 64, 65, 32, 6), (2, 1, 48, 9, 5, 1)]
)
def test_activations_are_what_autograd_keeps(shape, mixed):
    n_layers, n_heads, d_model, vocab_size, context, batch = shape
    config = GPTConfig.gpt2(
        vocab_size, context=context, n_layers=n_layers, n_heads=n_heads, d_model=d_model
    )
    tokens = torch.randint(vocab_size, (batch, context))
    measured = saved_bytes(GPT(config), tokens, tokens, mixed)
    predicted = activation_bytes(n_layers, n_heads, d_model, vocab_size, batch * context, mixed)
    assert predicted == pytest.approx(measured, rel=0.01)


@pytest.mark.parametrize(("optimizer", "moments"), [(AdamW, 2), (SGD, 1)])
@pytest.mark.parametrize("batch", [1, 8])
def test_memory_is_near_the_measured_peak(batch, optimizer, moments):
    model = GPT(GPTConfig.gpt2(65, context=64, n_layers=3, d_model=128))
    optimizer = optimizer(model.parameters(), **({"momentum": 0.9} if moments == 1 else {}))
    tokens = torch.randint(65, (batch, 64))
    tracker = MemTracker()
    tracker.track_external(model, optimizer)
    with tracker:
        for _ in range(2):
            next_token_loss(model, tokens, tokens).backward()
            optimizer.step()
            optimizer.zero_grad()
            tracker.reset_mod_stats()
    measured = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    parameters = sum(p.numel() for p in model.parameters())
    activations, loss = activation_bytes(3, 4, 128, 65, batch * 64), loss_bytes(65, batch * 64)
    # The course's optimizers make so many tables of the size of the matrix that they update.
    update = {2: 5, 1: 2}[moments] * 4 * max(p.numel() for p in model.parameters())
    predicted = training_memory(parameters, activations, loss, update=update, moments=moments)
    assert predicted.total == pytest.approx(measured, rel=0.05)


def let_go(model, text, batch, context, low):
    """Return what plain_loop does, with a loss whose logits are gone before the backward pass."""
    optimizer = torch.optim.AdamW(model.parameters())

    def run(_):
        windows = text[torch.arange(batch)[:, None] + torch.arange(context + 1)]
        with torch.autocast("cpu", low, enabled=low is not None):
            loss = next_token_loss(model, windows[:, :-1], windows[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("shape", [(2, 2, 64, 8000, 32, 4), (4, 4, 128, 65, 64, 12)])
def test_a_step_s_peak_has_the_loss_s_tables(shape, mixed, held):
    n_layers, n_heads, d_model, vocab_size, context, batch = shape
    config = GPTConfig.gpt2(
        vocab_size, context=context, n_layers=n_layers, n_heads=n_heads, d_model=d_model
    )
    model, text = GPT(config), torch.randint(vocab_size, (200,))
    loop = partial(plain_loop, model) if held else let_go
    run = loop(model, text, batch, context, torch.bfloat16 if mixed else None)
    run(2)  # now the optimizer holds its moments
    peak = 1e6 * peak_megabytes(lambda _: run(1), text)
    parameters = sum(p.numel() for p in model.parameters())
    kept = activation_bytes(n_layers, n_heads, d_model, vocab_size, batch * context, mixed)
    loss = loss_bytes(vocab_size, batch * context, mixed, held)
    if mixed:  # a processor makes the logits' gradient in 32 bits
        loss += 2 * vocab_size * batch * context
    predicted = training_memory(parameters, kept, loss)
    assert predicted.total == pytest.approx(12 * parameters + peak, rel=0.05)
    assert kept + loss == pytest.approx(peak, rel=0.06)


@pytest.mark.parametrize("run", [1, 2])
def test_memory_measured_on_an_h200_is_predicted(run):
    path = ROOT / "course_lib" / "studies" / "runs" / f"gpu_{run}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["parts"]["memory"]["rows"]
    assert len(rows) >= 6
    for row in rows:
        tokens, mixed = 1024 * row["batch"], row["precision"] != "float32"
        kept = activation_bytes(12, 12, 768, 50_257, tokens, mixed)
        loss = loss_bytes(50_257, tokens, mixed, held=row.get("logits held", True))
        predicted = training_memory(gpt_parameters(12, 768, 50_257, 1024), kept, loss).total
        assert row["measured MB"] == pytest.approx(predicted / 1e6, rel=0.1), row


def test_the_peak_is_at_the_beginning_of_the_backward_pass_or_at_its_end():
    assert training_memory(1, 3, 2).total == 12 + 3 + 2
    assert training_memory(1, 1, 2).total == 12 + 4
    assert training_memory(1, 1, 2, update=5).total == 12 + 4 + 5


def test_memory_of_the_largest_gpt_2_is_the_published_one():
    """Rajbhandari et al. 2020, section 3.1: 1.5 B parameters need at least 24 GB."""
    assert training_memory(1.5e9).total == 24e9
    assert training_memory(1.5e9, shards=64).total == 24e9 / 64


def test_what_one_process_sends():
    assert communication_bytes(100, 1) == communication_bytes(100, 1, sharded=True) == 0
    assert communication_bytes(100, 2) == 100
    assert communication_bytes(100, 4) == 150
    ratio = communication_bytes(100, 64, sharded=True) / communication_bytes(100, 64)
    assert ratio == pytest.approx(1.5), "sharding sends half as much again (Zhao et al. 2023)"
