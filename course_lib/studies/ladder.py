"""The ladder: one text, one measure, and models of the kinds that the chapters build.

Every model has read what is spoken in 35 plays, and is measured in bits per byte on the same three
others. A sample is what it writes after a line break, with the same seed. The home page shows the
ladder whole. To make it takes about eight minutes of one core.
"""

import json
import math
import shutil
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_model, save_file
from torch import Tensor, nn

from course_lib import training
from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.files import written_whole
from course_lib.generation import Sampler, Tokenizer, generate
from course_lib.model import GPT, GPTConfig, Speedrun, SpeedrunConfig
from course_lib.studies import kit, plays, writer
from course_lib.studies.ablation import without
from course_lib.text import CharacterTokenizer, KneserNey
from course_lib.training import corpus_loss, random_windows, recipe_optimizers

FILES = ("runs/ladder.json", "weights/ladder.safetensors", "weights/ladder.md")
DATA = ("plays",)
BUILT_ON = (*plays.FILES[:2], *writer.FILES[:1])  # two rungs are other studies' models
STEPS, CHARACTERS, CONTEXT, SEED = 1000, 2048, 64, 0  # characters of a step
TABLE_RATE, TABLE_PAIRS = 100.0, 4096
LETTERS, MLP_RATE = 8, 0.005  # the MLP reads so many
WRITTEN = 160  # characters of a sample


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


class LettersMLP(nn.Sequential):
    """The network of 'Language models', for the last eight characters instead of four words."""

    def __init__(self, size: int, d_model: int = 64, d_hidden: int = 256) -> None:
        super().__init__(
            nn.Embedding(size, d_model),
            nn.Flatten(),
            nn.Linear(LETTERS * d_model, d_hidden),
            nn.ReLU(),
            nn.Linear(d_hidden, size),
        )


