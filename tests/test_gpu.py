"""On a GPU the package computes what it computes on the processor.

``benchmarks/gpu.py`` runs these where no other tests' packages are, so nothing of theirs is used.
"""

import pytest
import torch

from course_lib.attention import MultiHeadAttention
from course_lib.generation import generate_tokens
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.training import RECIPES, random_windows, recipe_optimizers, train

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here"),
]
LOW = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.02}  # how far results may lie apart


def small_model(recipe: str) -> GPT:
    torch.manual_seed(0)
    shape = {"context": 32, "n_layers": 2, "n_heads": 2, "d_model": 64}
    if recipe == "speedrun":
        return Speedrun(SpeedrunConfig(50, **shape))
    return GPT(getattr(GPTConfig, recipe)(50, **shape))


def text() -> torch.Tensor:
    """Ids that can be learned: each follows from the one before."""
    return torch.arange(4000) * 7 % 50


def run(recipe: str, device: str, precision: str, steps: int = 30, **settings) -> tuple:
    model = small_model(recipe).to(device)
    optimizers, schedule = recipe_optimizers(model, recipe, 60)
    windows = random_windows(text(), 8, 32)
    more = {"device": device, "precision": precision, "progress": False, **settings}
    result = train(model, windows, steps=steps, optimizer=optimizers, schedule=schedule, **more)
    return model, result


@pytest.mark.parametrize("precision", LOW)
def test_attention_fused_and_written_out_agree(precision):
    torch.manual_seed(0)
    dtype = getattr(torch, precision)
    layer, x = MultiHeadAttention(64, 4), torch.randn(2, 33, 64)
    expected, _ = layer(x, causal=True, return_weights=True)
    layer, x = layer.to(DEVICE, dtype), x.to(DEVICE, dtype)
    for got in (layer(x, causal=True), layer(x, causal=True, return_weights=True)[0]):
        got = got[0] if isinstance(got, tuple) else got
        torch.testing.assert_close(got.float().cpu(), expected, atol=LOW[precision], rtol=0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("precision", LOW)
def test_a_models_logits_are_the_processors(recipe, precision):
    model, tokens = small_model(recipe), torch.randint(50, (3, 32))
    expected = model(tokens)
    got = model.to(DEVICE, getattr(torch, precision))(tokens.to(DEVICE)).float().cpu()
    torch.testing.assert_close(got, expected, atol=2 * LOW[precision], rtol=0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("precision", LOW)
def test_training_learns_as_on_the_processor(recipe, precision):
    expected = run(recipe, "cpu", "float32")[1].loss
    got = run(recipe, DEVICE, precision)[1].loss
    assert got == pytest.approx(expected, abs=0.01 if precision == "float32" else 0.1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_generation_writes_the_processors_text(recipe):
    model, _ = run(recipe, "cpu", "float32", steps=60)
    prompts = [[0, 7, 14], [21], [3, 10]]
    expected = generate_tokens(model, prompts, max_new_tokens=20)
    assert generate_tokens(model.to(DEVICE), prompts, max_new_tokens=20) == expected


@pytest.mark.parametrize("precision", LOW)
def test_a_run_goes_on_from_its_checkpoint(tmp_path, precision):
    whole, _ = run("gpt2", DEVICE, precision, steps=20)
    run("gpt2", DEVICE, precision, steps=10, checkpoint=tmp_path)
    resumed, _ = run("gpt2", DEVICE, precision, steps=20, checkpoint=tmp_path)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_a_checkpoint_of_the_gpu_goes_on_on_the_processor(tmp_path):
    run("gpt2", DEVICE, "float32", steps=10, checkpoint=tmp_path)
    got = run("gpt2", "cpu", "float32", steps=30, checkpoint=tmp_path)[1].loss
    assert got == pytest.approx(run("gpt2", "cpu", "float32")[1].loss, abs=0.01)
