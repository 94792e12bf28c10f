"""The ladder: one text, one measure, and models of the kinds that the chapters build.

Every model has read what is spoken in 35 plays, and is measured in bits per byte on the same three
others. A sample is what it writes after a line break, with the same seed. The home page shows the
ladder whole. To make it takes about seven minutes of one core.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_model, save_file
from torch import Tensor

from course_lib import training
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.files import written_whole
from course_lib.generation import Sampler, Tokenizer, generate
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.studies import plays
from course_lib.studies.ablation import without
from course_lib.text import CharacterTokenizer, KneserNey
from course_lib.training import corpus_loss, random_windows, recipe_optimizers

FILE = Path(__file__).with_name("runs") / "ladder.json"
WEIGHTS = Path(__file__).with_name("weights") / "ladder.safetensors"
BEGUN = Path("_build") / "studies" / "ladder"  # what a run that was stopped had made
STEPS, CHARACTERS, CONTEXT, SEED = 1000, 2048, 64, 0  # characters of a step
TABLE_RATE, TABLE_PAIRS = 100.0, 4096
WRITTEN = 160  # characters of a sample


class Rung(NamedTuple):
    """A model of the ladder.

    Attributes:
        name: what it is.
        chapter: the notebook that builds it.
        bits: per byte of the held-out plays.
        sample: what it writes.
    """

    name: str
    chapter: str
    bits: float
    sample: str


class Text(NamedTuple):
    """The plays by character: training ids, held-out ids, and the held-out bytes."""

    tokenizer: CharacterTokenizer
    ids: Tensor
    held_out: Tensor
    n_bytes: int


@cache
def load_text() -> Text:
    """Return what the models of characters learn from and are judged by."""
    text, held_out = load_spoken_plays(HELD_OUT)
    tokenizer = CharacterTokenizer(text)
    ids, held = (torch.tensor(tokenizer.encode(part)) for part in (text, held_out))
    return Text(tokenizer, ids, held, len(held_out[1:].encode()))


def _bits(nats: float, n_bytes: int) -> float:
    return round(nats / math.log(2) / n_bytes, 3)


def _of_table(shares: Tensor) -> tuple[float, str]:
    """Measure and let write a table (V, V): for each character the shares of the next."""
    text = load_text()
    surprise = -shares[text.held_out[:-1], text.held_out[1:]].double().log().sum()
    generator = torch.Generator().manual_seed(SEED)
    written = text.tokenizer.encode("\n")
    for _ in range(WRITTEN):
        drawn = torch.multinomial(shares[written[-1]], 1, generator=generator)
        written.append(int(drawn.item()))
    return _bits(surprise.item(), text.n_bytes), text.tokenizer.decode(written[1:])


def _of_gpt(model: GPT, tokenizer: Tokenizer, ids: Tensor) -> tuple[float, str]:
    """Measure and let write a model with attention."""
    nats = corpus_loss(model, ids, model.config.context) * (len(ids) - 1)
    sample = generate(model, tokenizer, "\n", Sampler(seed=SEED), max_new_tokens=WRITTEN)
    return _bits(nats, load_text().n_bytes), sample[:WRITTEN]


def alike() -> tuple[float, str]:
    """Give every character the same share."""
    size = load_text().tokenizer.vocab_size
    return _of_table(torch.full((size, size), 1 / size))


def frequencies() -> tuple[float, str]:
    """Give every character its share of the text."""
    text = load_text()
    size = text.tokenizer.vocab_size
    return _of_table((text.ids.bincount(minlength=size) / len(text.ids)).expand(size, size))


def learned_pairs(steps: int = STEPS) -> tuple[float, str]:
    """Learn a table of pairs by gradient descent, as 'Numbers that learn' does."""
    text = load_text()
    size = text.tokenizer.vocab_size
    table = torch.zeros(size, size, requires_grad=True)
    optimizer = torch.optim.SGD([table], lr=TABLE_RATE)
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(steps):
        at = torch.randint(len(text.ids) - 1, (TABLE_PAIRS,), generator=generator)
        loss = F.cross_entropy(table[text.ids[at]], text.ids[at + 1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _of_table(table.detach().softmax(dim=1))


def counted(order: int = 6) -> tuple[float, str]:
    """Count runs of six characters, with the smoothing of Kneser and Ney."""
    text, held_out = load_spoken_plays(HELD_OUT)
    model = KneserNey([list(text)], order)
    nats = -sum(model.log_probs(list(held_out), start=1)[:-1])  # the end isn't a character
    rng, written = np.random.default_rng(SEED), ["\n"]
    for _ in range(WRITTEN):
        shares = model.distribution(written)
        written.append(model.vocab[rng.choice(len(shares), p=shares / shares.sum())])
    return _bits(nats, load_text().n_bytes), "".join(written[1:])


def _trained(model: GPT, recipe: str, steps: int) -> tuple[float, str]:
    """Train a model on windows of the plays, then measure it and let it write."""
    text, context = load_text(), model.config.context
    optimizers, schedule = recipe_optimizers(model, recipe, steps)
    training.train(
        model,
        random_windows(text.ids, CHARACTERS // context, context, SEED),
        steps=steps,
        optimizer=optimizers,
        schedule=schedule,
        precision="float32",
        seed=SEED,
    )
    return _of_gpt(model, text.tokenizer, text.held_out)


def attention_alone(steps: int = STEPS) -> tuple[float, str]:
    """Train one layer of attention without an MLP."""
    torch.manual_seed(SEED)
    config = GPTConfig.gpt2(load_text().tokenizer.vocab_size, context=CONTEXT, n_layers=1)
    return _trained(without("MLP", config), "gpt2", steps)


def transformer(steps: int = STEPS) -> tuple[float, str]:
    """Train four blocks of GPT-2's recipe."""
    torch.manual_seed(SEED)
    config = GPTConfig.gpt2(load_text().tokenizer.vocab_size, context=CONTEXT, n_layers=4)
    return _trained(GPT(config), "gpt2", steps)