def letters_mlp(steps: int = STEPS) -> tuple[float, str]:
    """Train an MLP on the last eight characters, as 'Language models' does on words."""
    text = load_text()
    torch.manual_seed(SEED)
    model = LettersMLP(text.tokenizer.vocab_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=MLP_RATE)
    generator = torch.Generator().manual_seed(SEED)
    # As many guesses a step as a Transformer makes; the rate falls to zero.
    windows = text.ids.unfold(0, LETTERS + 1, 1)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = MLP_RATE * (1 - step / steps)
        at = torch.randint(len(windows), (CHARACTERS,), generator=generator)
        batch = windows[at]
        loss = F.cross_entropy(model(batch[:, :-1]), batch[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _of_mlp(model.eval())


@torch.no_grad()
def _of_mlp(model: LettersMLP) -> tuple[float, str]:
    """Measure and let write an MLP; before the text stand line breaks."""
    text = load_text()
    start = text.tokenizer.encode("\n") * LETTERS
    held_out = torch.cat((torch.tensor(start[1:]), text.held_out))
    nats = 0.0
    for part in held_out.unfold(0, LETTERS + 1, 1).split(CHARACTERS):
        nats += F.cross_entropy(model(part[:, :-1]), part[:, -1], reduction="sum").item()
    # What it writes is drawn as from a table.
    generator = torch.Generator().manual_seed(SEED)
    written = list(start)
    for _ in range(WRITTEN):
        shares = model(torch.tensor([written[-LETTERS:]]))[0].softmax(dim=0)
        written.append(int(torch.multinomial(shares, 1, generator=generator).item()))
    return _bits(nats, text.n_bytes), text.tokenizer.decode(written[LETTERS:])


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


def new_well() -> Speedrun:
    """Return the untrained model of the speedrun recipe, four blocks."""
    size = load_text().tokenizer.vocab_size
    return Speedrun(SpeedrunConfig(size, context=2 * CONTEXT, n_layers=4))


def trained_well(steps: int = STEPS, keep: Path | None = None) -> tuple[float, str]:
    """Train four blocks of the speedrun recipe on as many characters, in longer windows.

    Args:
        steps: length of the training.
        keep: the file that the model is written to, in 16 bits.
    """
    torch.manual_seed(SEED)
    model = new_well()
    bits_and_sample = _trained(model, "speedrun", steps)
    if keep:
        half = {name: tensor.bfloat16() for name, tensor in model.state_dict().items()}
        with written_whole(keep) as part:
            save_file(half, part)
    return bits_and_sample


def load_trained_well() -> tuple[Speedrun, CharacterTokenizer]:
    """Return the model that 'Training' ends with, in evaluation mode, and its tokenizer."""
    model = new_well()
    load_model(model, kit.FOLDER / FILES[1])
    return model.eval(), load_text().tokenizer


def pieces() -> tuple[float, str]:
    """Load the model of pieces of words that 'Text generation' uses."""
    model, tokenizer = plays.load_trained()
    ids = torch.tensor(tokenizer.encode(load_spoken_plays(HELD_OUT)[1]))
    return _of_gpt(model, tokenizer, ids)


def scaled() -> tuple[float, str]:
    """Load the larger model of pieces of words that writes on the home page."""
    model, tokenizer = writer.load_trained()
    ids = torch.tensor(tokenizer.encode(load_spoken_plays(HELD_OUT)[1]))
    return _of_gpt(model, tokenizer, ids)


MAKERS: dict[str, tuple[str, Callable[..., tuple[float, str]]]] = {
    "all letters alike": ("numbers_that_learn", alike),
    "letter frequencies": ("numbers_that_learn", frequencies),
    "pairs of letters, learned": ("numbers_that_learn", learned_pairs),
    "eight letters, an MLP": ("language_models", letters_mlp),
    "one layer of attention": ("self_attention_class", attention_alone),
    "a Transformer, first try": ("transformer", transformer),
    "a Transformer, trained well": ("training", trained_well),
    "runs of six letters, counted": ("language_models", counted),
    "pieces of words, trained longer": ("text_generation", pieces),
    "pieces of words, a larger model": ("scaling", scaled),
}
WELL = "a Transformer, trained well"  # the one that is kept
TRAINED = (
    learned_pairs,
    letters_mlp,
    attention_alone,
    transformer,
    trained_well,
)  # in so many steps


def rung(name: str, **settings: Any) -> dict[str, Any]:
    """Make one rung: its name, the chapter that builds it, bits per byte, and what it writes."""
    chapter, maker = MAKERS[name]
    bits, sample = maker(**settings)
    return {"name": name, "chapter": chapter, "bits": bits, "sample": sample}


def make(folder: Path) -> dict[str, Any]:
    """Make all rungs; write the ladder, from the lowest rung up, and the model that is kept."""
    runs, weights, _ = (kit.FOLDER / file for file in FILES)
    kept = folder / weights.name
    plan = {name: partial(rung, name) for name in MAKERS}
    plan[WELL] = partial(rung, WELL, keep=kept)
    with kit.one_thread():
        done = kit.collect(folder, plan, lambda found: f"{found['bits']:.2f} bits per byte")
    # What a stop may part is written at the end.
    with written_whole(weights) as part:
        shutil.copyfile(kept, part)
    rows = sorted(done.values(), key=lambda row: -row["bits"])
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    kit.write_text(runs, text + "\n")
    return {"bits": done[WELL]["bits"], "weights": sum(p.numel() for p in new_well().parameters())}


def probe() -> dict[str, Any]:
    """Return the bits of each rung; of one that is trained, after a few steps."""
    with kit.one_thread():
        return {
            name: rung(name, **{"steps": 20} if maker in TRAINED else {})["bits"]
            for name, (_, maker) in MAKERS.items()
        }


def card(facts: dict[str, Any]) -> str:
    """Return the card of the model that is kept."""
    return f"""# ladder.safetensors

A GPT that reads Shakespeare's plays by character, the rung '{WELL}' of the ladder. \
`course_lib.studies.ladder.load_trained_well` loads it.

- **Made by:** `python -m course_lib.studies.ladder`, seed {SEED}, {STEPS:,} steps of \
{CHARACTERS:,} characters of 35 plays.
- **Shape:** the speedrun recipe: four layers, context {2 * CONTEXT}; \
{facts["weights"] / 1e6:.1f} million weights in bfloat16.
- **Figures:** {facts["bits"]:.2f} bits per byte of the three held-out plays (*Hamlet*, *Macbeth*, \
*Twelfth Night*).
- **Faults:** spells words, loses the thread within a line, knows no speakers and no stage \
directions, which were left out. Its language is that of around 1600, with that time's prejudices.
- **Data:** Shakespeare's plays; see the data cards.
"""


ENTRIES = (rung, *(maker for _, maker in MAKERS.values()))

if __name__ == "__main__":
    sys.exit(kit.main("ladder"))
