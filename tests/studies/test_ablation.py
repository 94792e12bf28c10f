"""The models with a part taken out, and their committed runs."""

import pytest
import torch

from course_lib.model import GPTConfig
from course_lib.studies import ablation

CONFIG = GPTConfig(20, context=8, n_layers=2, d_model=16)
TOKENS = torch.randint(20, (2, 8), generator=torch.Generator().manual_seed(0))
# What the whole model has and the model without the part hasn't.
MISSING = {
    "nothing": set(),
    "heads": set(),
    "positions": {"position_embedding"},
    "attention": {"attention", "attention_norm"},
    "MLP": {"mlp", "mlp_norm"},
    "normalization": {"norm", "attention_norm", "mlp_norm"},
    "residual stream": set(),
}


@pytest.mark.parametrize("part", ablation.PARTS)
def test_only_the_part_s_weights_are_gone_and_all_others_are_trained(part):
    torch.manual_seed(0)
    whole, model = (ablation.without(p, CONFIG) for p in ("nothing", part))
    names = dict(model.named_parameters())
    gone = set(dict(whole.named_parameters())) - set(names)
    assert {
        name.split(".")[-2 if "norm" in name else 2 if "blocks" in name else 0] for name in gone
    } == MISSING[part]
    model(TOKENS).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in names.values())


@pytest.mark.parametrize("part", ablation.PARTS)
def test_every_model_stays_causal(part):
    torch.manual_seed(0)
    model = ablation.without(part, CONFIG).double()
    changed = TOKENS.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 20
    before, after = model(TOKENS), model(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5], atol=1e-12, rtol=0)
    assert (before[:, 5:] - after[:, 5:]).abs().amax(-1).min() > 1e-9


def test_without_attention_no_token_sees_another():
    model = ablation.without("attention", CONFIG)
    changed = TOKENS.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 20
    assert torch.equal(model(TOKENS)[:, 1:], model(changed)[:, 1:])


def test_without_the_stream_a_block_forgets_its_input_where_the_mlp_gives_nothing():
    model = ablation.without("residual stream", CONFIG)
    for block in model.blocks:
        torch.nn.init.zeros_(block.mlp.down.weight)
    assert not model.blocks[0](torch.randn(1, 3, 16)).any()


def test_one_head_is_as_wide_as_all_were():
    model = ablation.without("heads", CONFIG)
    assert [block.attention.head_dim for block in model.blocks] == [16, 16]


def test_unknown_part_is_named():
    with pytest.raises(ValueError, match=r"part: expected one of nothing, .*, got 'wheels'"):
        ablation.without("wheels", CONFIG)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_layers": 0}, "n_layers: expected a whole number above 0, got 0"),
        ({"steps": 2.5}, "steps: expected a whole number above 0, got 2.5"),
        ({"every": -1}, "every: expected a whole number above 0, got -1"),
        ({"learning_rate": 0}, "learning_rate: expected a number above 0, got 0"),
        ({"seed": -1}, "seed: expected a whole number, 0 or above, got -1"),
    ],
)
def test_a_run_refuses_numbers_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        ablation.run(
            "nothing", **{"n_layers": 1, "steps": 2, "learning_rate": 0.1, "every": 1, **settings}
        )


def test_committed_runs_are_whole():
    runs = ablation.load_runs()
    assert tuple(runs) == ablation.PARTS
    for part, curves in runs.items():
        assert len(curves) == 3, part
        for curve in curves:
            assert [step for step, _ in curve] == list(range(100, 1001, 100)), part
            assert all(1 < loss < 5 for _, loss in curve), part
