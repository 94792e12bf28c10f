"""The residual stream: read it, read it as words, change it, and put one run's into another.

The logit lens is from nostalgebraist (2020), patching one run's activations into another from Meng
et al. (2022), 'Locating and Editing Factual Associations in GPT'.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.checks import check_ids, expect
from course_lib.model import GPT

Score = Callable[[Tensor], Tensor]  # (B, V) logits behind the last token to (B,)


@torch.no_grad()
def residual_stream(model: GPT, tokens: Tensor) -> Tensor:
    """Return what enters the first block, and what each block gives out.

    Args:
        model: any GPT.
        tokens: (B, T).

    Returns:
        (n_layers + 1, B, T, d_model).
    """
    seen: list[Tensor] = []
    blocks: list[nn.Module] = list(model.blocks)
    hooks = [blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))]
    hooks += [block.register_forward_hook(lambda *given: seen.append(given[2])) for block in blocks]
    try:
        model.states(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(seen)


@torch.no_grad()
def logit_lens(model: GPT, tokens: Tensor) -> Tensor:
    """Return the logits that the model would give if it ended after each layer.

    Args:
        model: any GPT.
        tokens: (B, T).

    Returns:
        (n_layers + 1, B, T, vocab_size); the last are the model's own.
    """
    return model.logits(model.norm(residual_stream(model, tokens)))


@contextmanager
def changed_stream(model: GPT, layer: int, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it, the stream after a layer is what ``change`` makes of it.

    Args:
        model: any GPT.
        layer: how many blocks the stream has passed, 0 to n_layers.
        change: takes and gives (B, T, d_model).

    Raises:
        ValueError: if there is no such layer.
    """
    blocks: list[nn.Module] = list(model.blocks)
    check_ids("layer", [layer], len(blocks) + 1)
    if layer == 0:
        hook = blocks[0].register_forward_pre_hook(lambda _, given: (change(given[0]), *given[1:]))
    else:
        hook = blocks[layer - 1].register_forward_hook(lambda *given: change(given[2]))
    try:
        yield
    finally:
        hook.remove()


@torch.no_grad()
def last_score(model: GPT, tokens: Tensor, score: Score) -> Tensor:
    """Return the score (B,) of the logits behind the last token of each row."""
    return score(model.logits(model.states(tokens)[:, -1]))


@torch.no_grad()
def patch_stream(
    model: GPT, clean: Tensor, corrupted: Tensor, donor: Tensor, score: Score
) -> Tensor:
    """Return how much of the clean score comes back if one vector is put into the corrupted run.

    The vector is the donor's at the same layer and place. 0 is the corrupted run's score, 1 the
    clean one's. Before the first token in which donor and corrupted text differ nothing can
    change, and nothing is computed there.

    Args:
        model: any GPT.
        clean: (T,) token ids.
        corrupted: (T,).
        donor: (T,), whose vectors are put in: the clean text, or for a control another one.
        score: takes the logits (B, V) behind the last token, gives (B,).

    Returns:
        (n_layers + 1, T).

    Raises:
        ValueError: if the texts differ in length, or donor and corrupted are the same, or clean and
            corrupted text have the same score.
    """
    for name, other in {"corrupted": corrupted, "donor": donor}.items():
        expect(other.shape == clean.shape, name, f"shape {tuple(clean.shape)}", tuple(other.shape))
    expect(not torch.equal(donor, corrupted), "donor", "another text than corrupted", "the same")
    high, low = last_score(model, torch.stack([clean, corrupted]), score).tolist()
    expect(
        high != low, "score", "another for the clean than for the corrupted text", f"{high} twice"
    )
    # One row for each place that can matter; in each, one vector is the donor's.
    first = int((donor != corrupted).nonzero()[0])
    places = torch.arange(first, len(clean), device=clean.device)
    rows = torch.arange(len(places), device=clean.device)
    given = residual_stream(model, donor[None])[:, 0]  # (n_layers + 1, T, d_model)
    shares = torch.zeros(len(given), len(clean), device=clean.device)
    for layer, vectors in enumerate(given):

        def patched(stream: Tensor, vectors: Tensor = vectors) -> Tensor:
            stream = stream.clone()
            stream[rows, places] = vectors[places]
            return stream

        with changed_stream(model, layer, patched):
            found = last_score(model, corrupted.expand(len(rows), -1), score)
        shares[layer, first:] = (found - low) / (high - low)
    return shares
