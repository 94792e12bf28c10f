"""LoRA against peft: same seed, same steps, same merged weights."""

import copy
import errno
import json
import random

import peft
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from course_lib.model import GPT, GPTConfig
from course_lib.model.lora import LoRALinear, add_lora, load_lora, merge_lora, save_lora

TARGETS = ("q_proj", "v_proj", "up")


def small_model(dtype=torch.float32):
    torch.manual_seed(0)
    return GPT(GPTConfig(23, context=16, n_layers=2, n_heads=2, d_model=12)).to(dtype).eval()


def pair(dtype=torch.float32, dropout=0.0):
    """Return a model with our LoRA and one with peft's, from the same seed."""
    ours, theirs = small_model(dtype), small_model(dtype)
    torch.manual_seed(1)
    add_lora(ours, rank=3, alpha=12.0, targets=TARGETS, dropout=dropout)
    config = peft.LoraConfig(
        r=3, lora_alpha=12.0, target_modules=list(TARGETS), lora_dropout=dropout
    )
    torch.manual_seed(1)
    return ours, peft.get_peft_model(theirs, config)


def trained(model):
    """Return the trained weights by our names."""
    return {
        name.removeprefix("base_model.model.").replace(".default", ""): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def tokens(seed=2):
    return torch.randint(23, (4, 16), generator=torch.Generator().manual_seed(seed))


def train(model, steps=5):
    """Take steps with dropout, if there is any; return the gradients of the last."""
    weights = trained(model)
    optimizer = torch.optim.SGD(weights.values(), lr=1.0)
    model.train()
    for step in range(steps):
        torch.manual_seed(step)
        batch = tokens(step)
        loss = F.cross_entropy(model(batch)[:, :-1].flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    return {name: weight.grad for name, weight in weights.items()}


def test_same_seed_gives_peft_s_weights():
    ours, theirs = map(trained, pair())
    assert ours.keys() == theirs.keys()
    assert len(ours) == 2 * 3 * 2
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-3)])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_outputs_gradients_and_trained_weights_equal_peft_s(dtype, atol, dropout):
    ours, theirs = pair(dtype, dropout)
    gradients, wanted = train(ours), train(theirs)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], atol=atol, rtol=atol)
        assert gradient.dtype == torch.float32
        assert gradient.abs().max() > 0
    for name, weight in trained(ours).items():
        torch.testing.assert_close(weight, trained(theirs)[name], atol=atol, rtol=atol)
    with torch.no_grad():
        got = ours(tokens())
        torch.testing.assert_close(got, theirs(tokens()), atol=10 * atol, rtol=10 * atol)
        assert (got - small_model(dtype)(tokens())).abs().max() > 20 * atol


def test_merged_weights_equal_peft_s():
    ours, theirs = pair()
    train(ours)
    train(theirs)
    with torch.no_grad():
        before = ours(tokens())
    merge_lora(ours)
    wanted = theirs.merge_and_unload().state_dict()
    got = ours.state_dict()
    assert got.keys() == wanted.keys() == small_model().state_dict().keys()
    for name, weight in got.items():
        torch.testing.assert_close(weight, wanted[name], atol=1e-6, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens()), before, atol=1e-5, rtol=1e-5)


def test_nothing_changes_before_training_and_only_the_change_is_trained():
    model, plain = small_model(), small_model()
    add_lora(model)
    with torch.no_grad():
        assert torch.equal(model(tokens()), plain(tokens()))
    train(model)
    for name, weight in plain.state_dict().items():
        name = (
            name.replace("_proj.", "_proj.base.") if "q_proj" in name or "v_proj" in name else name
        )
        assert torch.equal(model.state_dict()[name], weight), name
    assert sum(w.numel() for w in trained(model).values()) == 2 * 2 * 8 * (12 + 12)


def test_saved_change_is_small_and_loads_into_a_fresh_model(tmp_path):
    ours, _ = pair()
    train(ours)
    path = tmp_path / "change.safetensors"
    save_lora(ours, path)
    fresh = small_model()
    load_lora(fresh, path)
    with torch.no_grad():
        assert torch.equal(fresh(tokens()), ours(tokens()))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    merge_lora(ours)
    merge_lora(fresh)
    assert all(map(torch.equal, fresh.state_dict().values(), ours.state_dict().values()))


