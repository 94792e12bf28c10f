"""The study of what makes models cheaper: what it changes, and its committed runs."""

import numpy as np
import pytest
import torch

from course_lib.model import GPT, GPTConfig, MixtureGPT
from course_lib.studies import compute

REVIEWS = compute.Reviews(torch.arange(34).view(2, 17) % 50, [16, 16])


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    config = GPTConfig.llama(50, context=16, n_layers=2, d_model=96, n_heads=3, n_kv_heads=3)
    return GPT(config).eval()


def test_losses_are_bits_per_byte(small):
    for weight in small.parameters():
        torch.nn.init.zeros_(weight)
    assert compute.judge(small, REVIEWS) == pytest.approx(2 * [np.log2(50)], abs=1e-3)
    half = REVIEWS._replace(n_bytes=[32, 32])
    assert compute.judge(small, half) == pytest.approx(2 * [np.log2(50) / 2], abs=1e-3)


def test_a_way_is_undone_at_its_end_and_changes_what_is_said(monkeypatch):
    monkeypatch.setattr(compute, "RANKS", (48,))
    torch.manual_seed(0)
    config = GPTConfig.llama(50, context=16, n_layers=2, d_model=96, n_heads=3, n_kv_heads=3)
    model = GPT(config).eval()
    for weight in model.parameters():
        weight.data *= 5  # so that a change shows in four decimals
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    plain = compute.judge(model, REVIEWS)
    for name, way in compute.ways(model).items():
        with way():
            changed = compute.judge(model, REVIEWS)
        assert (changed == plain) == (name == "as it is"), name
        assert all(torch.equal(w, before[key]) for key, w in model.state_dict().items()), name


def test_at_random_a_share_is_zero():
    weight = compute.prune_at_random(torch.ones(100, 100), 0.3)
    assert (weight == 0).float().mean() == pytest.approx(0.3, abs=0.02)


@pytest.mark.usefixtures("network")
def test_the_mixture_is_as_large_as_one_dense_model_and_works_as_much_as_the_other():
    made = {name: make() for name, make in compute.mixtures().items()}
    count = {name: sum(p.numel() for p in net.parameters()) for name, net in made.items()}
    mixture = made["mixture"]
    assert isinstance(mixture, MixtureGPT)
    router = sum(b.mlp.router.weight.numel() for b in mixture.blocks)
    assert count["mixture"] == count["dense, as many in all"] + router
    idle = 6 / 8 * sum(p.numel() for b in mixture.blocks for p in b.mlp.experts.parameters())
    assert count["mixture"] - idle == count["dense, as many active"] + router


@pytest.mark.usefixtures("network")
def test_the_pupil_has_about_a_quarter_of_its_teacher_and_alone_it_learns_for_longer():
    pupil, teacher = compute.new_pupil(), compute.ladder.new_well()
    sizes = [sum(p.numel() for p in net.parameters()) for net in (pupil, teacher)]
    assert 0.2 < sizes[0] / sizes[1] < 0.3
    assert compute.longer(200) == 655


@pytest.mark.usefixtures("network")
def test_committed_runs_are_whole_and_the_pupil_that_is_kept_is_as_good_as_its_run():
    runs = compute.load_runs()
    assert set(runs["mixture"]) == set(compute.mixtures())
    assert set(runs["pupil"]) == set(compute.pupils())
    for part in ("mixture", "pupil"):
        for name, seeds in runs[part].items():
            assert len(seeds) == compute.SEEDS, name
            assert all(len(run["losses"]) == len(runs["teacher"]) for run in seeds), name
    assert all(len(losses) == compute.DOCUMENTS for losses in runs["llm"].values())
    found = np.mean(compute.held_out_losses(compute.load_pupil()[0]))
    assert found == pytest.approx(np.mean(runs["pupil"]["taught"][0]["losses"]), abs=5e-3)
