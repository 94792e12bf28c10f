"""The course's power-law fits against scipy's, and the committed runs against new ones."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.studies import scaling
from course_lib.studies.power_law import PowerLaw, fit_power_law, prediction_interval, resample

SIZES = np.geomspace(1e3, 1e5, 7)
LAW = PowerLaw(1.3, (12.0,), (0.4,), float("nan"))


@pytest.fixture(scope="module")
def corpus(network):
    return scaling.load_corpus()


def noisy(seed: int, spread: float = 0.01) -> np.ndarray:
    return LAW(SIZES) + spread * np.random.default_rng(seed).standard_normal(len(SIZES))


def test_a_law_is_recovered_from_runs_that_lie_on_it():
    found = fit_power_law(LAW(SIZES), SIZES)
    assert found.floor == pytest.approx(1.3, rel=1e-6)
    assert found.scales == pytest.approx((12.0,), rel=1e-5)
    assert found.exponents == pytest.approx((0.4,), rel=1e-6)
    assert found.spread < 1e-8


def test_a_law_of_size_and_data_is_recovered():
    law = PowerLaw(0.9, (8.0, 50.0), (0.3, 0.45), float("nan"))
    n, d = map(np.array, zip(*itertools.product(SIZES, np.geomspace(1e5, 4e6, 4)), strict=True))
    found = fit_power_law(law(n, d), n, d)
    assert found.floor == pytest.approx(0.9, rel=1e-4)
    assert found.exponents == pytest.approx((0.3, 0.45), rel=1e-4)
    assert found.scales == pytest.approx((8.0, 50.0), rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_a_fit_is_the_one_of_scipy(seed):
    losses = noisy(seed)
    ours = fit_power_law(losses, SIZES)
    theirs, _ = curve_fit(
        lambda x, e, a, p: e + a * (x / 1e4) ** -p, SIZES, losses, (1.3, 0.3, 0.4), xtol=1e-12
    )
    assert ours.floor == pytest.approx(theirs[0], rel=1e-4)
    assert ours.exponents[0] == pytest.approx(theirs[2], rel=1e-3)
    left = losses - ours(SIZES)
    assert ours.spread == pytest.approx(np.sqrt((left**2).sum() / (7 - 3)), rel=1e-6)


def test_a_fit_without_floor_is_the_one_of_scipy():
    losses = noisy(0)
    ours = fit_power_law(losses, SIZES, floor=False)
    theirs, _ = curve_fit(lambda x, a, p: a * (x / 1e4) ** -p, SIZES, losses, (2, 0.1))
    assert ours.floor == 0
    assert ours.exponents[0] == pytest.approx(theirs[1], rel=1e-4)


def test_a_floor_is_never_below_zero():
    assert fit_power_law(5 - 0.3 * np.log(SIZES), SIZES).floor == 0


def test_units_of_size_do_not_matter():
    one, thousand = fit_power_law(noisy(1), SIZES), fit_power_law(noisy(1), SIZES / 1000)
    assert one.exponents == pytest.approx(thousand.exponents, rel=1e-6)
    assert one(3e5) == pytest.approx(thousand(300), rel=1e-9)


@pytest.mark.parametrize(
    ("losses", "sizes", "message"),
    [
        ([3, 2, 1], [1, 2], r"sizes: expected shape \(3,\) like losses, got \(2,\)"),
        ([3, 2, 1.5], [1, 2, 2], "sizes: expected at least 3 different ones"),
        ([3, 2, 1.5], [0, 2, 3], "losses, sizes: expected finite numbers, sizes above 0"),
        ([3, float("nan"), 1.5], [1, 2, 3], "losses, sizes: expected finite numbers"),
        ([1, 2, 3], [1, 2, 3], "losses: expected them to fall as sizes grow"),
        ([3, 2, 1.5], [1, float("inf"), 3], "losses, sizes: expected finite numbers"),
    ],
)
def test_a_fit_says_what_is_wrong(losses, sizes, message):
    with pytest.raises(ValueError, match=message):
        fit_power_law(losses, sizes)


def test_two_kinds_of_size_need_five_runs_and_to_vary_by_themselves():
    with pytest.raises(ValueError, match=r"losses: expected at least 5, as the law has terms, got"):
        fit_power_law([4, 3, 2.5, 2], [1, 2, 3, 4], [1, 3, 2, 5])
    with pytest.raises(ValueError, match=r"sizes: expected kinds that don't grow in step"):
        fit_power_law(LAW(SIZES), SIZES, 20 * SIZES)


@pytest.mark.parametrize("size", [0, -1.0, float("nan"), float("inf"), [1e4, 0]])
def test_a_law_refuses_sizes_that_can_not_be(size):
    with pytest.raises(ValueError, match="sizes: expected numbers above 0, got"):
        LAW(size)
    with pytest.raises(ValueError, match=r"sizes: expected as many kinds as terms \(1\), got 2"):
        LAW(1e4, 1e4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda law: resample(law, SIZES, times=0),
            "times: expected a whole number above 0, got 0",
        ),
        (lambda law: resample(law, SIZES, seed=-1), "seed: expected a whole number, 0 or above, g"),
        (lambda law: resample(law, SIZES[:3]), "sizes: expected more runs than the law has numb"),
        (lambda law: prediction_interval([law], 1e5, level=1.5), "level: expected a share from 0"),
        (lambda law: prediction_interval([law], 1e5, level=-0.1), "level: expected a share from 0"),
        (lambda law: prediction_interval([], 1e5), "laws: expected at least one, got none"),
        (lambda law: scaling.config(6, 9), "width: expected a multiple of 4, got 6"),
        (lambda law: scaling.config(8.0, 9), "width: expected a whole number above 0, got 8.0"),
        (
            lambda law: scaling.hits(None, torch.arange(64)),
            r"tokens: expected shape \(n,\), n above",
        ),
        (
            lambda law: scaling.exact_match(torch.ones(2, 9), 3),
            r"right: expected booleans \(windows",
        ),
        (lambda law: scaling.exact_match(torch.ones(0, 9) > 0, 3), "right: expected booleans"),
        (lambda law: scaling.exact_match(torch.ones(2, 9) > 0, 2.0), "length: expected a whole n"),
        (lambda law: scaling.exact_match(torch.ones(2, 9) > 0, 0), "length: expected a whole num"),
    ],
)
def test_numbers_out_of_range_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(fit_power_law(noisy(0), SIZES))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 1.5}, "share: expected a share from 0 to 1, got 1.5"),
        ({"share": -0.5}, "share: expected a share from 0 to 1, got -0.5"),
        ({"share": float("nan")}, "share: expected a share from 0 to 1, got nan"),
        ({"epochs": 0}, "epochs: expected a whole number above 0, got 0"),
        ({"rate": 0.0}, "rate: expected a number above 0, got 0.0"),
        ({"seed": 0.5}, "seed: expected a whole number, 0 or above, got 0.5"),
    ],
)
def test_a_run_refuses_what_can_not_be(corpus, settings, message):
    with pytest.raises(ValueError, match=message):
        scaling.run(corpus, 8, **settings)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_hits_are_the_same_for_ids_of_a_narrower_type(dtype):
    torch.manual_seed(0)
    model = GPT(GPTConfig(3, context=scaling.CONTEXT, n_layers=1, n_heads=1, d_model=8)).eval()
    tokens = torch.randint(3, (3 * scaling.CONTEXT + 1,))
    assert torch.equal(scaling.hits(model, tokens.to(dtype)), scaling.hits(model, tokens))


def test_three_runs_leave_no_run_to_judge_the_spread_by():
    law = fit_power_law(LAW(SIZES[:3]), SIZES[:3])
    with pytest.raises(ValueError, match="law: expected a fit to more runs than it has numbers"):
        resample(law, SIZES[:3])


def test_intervals_hold_the_new_run_about_as_often_as_they_say():
    inside = 0
    for seed in range(60):
        laws = resample(fit_power_law(noisy(seed), SIZES), SIZES, times=60, seed=seed)
        low, high = prediction_interval(laws, 4e5, level=0.8)
        new = LAW(4e5) + 0.01 * np.random.default_rng(1000 + seed).standard_normal()
        inside += low <= new <= high
    assert 40 <= inside <= 57  # 48 expected


def test_intervals_widen_away_from_the_runs():
    laws = resample(fit_power_law(noisy(0), SIZES), SIZES, times=100)
    low, high = prediction_interval(laws, np.array([1e4, 1e6, 1e8]))
    assert np.all(np.diff(high - low) > 0)


def test_corpus_is_cut_by_whole_plays(corpus):
    windows = corpus.windows
    assert windows.shape[1] == scaling.CONTEXT + 1
    assert torch.equal(windows[1:, 0], windows[:-1, -1]), "side by side: every character once"
    text = set(map(tuple, windows[:, :-1].tolist()))
    for part in (corpus.validation, corpus.test):
        pieces = part.unfold(0, scaling.CONTEXT, scaling.CONTEXT)
        assert not text & set(map(tuple, pieces.tolist()))
        assert part.max() < corpus.vocab_size


@pytest.mark.parametrize("width", [8, 24])
def test_parameters_are_those_inside_the_blocks_and_the_last_norm(width):
    shape = scaling.config(width, 76)
    model = Speedrun(shape)
    inside = sum(p.numel() for p in [*model.blocks.parameters(), *model.norm.parameters()])
    assert scaling.non_embedding_parameters(shape) == inside
    assert inside == pytest.approx(24 * width**2, rel=0.05), "12 · layers · width²"


@pytest.mark.parametrize("changes", [{"tied": True}, {"positions": "learned"}])
def test_embeddings_and_learned_positions_are_left_out(changes):
    shape = SpeedrunConfig(50, ngrams=1, **changes)
    model = Speedrun(shape)
    inside = sum(p.numel() for p in [*model.blocks.parameters(), *model.norm.parameters()])
    assert scaling.non_embedding_parameters(shape) == inside


def test_exact_match_is_what_greedy_generation_gives():
    torch.manual_seed(0)
    model = GPT(GPTConfig(3, context=scaling.CONTEXT, n_layers=1, n_heads=1, d_model=8)).eval()
    tokens = torch.randint(3, (40 * scaling.CONTEXT + 1,))
    length, half = 3, scaling.CONTEXT // 2
    matches = []
    for window in tokens.unfold(0, scaling.CONTEXT + 1, scaling.CONTEXT):
        for start in range(half + 1, scaling.CONTEXT + 2 - length, length):
            written = window[:start]
            for _ in range(length):
                following = model(written[None])[0, -1].argmax()
                written = torch.cat([written, following[None]])
            matches.append(torch.equal(written, window[: start + length]))
    found = scaling.exact_match(scaling.hits(model, tokens), length)
    assert 0 < found < 0.5
    assert found == pytest.approx(np.mean(matches))


def test_exact_match_needs_a_length_that_fits():
    with pytest.raises(ValueError, match="length: expected 1 to 32, got 33"):
        scaling.exact_match(torch.ones(2, 32, dtype=torch.bool), 33)


def test_a_share_must_leave_two_batches(corpus):
    with pytest.raises(ValueError, match="share: expected at least two batches"):
        scaling.run(corpus, 8, share=1e-5)


def test_committed_runs_are_those_of_the_plan():
    wanted = {tuple((scaling.DEFAULTS | s)[k] for k in scaling.SETTINGS) for s in scaling.planned()}
    found = [tuple(run[k] for k in scaling.SETTINGS) for run in scaling.load_runs()[0]]
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_a_committed_run_comes_out_again(corpus):
    runs, _ = scaling.load_runs()
    known = next(r for r in runs if r["width"] == 8 and r["share"] == 1 / 16)
    settings = {k: known[k] for k in ("width", "share", "epochs", "rate", "seed")}
    again = scaling.run(corpus, **settings, progress=False)
    assert again["parameters"] == known["parameters"]
    assert again["characters"] == known["characters"]
    assert again["loss"] == pytest.approx(known["loss"], abs=0.01)
    assert again["exact"][0] == pytest.approx(known["exact"][0], abs=0.01)
