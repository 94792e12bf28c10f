"""Shakespeare's plays by byte pairs: their parts, and a small GPT that goes on with a play.

Used in 'Text generation', which loads what ``tools/train_generation.py`` trained.
"""

from pathlib import Path

from safetensors.torch import load_model

from course_lib.data import HELD_OUT, load_spoken_plays
from course_lib.model import Speedrun, SpeedrunConfig
from course_lib.text import BPETokenizer

FOLDER = Path(__file__).parent / "weights"


def load_parts() -> tuple[str, str]:
    """Return what is spoken in the 35 plays to train on, and in the three held out."""
    training, held_out = load_spoken_plays(HELD_OUT)
    return training, held_out


def new_model(vocab_size: int) -> Speedrun:
    """Return an untrained model of the speedrun recipe, two layers of width 128."""
    return Speedrun(SpeedrunConfig(vocab_size, context=128, d_model=128))


def load_trained() -> tuple[Speedrun, BPETokenizer]:
    """Return the course's trained model, in evaluation mode, and its tokenizer."""
    tokenizer = BPETokenizer.load(FOLDER / "generation.json")
    model = new_model(tokenizer.vocab_size)
    load_model(model, FOLDER / "generation.safetensors")
    return model.eval(), tokenizer
