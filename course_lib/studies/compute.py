"""What makes a model cheaper, and what each way costs: SmolLM2 changed, a pupil, a mixture.

Taught in 'Compute'. SmolLM2 is read with rounded, pruned and shared weights, each time the same
reviews; a small model learns from a larger one, and alone; a mixture of experts stands against
dense models. All losses are in bits per byte. To make all takes about ten minutes of one core.
"""

import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_model, save_file
from torch import Tensor, nn

from course_lib import costs, training
from course_lib.data import load_film_reviews
from course_lib.efficiency import (
    changed_weights,
    distillation_loss,
    other_weights,
    prune,
    prune_two_of_four,
    rounded,
    rounded_inputs,
    share_heads,
    through_a_latent,
)
from course_lib.evaluation import token_losses
from course_lib.files import written_whole
from course_lib.model import (
    GPT,
    ExpertsConfig,
    GPTConfig,
    MixtureGPT,
    Speedrun,
    SpeedrunConfig,
    balance_loss,
)
from course_lib.pretrained import load_smollm2
from course_lib.studies import kit, ladder
from course_lib.text import BPETokenizer, CharacterTokenizer
from course_lib.training import next_token_loss, random_windows, recipe_optimizers

FILES = ("runs/compute.json", "weights/compute.safetensors", "weights/compute.md")
DATA = ("plays", "film-reviews", "smollm2")
BUILT_ON = ladder.FILES[1:2]  # the teacher
DOCUMENTS, LENGTH = 24, 96  # reviews, and tokens of each that are judged
SEEDS, CHARACTERS = 3, 2048  # characters of a step
JUDGED, STRETCH = 16_000, 200  # characters of the held-out plays, and of a part that is noted
PUPIL_STEPS, MIXTURE_STEPS = 200, 400
TEMPERATURE, SHARE = 2.0, 0.5
BALANCE, RATE = 0.1, 5e-3
BITS, GROUP = (8, 4, 3, 2), 32
PRUNED = (0.1, 0.3, 0.5)
RANKS = (320, 256, 192)
LAID_OUT = ("bfloat16", "int4")  # SmolLM2 as other chapters load it


# SmolLM2 with other weights


class Reviews(NamedTuple):
    """Beginnings of film reviews: ids (DOCUMENTS, LENGTH + 1), and bytes but for the first."""

    ids: Tensor
    n_bytes: list[int]


