"""A plain Transformer of Llama's recipe that goes on with a play, for the page.

The reader's browser runs it, so its parts are those that the chapters build and no others. It has
the byte pairs of :mod:`~course_lib.studies.plays`. To train it takes about ten minutes of one core.
"""

import math
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model

from course_lib import training
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.model import GPT, GPTConfig
from course_lib.studies import kit, plays
from course_lib.text import BPETokenizer
from course_lib.training import Result, random_windows, recipe_optimizers

FILES = ("weights/writer.safetensors", "weights/writer.md")
DATA = ("plays",)
BUILT_ON = plays.FILES[1:2]  # its tokenizer
STEPS, BATCH_SIZE, SEED = 1500, 16, 0
CONTEXT, WIDTH, LAYERS = 128, 160, 4


def new_model(vocab_size: int) -> GPT:
    """Return an untrained model of Llama's recipe: four layers of four heads."""
    config = GPTConfig.llama(vocab_size, context=CONTEXT, n_layers=LAYERS, d_model=WIDTH)
    return GPT(config)


def load_trained() -> tuple[GPT, BPETokenizer]:
    """Return the trained model, in evaluation mode, and its tokenizer."""
    tokenizer = BPETokenizer.load(kit.FOLDER / BUILT_ON[0])
    model = new_model(tokenizer.vocab_size)
    load_model(model, kit.FOLDER / FILES[0])
    return model.eval(), tokenizer


def train(steps: int = STEPS, checkpoint: Path | None = None) -> tuple[GPT, Result]:
    """Train the model, from the folder's checkpoint if there is one.

    Args:
        steps: length of the training; the schedule fits it.
        checkpoint: a folder for checkpoints.
    """
    text, _ = load_spoken_plays(HELD_OUT)
    tokenizer = BPETokenizer.load(kit.FOLDER / BUILT_ON[0])
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
        evaluate=lambda model: plays.measure(model, tokenizer),
        eval_every=500,
        precision="bfloat16",
        checkpoint=checkpoint,
        checkpoint_every=100,
        seed=SEED,
    )
    return model, result


def make(folder: Path) -> dict[str, Any]:
    """Train the model, write it, and measure it as it will be loaded."""
    model, result = train(checkpoint=folder)
    kit.save_half(kit.FOLDER / FILES[0], model)
    return {
        "loss": plays.measure(*load_trained()),
        "weights": sum(p.numel() for p in model.parameters()),
        "time": kit.time_taken(result.seconds),
    }


def probe() -> dict[str, Any]:
    """Return the losses of a few steps, and the trained model's."""
    return kit.losses(train(steps=20)[1]) | {"of the weights": plays.measure(*load_trained())}


def card(facts: dict[str, Any]) -> str:
    """Return the model's card."""
    return f"""# writer.safetensors

A small Transformer that goes on with a play of Shakespeare's in the reader's browser.

- **Made by:** `python -m course_lib.studies.writer`, seed {SEED}, {STEPS:,} steps of \
{BATCH_SIZE * CONTEXT:,} tokens from 35 plays, by Muon and AdamW as in 'Training'. Activations in \
bfloat16.
- **Shape:** Llama's recipe, nothing added: {LAYERS} layers of four heads, width {WIDTH}, context \
{CONTEXT}, the 2,048 byte pairs of `plays.json`; {facts["weights"] / 1e6:.1f} million weights in \
float16.
- **Time:** {facts["time"]}.
- **Figures:** {facts["loss"]:.2f} nats per token on the first {plays.EVALUATED:,} tokens of the \
three held-out plays (*Hamlet*, *Macbeth*, *Twelfth Night*), a perplexity of \
{math.exp(facts["loss"]):.0f}.
- **Faults:** invents words, loses the thread within a sentence or two, knows no speakers and no \
stage directions, which were left out. Its language is that of around 1600, with that time's \
prejudices.
- **Data:** Shakespeare's plays; see the data cards.
"""


ENTRIES = (train,)

if __name__ == "__main__":
    sys.exit(kit.main("writer"))
