"""LoRA against peft: same seed, same steps, same merged weights."""

import copy

import peft
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from course_lib.lora import add_lora, load_lora, merge_lora, save_lora
from course_lib.model import GPT, GPTConfig

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
    save_file({"x": torch.ones(1)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match=r"foreign: expected a file that save_lora\(\) wrote"):
        load_lora(small_model(), tmp_path / "foreign")


def test_bad_input_is_named():
    model = small_model()
    with pytest.raises(ValueError, match="targets: expected names of linear layers, got proj"):
        add_lora(model, targets=["q_proj", "proj"])
    with pytest.raises(ValueError, match=r"got blocks.0.attention, blocks.1.attention"):
        add_lora(model, targets=["attention"])
    with pytest.raises(ValueError, match="rank: expected at least 1, got 0"):
        add_lora(model, rank=0)
    with pytest.raises(ValueError, match="model: expected one with LoRA, got one without"):
        save_lora(model, "nowhere")
    add_lora(model)
    with pytest.raises(ValueError, match="expected one without LoRA, got one with it"):
        add_lora(model)