def load_reviews(tokenizer: BPETokenizer) -> Reviews:
    """Return what SmolLM2 is judged by."""
    long = [review.text for review in load_film_reviews() if len(review.text) > 1000]
    texts = [text.replace("<br />", " ") for text in long[:: len(long) // DOCUMENTS]]
    rows = [tokenizer.encode(text)[: LENGTH + 1] for text in texts[:DOCUMENTS]]
    return Reviews(torch.tensor(rows), [len(tokenizer.decode(row[1:]).encode()) for row in rows])


@torch.inference_mode()
def judge(model: nn.Module, reviews: Reviews) -> list[float]:
    """Return the bits per byte of each review but its first token."""
    nats: list[float] = []
    for some in reviews.ids.split(4):
        logits = model(some[:, :-1]).float()
        nats += F.cross_entropy(logits.mT, some[:, 1:], reduction="none").sum(1).tolist()
    return [round(n / math.log(2) / size, 4) for n, size in zip(nats, reviews.n_bytes, strict=True)]


def with_keys(
    model: GPT, change: Callable[[Tensor, Tensor], list[Tensor]]
) -> AbstractContextManager[None]:
    """Let the matrices of keys and values of each block be changed within a ``with`` block."""
    layers: list[Any] = [block.attention for block in model.blocks]
    pairs = [(layer.k_proj.weight, layer.v_proj.weight) for layer in layers]

    def others() -> Iterator[Tensor]:
        for keys, values in pairs:
            yield from change(keys.detach(), values.detach())

    return other_weights([matrix for pair in pairs for matrix in pair], others())


def prune_at_random(weight: Tensor, share: float) -> Tensor:
    """Return a matrix with zeros in a share of its places, drawn without a look at its numbers."""
    chance = torch.Generator().manual_seed(0)
    return weight * (torch.rand(weight.shape, generator=chance) >= share)


def ways(model: GPT) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    """Return what is done to SmolLM2, by name; each is undone at the end of a ``with`` block."""
    config = model.config
    heads = config.n_kv_heads or config.n_heads
    found: dict[str, Callable[[], AbstractContextManager[None]]] = {"as it is": nullcontext}
    # Fewer bits, a scale for each row or for each 32 weights.
    for bits in BITS:
        for name, group in (("row", None), ("group", GROUP)):
            change = partial(rounded, bits=bits, group=group)
            found[f"{bits} bits a weight, {name}"] = partial(changed_weights, model, change)
    # Inputs of 8 bits: one scale for all, for each token, or for all but the largest entries.
    for each, keep in (("tensor", 0), ("tensor", 1), ("tensor", 6), ("token", 0)):
        way = partial(rounded_inputs, model, 8, each=each, keep=keep)
        found[f"8 bits an input, {each}, {keep} apart"] = way
    # Zeros: the smallest weights, any weights, two of four.
    for share in PRUNED:
        found[f"{share:.0%} pruned"] = partial(changed_weights, model, partial(prune, share=share))
    change = partial(prune_at_random, share=PRUNED[0])
    found[f"{PRUNED[0]:.0%} pruned at random"] = partial(changed_weights, model, change)
    found["two of four pruned"] = partial(changed_weights, model, prune_two_of_four)
    # Fewer keys and values: one head for all, or a latent.
    found["one head of keys"] = partial(
        with_keys, model, lambda k, v: [share_heads(k, heads, 1), share_heads(v, heads, 1)]
    )
    for rank in RANKS:
        change_keys = partial(lambda k, v, rank: through_a_latent([k, v], rank), rank=rank)
        found[f"a latent of {rank}"] = partial(with_keys, model, change_keys)
    return found


@cache
def load_llm() -> tuple[GPT, Reviews]:
    """Return SmolLM2 and the reviews."""
    model, tokenizer = load_smollm2()
    return model.eval(), load_reviews(tokenizer)


def judged(name: str) -> list[float]:
    """Return the losses of SmolLM2, changed or laid out in a way, on each review."""
    model, reviews = load_llm()
    if name in LAID_OUT:
        return judge(load_smollm2(name)[0].eval(), reviews)
    with ways(model)[name]():
        return judge(model, reviews)


# A pupil and its teacher


def new_pupil() -> Speedrun:
    """Return an untrained model of about a quarter of the teacher's weights."""
    size = ladder.load_text().tokenizer.vocab_size
    return Speedrun(SpeedrunConfig(size, context=2 * ladder.CONTEXT, d_model=64))


def load_pupil() -> tuple[Speedrun, CharacterTokenizer]:
    """Return the pupil of the first seed, in evaluation mode, and its tokenizer."""
    model = new_pupil()
    load_model(model, kit.FOLDER / FILES[1])
    return model.eval(), ladder.load_text().tokenizer


def held_out_losses(model: GPT) -> list[float]:
    """Return the bits per byte of stretches of the held-out plays; a character is one byte."""
    context = model.config.context
    each = token_losses(model, ladder.load_text().held_out[: JUDGED + 1], context, context)
    return [round(loss / math.log(2), 4) for loss in each.view(-1, STRETCH).mean(1).tolist()]


def _fit(
    model: GPT, loss: Callable[..., Tensor], optimizers: Any, steps: int, seed: int
) -> dict[str, Any]:
    """Train on windows of the plays; return the losses on the held-out ones."""
    text, context = ladder.load_text(), model.config.context
    (optimizer, schedule), rows = optimizers, CHARACTERS // context
    training.train(
        model,
        random_windows(text.ids, rows, context, seed),
        steps=steps,
        optimizer=optimizer,
        schedule=schedule,
        loss=loss,
        precision="float32",
        progress=False,
        seed=seed,
    )
    return {"steps": steps, "losses": held_out_losses(model)}


def longer(steps: int = PUPIL_STEPS) -> int:
    """Return how many steps alone take as many operations as ``steps`` with the teacher."""
    pair = (ladder.new_well(), new_pupil())
    teacher, own = (costs.total(costs.gpt_costs(m.config, m.config.context)).flops for m in pair)
    return round(steps * (3 * own + teacher) / (3 * own))  # forward and backward, and forward


def pupil(taught: bool, seed: int, steps: int, keep: Path | None = None) -> dict[str, Any]:
    """Train the pupil, by its teacher or alone; all of a seed begin with the same windows.

    Args:
        taught: whether the teacher is asked.
        seed: of the weights and the windows.
        steps: length of the training.
        keep: the file that the pupil is written to, in 16 bits.
    """
    torch.manual_seed(seed)
    model = new_pupil()
    teacher, _ = ladder.load_trained_well()
    loss = distillation_loss(teacher, TEMPERATURE, SHARE) if taught else next_token_loss
    found = _fit(model, loss, recipe_optimizers(model, "speedrun", steps), steps, seed)
    if keep:
        half = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
        with written_whole(keep) as part:
            save_file(half, part)
    return found


def pupils() -> dict[str, tuple[bool, int]]:
    """Return how pupils learn, by name: whether from the teacher, and for how many steps."""
    return {
        "taught": (True, PUPIL_STEPS),
        "alone": (False, PUPIL_STEPS),
        "alone, longer": (False, longer()),
    }


# A mixture of experts and dense models


def mixtures() -> dict[str, Callable[[], GPT]]:
    """Return the models that are compared, untrained, by name.

    The mixture's weights sum to 2, so that its two experts of width 96 begin as one dense part of
    width 192; with a mean, as by default, they begin half as strong.
    """
    size = ladder.load_text().tokenizer.vocab_size
    shape = {"context": ladder.CONTEXT, "n_layers": 2, "d_model": 64}

    def dense(d_ff: int) -> GPT:
        return GPT(GPTConfig.llama(size, d_ff=d_ff, **shape))

    def doubled() -> GPT:
        model = dense(192)
        parts: list[Any] = [block.mlp for block in model.blocks]
        for part in parts:
            part.register_forward_hook(lambda layer, inputs, output: 2 * output)
        return model

    def sparse(scale: float) -> GPT:
        return MixtureGPT(ExpertsConfig.llama(size, d_ff=96, scale=scale, **shape))

    return {
        "dense, as many active": partial(dense, 192),
        "dense, as many active, doubled": doubled,
        "dense, as many in all": partial(dense, 768),
        "mixture": partial(sparse, 2.0),
        "mixture, unbalanced": partial(sparse, 2.0),
        "mixture, a mean": partial(sparse, 1.0),
    }


@torch.inference_mode()
def load_of_experts(model: GPT) -> list[list[float]]:
    """Return for each layer the share of the choices that fell on each expert, in held-out text."""
    context = model.config.context
    text = ladder.load_text().held_out[: JUDGED // context * context]
    model(text.view(-1, context))
    layers: list[Any] = [block.mlp for block in model.blocks]
    return [[round(share, 3) for share in mlp.used.tolist()] for mlp in layers]


def mixture(name: str, seed: int, steps: int = MIXTURE_STEPS) -> dict[str, Any]:
    """Train one of :func:`mixtures`; return its held-out losses, and how its experts were used."""
    torch.manual_seed(seed)
    model = mixtures()[name]()
    factor = 0.0 if name == "mixture, unbalanced" else BALANCE

    def balanced(model: nn.Module, *batch: Tensor) -> Tensor:
        return next_token_loss(model, *batch) + factor * balance_loss(model)

    adamw = torch.optim.AdamW(
        model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.1, fused=True
    )

    def schedule(step: int) -> float:
        return min(1.0, (step + 1) / 20) * (1 - step / steps)

    sparse = isinstance(model, MixtureGPT)
    loss = balanced if sparse else next_token_loss
    found = _fit(model, loss, ([adamw], schedule), steps, seed)
    return found | ({"used": load_of_experts(model)} if sparse else {})


# The study


def load_runs() -> dict[str, Any]:
    """Return the committed results: ``llm``, ``pupil`` and ``mixture``, each by name."""
    return json.loads((kit.FOLDER / FILES[0]).read_text(encoding="utf-8"))


def make(folder: Path) -> dict[str, Any]:
    """Make all runs; write them, and the pupil of the first seed."""
    kept = folder / Path(FILES[1]).name
    names = [*ways(load_llm()[0]), *LAID_OUT]
    plan: dict[str, Callable[[], Any]] = {f"llm/{name}": partial(judged, name) for name in names}
    for seed in range(SEEDS):
        for name in mixtures():
            plan[f"mixture/{name}/{seed}"] = partial(mixture, name, seed)
        for name, (taught, steps) in pupils().items():
            file = kept if taught and seed == 0 else None
            plan[f"pupil/{name}/{seed}"] = partial(pupil, taught, seed, steps, file)

    def mean(run: Any) -> float:
        losses = run["losses"] if isinstance(run, dict) else run
        return sum(losses) / len(losses)

    with kit.one_thread():
        done = kit.collect(folder, plan, lambda run: f"{mean(run):.3f} bits per byte")
        teacher = held_out_losses(ladder.load_trained_well()[0])
    # By part, by name, by seed.
    found: dict[str, Any] = {"teacher": teacher, "llm": {}, "pupil": {}, "mixture": {}}
    for key, run in done.items():
        part, name, *which = key.split("/")
        if which:
            found[part].setdefault(name, []).append(run)
        else:
            found[part][name] = run
    kit.write_text(kit.FOLDER / FILES[0], json.dumps(found) + "\n")
    with written_whole(kit.FOLDER / FILES[1]) as part_file:
        shutil.copyfile(kept, part_file)
    weights = sum(p.numel() for p in new_pupil().parameters())
    return {"bits": round(mean(found["pupil"]["taught"][0]), 3), "weights": weights}


def probe() -> dict[str, Any]:
    """Return figures of a few steps and of one change of SmolLM2."""

    def first(run: dict[str, Any]) -> list[float]:
        return run["losses"][:4]

    with kit.one_thread():
        short = {f"mixture {name}": first(mixture(name, 0, steps=10)) for name in mixtures()}
        short |= {f"taught {taught}": first(pupil(taught, 0, 10)) for taught in (True, False)}
        model, reviews = load_llm()
        few = Reviews(reviews.ids[:4], reviews.n_bytes[:4])
        with ways(model)["4 bits a weight, row"]():
            return short | {"4 bits": judge(model, few)}


def card(facts: dict[str, Any]) -> str:
    """Return the card of the pupil."""
    return f"""# compute.safetensors

A GPT that reads Shakespeare's plays by character, a pupil of ladder.safetensors. \
`course_lib.studies.compute.load_pupil` loads it.

- **Made by:** `python -m course_lib.studies.compute`, seed 0, {PUPIL_STEPS:,} steps of \
{CHARACTERS:,} characters of 35 plays; half of its loss is what its teacher thinks, at a \
temperature of {TEMPERATURE:g}.
- **Shape:** the speedrun recipe: two layers of width 64, context {2 * ladder.CONTEXT}; \
{facts["weights"] / 1e6:.2f} million weights in bfloat16.
- **Figures:** {facts["bits"]:.2f} bits per byte at the beginning of the held-out plays.
- **Faults:** those of its teacher, and more: it spells worse. Its language is that of around \
1600, with that time's prejudices.
- **Data:** Shakespeare's plays; see the data cards.
"""


ENTRIES = (judged, pupil, pupils, mixture)

if __name__ == "__main__":
    sys.exit(kit.main("compute"))