def test_foreign_files_and_models_are_refused(tmp_path):
    ours, _ = pair()
    save_lora(ours, tmp_path / "ours")
    other = GPT(GPTConfig(23, context=16, n_layers=3, n_heads=2, d_model=12))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match=r"ours: expected layers of this model's names and shapes"):
        load_lora(other, tmp_path / "ours")
    assert other.state_dict().keys() == before.keys(), "it is as it was"
    assert all(p.requires_grad for p in other.parameters())
    save_file({"x": torch.ones(1)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match=r"foreign: expected a file that save_lora\(\) wrote"):
        load_lora(small_model(), tmp_path / "foreign")


def as_it_was(model):
    """Return what a refused file must leave as it was."""
    flags = [(module.training, type(module)) for module in model.modules()]
    return {
        **model.state_dict(),
        **{f"{n} trained": p.requires_grad for n, p in model.named_parameters()},
        "flags": flags,
    }


def assert_refused(path, message):
    model = small_model()
    before = copy.deepcopy(as_it_was(model))
    with pytest.raises(ValueError, match=message):
        load_lora(model, path)
    after = as_it_was(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert torch.equal(after[name], value) if torch.is_tensor(value) else after[name] == value


JUNK = {
    "empty": b"",
    "zeros": bytes(5000),
    "random": random.Random(0).randbytes(5000),
    "JSON": b'{"lora": {"rank": 8}}',
    "a header that is no JSON": (5).to_bytes(8, "little") + b"[[[[[" + bytes(100),
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_is_refused_with_one_error_and_changes_nothing(tmp_path, name):
    (tmp_path / "junk").write_bytes(JUNK[name])
    assert_refused(tmp_path / "junk", r"junk: expected a file that save_lora\(\) wrote")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    ours, _ = pair()
    save_lora(ours, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for length in [*range(0, len(whole), 211), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:length])
        assert_refused(tmp_path / "cut", r"cut: expected a file that save_lora\(\) wrote")


def test_a_folder_is_refused_and_a_file_that_is_not_there_named(tmp_path):
    assert_refused(tmp_path, r"expected a file that save_lora\(\) wrote")
    with pytest.raises(FileNotFoundError, match="not_there"):
        load_lora(small_model(), tmp_path / "not_there")


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "no JSON",
        "[1]",
        "[" * 100_000,
        '{"alphas": {}}',
        '{"alphas": 3, "without": []}',
        '{"alphas": {"blocks.0.attention.q_proj": 0}, "without": []}',
        '{"alphas": {"blocks.0.attention.q_proj": "16"}, "without": []}',
        '{"alphas": {"blocks.0.attention.q_proj": NaN}, "without": []}',
    ],
)
def test_a_file_whose_description_is_wrong_is_refused(tmp_path, metadata):
    ours, _ = pair()
    save_lora(ours, tmp_path / "whole")
    save_file(load_file(tmp_path / "whole"), tmp_path / "wrong", {"lora": metadata})
    assert_refused(tmp_path / "wrong", r"wrong: expected a file that save_lora\(\) wrote")


def left_out(weights, alphas):
    weights.pop("blocks.0.attention.q_proj.lora_B.weight")


def too_much(weights, alphas):
    weights["x"] = torch.ones(1)


def another_rank(weights, alphas):
    weights["blocks.0.attention.q_proj.lora_A.weight"] = torch.ones(2, 12)


def no_matrix(weights, alphas):
    weights["blocks.0.attention.q_proj.lora_A.weight"] = torch.tensor(1.0)


def whole_numbers(weights, alphas):
    name = "blocks.0.attention.q_proj.lora_A.weight"
    weights[name] = weights[name].long()


def not_described(weights, alphas):
    alphas.pop("blocks.0.attention.q_proj")


def without_weights(weights, alphas):
    alphas["blocks.0.attention.k_proj"] = 16


def no_linear_layer(weights, alphas):
    alphas["blocks.0.attention"] = alphas.pop("blocks.0.attention.q_proj")


@pytest.mark.parametrize(
    "change",
    [
        left_out,
        too_much,
        another_rank,
        no_matrix,
        whole_numbers,
        not_described,
        without_weights,
        no_linear_layer,
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(tmp_path, change):
    ours, _ = pair()
    save_lora(ours, tmp_path / "whole")
    weights = load_file(tmp_path / "whole")
    alphas = {name.rpartition(".lora_")[0]: 12.0 for name in weights}
    change(weights, alphas)
    shape = {"alphas": alphas, "without": []}
    save_file(weights, tmp_path / "other", {"lora": json.dumps(shape)})
    assert_refused(tmp_path / "other", r"other: expected layers of this model's names and shapes")


def test_layers_of_different_rank_and_alpha_and_only_some_load_equal(tmp_path):
    ours = small_model()
    ours.requires_grad_(False)
    torch.manual_seed(3)
    for name, rank, alpha in (
        ("blocks.0.attention.q_proj", 2, 3.0),
        ("blocks.1.attention.q_proj", 5, 40),
        ("blocks.1.mlp.down", 1, 0.5),
    ):
        ours.set_submodule(name, LoRALinear(ours.get_submodule(name), rank, alpha))
    train(ours)
    save_lora(ours, tmp_path / "change")
    fresh = small_model()
    load_lora(fresh, tmp_path / "change")
    with torch.no_grad():
        assert torch.equal(fresh(tokens()), ours(tokens()))
        assert not torch.equal(fresh(tokens()), small_model()(tokens()))
    assert trained(fresh).keys() == trained(ours).keys()
    for name, module in ours.named_modules():
        if isinstance(module, LoRALinear):
            other = fresh.get_submodule(name)
            assert (other.rank, other.alpha) == (module.rank, module.alpha)


def test_an_alpha_that_can_not_be_is_refused_before_anything_is_written(tmp_path):
    ours, _ = pair()
    ours.blocks[0].attention.q_proj.alpha = 0.0
    with pytest.raises(ValueError, match=r"alpha: expected a number above 0, got 0.0"):
        save_lora(ours, tmp_path / "change")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "moment", ["course_lib.model.lora.save_file", "course_lib.files.flush", "os.replace"]
)
def test_a_full_disk_leaves_the_file_before_and_nothing_else(tmp_path, monkeypatch, moment):
    ours, _ = pair()
    path = tmp_path / "change"
    save_lora(ours, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(moment, full)
    train(ours)
    with pytest.raises(OSError, match=r"change: it can't be written \(No space left on device\); "):
        save_lora(ours, path)
    assert [p.name for p in tmp_path.iterdir()] == ["change"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank: expected a whole number above 0, got 0"),
        ({"rank": 2.0}, "rank: expected a whole number above 0, got 2.0"),
        ({"rank": True}, "rank: expected a whole number above 0, got True"),
        ({"alpha": 0}, "alpha: expected a number above 0, got 0"),
        ({"alpha": -1.0}, "alpha: expected a number above 0, got -1.0"),
        ({"alpha": float("nan")}, "alpha: expected a number above 0, got nan"),
        ({"alpha": float("inf")}, "alpha: expected a number above 0, got inf"),
        ({"dropout": 1.0}, "dropout: expected a share from 0 up to, .*, got 1.0"),
        ({"dropout": -0.1}, "dropout: expected a share from 0 up to, .*, got -0.1"),
        ({"targets": []}, "targets: expected names of linear layers, got none"),
    ],
)
def test_numbers_out_of_range_are_named_and_change_nothing(settings, message):
    model = small_model()
    with pytest.raises(ValueError, match=message):
        add_lora(model, **settings)
    assert all(p.requires_grad for p in model.parameters())
    if "targets" not in settings:
        with pytest.raises(ValueError, match=message):
            LoRALinear(torch.nn.Linear(3, 3), **{"rank": 2, "alpha": 4.0, **settings})


def test_bad_input_is_named():
    model = small_model()
    with pytest.raises(ValueError, match="targets: expected names of linear layers, got proj"):
        add_lora(model, targets=["q_proj", "proj"])
    with pytest.raises(ValueError, match=r"got blocks.0.attention, blocks.1.attention"):
        add_lora(model, targets=["attention"])
    with pytest.raises(ValueError, match="model: expected one with LoRA, got one without"):
        save_lora(model, "nowhere")
    add_lora(model)
    with pytest.raises(ValueError, match="expected one without LoRA, got one with it"):
        add_lora(model)
