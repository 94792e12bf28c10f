"""Features of SmolLM2's stream, found by a sparse autoencoder: how many can be named, and controls.

Taught in 'Interpretability'. The texts are film reviews, the states those after half of the blocks.
The same is done on a model whose weights are shuffled. To make the results takes about four minutes
of one core.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import regex as re
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.data import load_film_reviews
from course_lib.interpret import (
    explained,
    fit_autoencoder,
    named,
    residual_stream,
    strongest,
)
from course_lib.model import GPT
from course_lib.pretrained import load_smollm2
from course_lib.studies import kit
from course_lib.text import BPETokenizer

FILES = ("runs/features.json",)
DATA = ("film-reviews", "smollm2")
LAYER, TEXTS, LENGTH, EACH = 15, 400, 128, 50  # each 50th review
FIT, CHOOSE = 300, 350  # texts to fit; from there to choose a name; the rest to test it
FEATURES, ACTIVE, STEPS, RATE, SEEDS = 1024, 16, 300, 2e-3, 3
FREQUENT = 300  # tokens that have a rule of their own
ENDINGS = ("ing", "ed", "s", "ly", "er", "tion", "y")
SHOWN, CONTEXTS, WINDOW = 24, 6, 8  # features with and without a name, their contexts, tokens


def read_texts(tokenizer: BPETokenizer, count: int = TEXTS) -> Tensor:
    """Return the tokens (count, LENGTH) of as many reviews that are long enough."""
    rows = []
    for review in load_film_reviews()[::EACH]:
        ids = tokenizer.encode(re.sub(r"<br\s*/?>", " ", review.text))
        if len(ids) >= LENGTH:
            rows.append(ids[:LENGTH])
        if len(rows) == count:
            break
    return torch.tensor(rows)


def shuffle_weights(model: GPT, seed: int = 0) -> None:
    """Put the entries of each matrix in an order by chance."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        if weight.dim() == 2:
            flat = weight.data.flatten()
            weight.data = flat[torch.randperm(len(flat), generator=generator)].view_as(weight)


def read_states(model: GPT, tokens: Tensor) -> Tensor:
    """Return the stream after LAYER blocks (n, LENGTH - 1, d_model), without the first token.

    The states have mean 0, and lengths whose mean is the root of their width.
    """
    blocks, model.blocks = model.blocks, model.blocks[:LAYER]
    found = [residual_stream(model, part)[-1, :, 1:] for part in tokens.split(8)]
    model.blocks = blocks
    states = torch.cat(found)
    states = states - states.mean((0, 1))
    return states * states.shape[-1] ** 0.5 / states.norm(dim=-1).mean()


def _ends(end: str, word: str) -> bool:
    return word.endswith(end) and len(word) > len(end) + 1


def rules(tokenizer: BPETokenizer, tokens: Tensor) -> dict[str, Tensor]:
    """Return by name where a rule holds (n, LENGTH - 1): the token, its kind, the one before."""
    now, before = tokens[:, 1:], tokens[:, :-1]
    words = [tokenizer.decode([i]) for i in range(tokenizer.vocab_size)]
    counts = tokens[CHOOSE - 50 : CHOOSE].flatten().bincount(minlength=len(words))
    found: dict[str, Tensor] = {}
    for i in counts.argsort(descending=True, stable=True)[:FREQUENT].tolist():
        found[f"token {words[i]!r}"], found[f"after {words[i]!r}"] = now == i, before == i
    # Kinds of tokens.
    kinds: dict[str, Callable[[str], bool]] = {
        "a capital": lambda word: word[:1].isupper(),
        "a digit": lambda word: word[:1].isdigit(),
        "punctuation": lambda word: word != "" and not word[0].isalnum(),
        **{f"ends in -{end}": partial(_ends, end) for end in ENDINGS},
    }
    for name, holds in kinds.items():
        mask = torch.tensor([holds(word.strip()) for word in words])
        found[name], found[f"after: {name}"] = mask[now], mask[before]
    mask = torch.tensor([word[:1].isalpha() for word in words])
    return found | {"goes on with a word": mask[now]}


def directions(states: Tensor, among: Tensor) -> Tensor:
    """Return how far states (n, d) lie along directions (features, d): the strongest of each."""
    along = states @ among.T
    return strongest(F.relu((along - along.mean(0)) / along.std(0)), ACTIVE)


