"""The residual stream, read and changed: against the model's own forward and a second way."""

import pytest
import torch

from course_lib.interpret import (
    changed_stream,
    last_score,
    logit_lens,
    patch_stream,
    residual_stream,
)
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig

SMALL = {"context": 16, "n_layers": 3, "n_heads": 4, "d_model": 32}
MODELS = {
    "gpt2": lambda: GPT(GPTConfig.gpt2(20, **SMALL)),
    "llama": lambda: GPT(GPTConfig.llama(20, **SMALL, n_kv_heads=2, tied=False)),
    "speedrun": lambda: Speedrun(SpeedrunConfig(20, **SMALL)),
}
TEXT = torch.randint(20, (2, 7), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    torch.manual_seed(0)
    model = request.param().eval()
    # Weights as large as training makes them: with small ones all tokens are nearly alike.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.copy_(torch.randn_like(weight) / weight.shape[1] ** 0.5)
    return model


@pytest.fixture
def gpt():
    torch.manual_seed(0)
    return GPT(GPTConfig.gpt2(20, **SMALL)).eval()


def first_of_two(logits):
    return logits[:, 3] - logits[:, 5]


def test_the_stream_s_ends_are_the_embeddings_and_what_the_last_norm_reads(gpt):
    stream = residual_stream(gpt, TEXT)
    assert stream.shape == (4, 2, 7, 32)
    places = gpt.position_embedding.weight[:7]
    torch.testing.assert_close(stream[0], (gpt.token_embedding(TEXT) + places).detach())
    torch.testing.assert_close(gpt.norm(stream[-1]), gpt.states(TEXT))


def test_each_layer_of_the_stream_is_the_one_before_through_a_block(gpt):
    stream = residual_stream(gpt, TEXT)
    for before, after, block in zip(stream, stream[1:], gpt.blocks, strict=False):
        torch.testing.assert_close(block(before, causal=True).detach(), after)


def test_the_last_layer_through_the_lens_is_the_model_itself(model):
    lens = logit_lens(model, TEXT)
    assert lens.shape == (4, 2, 7, 20)
    torch.testing.assert_close(lens[-1], model(TEXT).detach())


def test_a_stream_that_is_put_back_changes_nothing_and_a_changed_one_does(model):
    stream, whole = residual_stream(model, TEXT), model(TEXT)
    for layer, vectors in enumerate(stream):
        with changed_stream(model, layer, lambda given, vectors=vectors: vectors):
            torch.testing.assert_close(model(TEXT), whole)
        with changed_stream(model, layer, lambda given: given.flip(1)):
            assert not torch.allclose(model(TEXT), whole)
    torch.testing.assert_close(model(TEXT), whole)  # no hook is left


def test_whoever_raises_within_leaves_no_hook(gpt):
    with pytest.raises(KeyError), changed_stream(gpt, 1, torch.zeros_like):
        raise KeyError
    assert gpt(TEXT).std() > 0
    assert not any(module._forward_hooks for module in gpt.modules())


def test_the_last_score_reads_the_logits_behind_the_last_token(gpt):
    torch.testing.assert_close(
        last_score(gpt, TEXT, first_of_two), first_of_two(gpt(TEXT)[:, -1].detach())
    )


def test_patched_shares_are_those_of_one_run_each(model):
    clean, corrupted = TEXT[0], TEXT[0].clone()
    corrupted[2:4] = (corrupted[2:4] + 1) % 20
    shares = patch_stream(model, clean, corrupted, clean, first_of_two)
    high, low = (last_score(model, text[None], first_of_two) for text in (clean, corrupted))
    stream = residual_stream(model, clean[None])
    for layer in range(4):
        for place in range(7):

            def put(given, layer=layer, place=place):
                given = given.clone()
                given[:, place] = stream[layer, :, place]
                return given

            with changed_stream(model, layer, put):
                found = last_score(model, corrupted[None], first_of_two)
            share = ((found - low) / (high - low)).item()
            assert shares[layer, place].item() == pytest.approx(share, rel=1e-4, abs=1e-4)


def test_patching_laws(gpt):
    clean, corrupted = TEXT[0], TEXT[0].clone()
    corrupted[2] = (corrupted[2] + 1) % 20
    shares = patch_stream(gpt, clean, corrupted, clean, first_of_two)
    assert (shares[:, :2] == 0).all()  # no later token is seen
    assert shares[0, 2].item() == pytest.approx(1, abs=1e-4)  # the only token that differs
    assert shares[-1, -1].item() == pytest.approx(1, abs=1e-4)  # all that the head reads
    assert shares[-1, :-1].abs().max() < 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXT[0], TEXT[0, :5], TEXT[0]), r"corrupted: expected shape \(7,\), got \(5,\)"),
        ((TEXT[0], TEXT[1], TEXT[0, :5]), r"donor: expected shape \(7,\), got \(5,\)"),
        ((TEXT[0], TEXT[1], TEXT[1]), "donor: expected another text than corrupted"),
        ((TEXT[0], TEXT[0], TEXT[1]), "score: expected another for the clean"),
    ],
)
def test_what_can_t_be_patched_is_said(gpt, arguments, message):
    with pytest.raises(ValueError, match=message):
        patch_stream(gpt, *arguments, first_of_two)


@pytest.mark.parametrize("layer", [-1, 4, 1.5])
def test_a_layer_that_isn_t_there_is_refused(gpt, layer):
    with pytest.raises(ValueError, match="layer: expected whole numbers from 0 to 3"):
        changed_stream(gpt, layer, torch.zeros_like).__enter__()