def _new_well() -> Speedrun:
    size = load_text().tokenizer.vocab_size
    return Speedrun(SpeedrunConfig(size, context=2 * CONTEXT, n_layers=4))


def trained_well(steps: int = STEPS) -> tuple[float, str]:
    """Train four blocks of the speedrun recipe on as many characters, in longer windows.

    The model is kept, in 16 bits, for :func:`load_trained_well`.
    """
    torch.manual_seed(SEED)
    model = _new_well()
    bits_and_sample = _trained(model, "speedrun", steps)
    half = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
    with written_whole(WEIGHTS) as part:
        save_file(half, part)
    return bits_and_sample


def load_trained_well() -> tuple[Speedrun, CharacterTokenizer]:
    """Return the model that 'Training' ends with, in evaluation mode, and its tokenizer."""
    model = _new_well()
    load_model(model, WEIGHTS)
    return model.eval(), load_text().tokenizer


def pieces() -> tuple[float, str]:
    """Load the model of pieces of words that 'Text generation' uses."""
    model, tokenizer = plays.load_trained()
    ids = torch.tensor(tokenizer.encode(load_spoken_plays(HELD_OUT)[1]))
    return _of_gpt(model, tokenizer, ids)


MAKERS: dict[str, tuple[str, Callable[[], tuple[float, str]]]] = {
    "all letters alike": ("numbers_that_learn", alike),
    "letter frequencies": ("numbers_that_learn", frequencies),
    "pairs of letters, learned": ("numbers_that_learn", learned_pairs),
    "one layer of attention": ("self_attention_class", attention_alone),
    "a Transformer, first try": ("transformer", transformer),
    "a Transformer, trained well": ("training", trained_well),
    "runs of six letters, counted": ("language_models", counted),
    "pieces of words, trained longer": ("text_generation", pieces),
}


def load_ladder() -> list[Rung]:
    """Return the committed ladder, from the lowest rung up."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    return [Rung(**row) for row in rows]


def make(folder: Path) -> None:
    """Make every rung that an earlier start did not, and write the ladder."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "rungs.json"
    rungs = json.loads(done.read_text(encoding="utf-8")) if done.exists() else {}
    for name, (chapter, rung) in MAKERS.items():
        if name not in rungs:
            rungs[name] = Rung(name, chapter, *rung())._asdict()
            print(f"{name}: {rungs[name]['bits']:.2f} bits per byte", flush=True)
            with written_whole(done) as part:
                part.write_text(json.dumps(rungs), encoding="utf-8")
    rows = sorted((rungs[name] for name in MAKERS), key=lambda row: -row["bits"])
    with written_whole(FILE) as part:
        part.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the ladder as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.studies.ladder",
        description="Make the ladder of models of the plays (seven minutes). "
        "A run that was stopped goes on with the next rung.",
    )
    parser.add_argument("--again", action="store_true", help="begin anew")
    if parser.parse_args(arguments).again:
        shutil.rmtree(BEGUN, ignore_errors=True)
    if BEGUN.exists():
        print(f"goes on from {BEGUN}; --again begins anew", flush=True)
    make(BEGUN)
    shutil.rmtree(BEGUN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