def judge(strengths: Tensor, holds: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """Return each feature's rule (or -1), and how many are active and have a name.

    Args:
        strengths: (texts, LENGTH - 1, features) of the texts from FIT on.
        holds: (texts, LENGTH - 1, rules) of the same.
    """
    cut = CHOOSE - FIT
    which, live = named(
        (strengths[:cut].flatten(0, 1), strengths[cut:].flatten(0, 1)),
        (holds[:cut].flatten(0, 1), holds[cut:].flatten(0, 1)),
    )
    return which, {"active": int(live.sum()), "named": int((which >= 0).sum())}


def contexts(strengths: Tensor, words: list[list[str]], feature: int) -> list[str]:
    """Return where a feature is strongest, as texts whose last token it is."""
    found = []
    for place in strengths[..., feature].flatten().topk(CONTEXTS).indices.tolist():
        text, i = divmod(place, LENGTH - 1)
        found.append("".join(words[text][max(0, i + 2 - WINDOW) : i + 2]))
    return found


def study_model(kind: str, seeds: int) -> dict[str, Any]:
    """Return what autoencoders find in one model: as trained, or with its weights shuffled."""
    model, tokenizer = load_smollm2()
    model.requires_grad_(False)
    if kind == "shuffled weights":
        shuffle_weights(model)
    tokens = read_texts(tokenizer)
    states = read_states(model, tokens)
    of = rules(tokenizer, tokens)
    names, holds = list(of), torch.stack([where[FIT:] for where in of.values()], -1)
    fitted, rest = states[:FIT].flatten(0, 1), states[FIT:]
    words = [[tokenizer.decode([i]) for i in row] for row in tokens[FIT:].tolist()]
    result: dict[str, Any] = {"autoencoder": [], "examples": []}
    # The autoencoders, and the same with each strength at another place.
    for seed in range(seeds):
        sparse = fit_autoencoder(
            fitted, FEATURES, ACTIVE, steps=STEPS, learning_rate=RATE, seed=seed
        )
        strengths = sparse.encode(rest)
        which, row = judge(strengths, holds)
        order = torch.randperm(rest[..., 0].numel(), generator=torch.Generator().manual_seed(seed))
        moved = strengths.flatten(0, 1)[order].view_as(strengths)
        row["moved"] = judge(moved, holds)[1]["named"]
        flat = rest.flatten(0, 1)
        row["explained"] = round(explained(flat, sparse(flat)), 3)
        row["l0"] = round((strengths > 0).sum(-1).double().mean().item(), 2)
        result["autoencoder"].append(row)
        # Of the first: some with a name and some without, as they come.
        if seed == 0 and kind == "trained":
            live = (strengths > 0).flatten(0, 1).sum(0) >= 20
            for group in (which >= 0, (which < 0) & live):
                for feature in group.nonzero()[:SHOWN, 0].tolist():
                    at = int(which[feature])
                    name = names[at] if at >= 0 else None
                    places = contexts(strengths, words, feature)
                    result["examples"].append({"name": name, "contexts": places})
            kinds = [names[i] for i in which[which >= 0].tolist()]
            result["kinds"] = {
                "the token itself": sum(name.startswith("token") for name in kinds),
                "the token before": sum(name.startswith("after") for name in kinds),
            }
    # As many principal components, the stream's own axes, and directions by chance.
    width = states.shape[-1]
    main = torch.linalg.svd(fitted[:8000], full_matrices=False).Vh[:ACTIVE]
    result["components"] = round(explained(flat, flat @ main.T @ main), 3)
    axes = torch.cat([torch.eye(width), -torch.eye(width)])
    result["axes"] = judge(directions(flat, axes).view(*rest.shape[:2], -1), holds)[1]
    result["chance"] = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        among = F.normalize(torch.randn(FEATURES, width, generator=generator), dim=-1)
        result["chance"].append(judge(directions(flat, among).view(*rest.shape[:2], -1), holds)[1])
    return result


def make(folder: Path) -> dict[str, Any]:
    """Study both models; write what was found."""
    plan = {kind: partial(study_model, kind, SEEDS) for kind in ("trained", "shuffled weights")}
    with kit.one_thread():
        found = kit.collect(folder, plan, lambda result: str(result["autoencoder"]))
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return {kind: result["autoencoder"] for kind, result in found.items()}


def probe() -> dict[str, Any]:
    """Return what a few steps on a few texts give."""
    with kit.one_thread():
        model, tokenizer = load_smollm2()
        model.requires_grad_(False)
        states = read_states(model, read_texts(tokenizer, 16)).flatten(0, 1)
        sparse = fit_autoencoder(states, FEATURES, ACTIVE, steps=10)
    return {"explained": round(explained(states, sparse(states)), 4)}


def load_results() -> dict[str, Any]:
    """Return what was found in both models; see :func:`study_model`."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


ENTRIES = (study_model,)

if __name__ == "__main__":
    sys.exit(kit.main("features"))
