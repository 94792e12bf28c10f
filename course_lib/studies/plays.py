"""Shakespeare's plays by byte pairs: their parts, and a small GPT that goes on with a play.

Used in 'Text generation', which loads the trained model. To train it takes about four minutes of
one core.
"""

import math
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model
from torch import nn

from course_lib import training
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.model import Speedrun, SpeedrunConfig
from course_lib.studies import kit
from course_lib.text import BPETokenizer
from course_lib.training import Result, corpus_loss, random_windows, recipe_optimizers

FILES = ("weights/plays.safetensors", "weights/plays.json", "weights/plays.md")
DATA = ("plays",)
STEPS, BATCH_SIZE, VOCAB_SIZE, SEED = 1200, 16, 2048, 0
CONTEXT, WIDTH = 128, 128
EVALUATED = 20_000  # tokens of the held-out plays


def new_model(vocab_size: int) -> Speedrun:
    """Return an untrained model of the speedrun recipe, two layers of width 128."""
    return Speedrun(SpeedrunConfig(vocab_size, context=CONTEXT, d_model=WIDTH))


def load_trained() -> tuple[Speedrun, BPETokenizer]:
    """Return the course's trained model, in evaluation mode, and its tokenizer."""
    weights, vocabulary, _ = (kit.FOLDER / file for file in FILES)
    tokenizer = BPETokenizer.load(vocabulary)
    model = new_model(tokenizer.vocab_size)
    load_model(model, weights)
    return model.eval(), tokenizer


def measure(model: nn.Module, tokenizer: BPETokenizer) -> float:
    """Return the loss in nats per token at the beginning of the held-out plays."""
    _, held_out = load_spoken_plays(HELD_OUT)
    tokens = torch.tensor(tokenizer.encode(held_out)[:EVALUATED])
    return corpus_loss(model, tokens, CONTEXT)


def train(
    steps: int = STEPS, checkpoint: Path | None = None
) -> tuple[Speedrun, BPETokenizer, Result]:
    """Train the model, from the folder's checkpoint if there is one.

    Args:
        steps: length of the training; the schedule fits it.
        checkpoint: a folder for checkpoints.
    """
    text, _ = load_spoken_plays(HELD_OUT)
    # Its own byte pairs, from the plays that it learns from.
    tokenizer = BPETokenizer.train(text, VOCAB_SIZE)
    tokens = torch.tensor(tokenizer.encode(text))
    # A seed draws the weights and the windows.
    torch.manual_seed(SEED)
    model = new_model(tokenizer.vocab_size)
    optimizers, schedule = recipe_optimizers(model, "speedrun", steps)
    result = training.train(
        model,
        random_windows(tokens, BATCH_SIZE, CONTEXT, SEED),
        steps=steps,
        optimizer=optimizers,
        schedule=schedule,
        evaluate=lambda model: measure(model, tokenizer),
        eval_every=300,
        precision="bfloat16",
        checkpoint=checkpoint,
        checkpoint_every=50,
        seed=SEED,
    )
    return model, tokenizer, result


def make(folder: Path) -> dict[str, Any]:
    """Train the model, write it and its tokenizer, and measure it as it will be loaded."""
    model, tokenizer, result = train(checkpoint=folder)
    weights, vocabulary, _ = (kit.FOLDER / file for file in FILES)
    tokenizer.save(vocabulary)
    kit.save_half(weights, model)
    text, _ = load_spoken_plays(HELD_OUT)
    return {
        "loss": measure(*load_trained()),
        "tokens": len(tokenizer.encode(text)),
        "weights": sum(p.numel() for p in model.parameters()),
        "time": kit.time_taken(result.seconds),
    }


def probe() -> dict[str, Any]:
    """Return the losses of a few steps, and the trained model's."""
    return kit.losses(train(steps=20)[2]) | {"of the weights": measure(*load_trained())}


def card(facts: dict[str, Any]) -> str:
    """Return the model's card."""
    times = STEPS * BATCH_SIZE * CONTEXT / facts["tokens"]
    return f"""# plays.safetensors

A small GPT that goes on with a play of Shakespeare's, for the chapter 'Text generation'.

- **Made by:** `python -m course_lib.studies.plays`, seed {SEED}, {STEPS:,} steps of \
{BATCH_SIZE * CONTEXT:,} tokens: {times:.1f} times through the {facts["tokens"]:,} tokens of 35 \
plays. Activations in bfloat16.
- **Shape:** the speedrun recipe: two layers, width {WIDTH}, four heads, context {CONTEXT}, a \
table of n-grams, {VOCAB_SIZE:,} tokens (`plays.json`); {facts["weights"] / 1e6:.1f} million \
weights in float16.
- **Time:** {facts["time"]}.
- **Figures:** {facts["loss"]:.2f} nats per token on the first {EVALUATED:,} tokens of the three \
held-out plays (*Hamlet*, *Macbeth*, *Twelfth Night*), a perplexity of \
{math.exp(facts["loss"]):.0f}.
- **Faults:** invents words, loses the thread within a sentence or two, knows no speakers and no \
stage directions, which were left out. Its language is that of around 1600, with that time's \
prejudices.
- **Data:** Shakespeare's plays; see the data cards.
"""


ENTRIES = (train, measure)

if __name__ == "__main__":
    sys.exit(kit.main("plays"))
