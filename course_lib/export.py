"""A model for the page: its weights and its tokens as one script, which a browser runs.

``figures/transformer.js`` is the other half: the same forward pass in JavaScript.
"""

import argparse
import base64
import copy
import html
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import torch

from course_lib.checks import expect
from course_lib.figures import writer_explorer
from course_lib.files import written_whole
from course_lib.model import GPT, Speedrun
from course_lib.text import PATTERN, BPETokenizer, CharacterTokenizer

Tokenizer = BPETokenizer | CharacterTokenizer
SHAPE = {
    *("n_layers", "n_heads", "n_kv_heads", "d_model", "context", "norm", "norm_eps", "mlp"),
    *("positions", "rope_base", "tied", "qk_norm", "logit_cap", "ngrams", "ngram_table"),
}
STYLE = (
    ":root { color-scheme: light dark; background: light-dark(#ffffff, #14171c); }"
    " body { max-width: 46rem; margin: 1rem auto; padding: 0 0.5rem; }"
)


def model_script(model: GPT, tokenizer: Tokenizer, name: str = "writer") -> str:
    """Return a classic script that sets ``courseModels[name]``.

    Args:
        model: a GPT or a Speedrun; the browser has its weights in 16 bits.
        tokenizer: characters; or byte pairs over all 256 bytes, with GPT-2's pattern and without
            special tokens.
        name: what the page calls the model.

    Raises:
        ValueError: if the browser's side can't run the model or the tokenizer.
    """
    expect(type(model) in (GPT, Speedrun), "model", "a GPT or a Speedrun", type(model).__name__)
    # A character for each character, or for each byte.
    if isinstance(tokenizer, CharacterTokenizer):
        tokens = tokenizer.characters
    else:
        same = tokenizer.pattern.pattern == PATTERN.pattern
        expect(same, "tokenizer", "GPT-2's pattern", tokenizer.pattern.pattern)
        expect(len(tokenizer.alphabet) == 256, "tokenizer", "all 256 bytes", tokenizer.alphabet)
        tokens = [token.decode("latin-1") for token in tokenizer.vocab]
    size = model.config.vocab_size
    expect(len(tokens) == size, "tokenizer", f"{size} tokens", len(tokens))
    # The weights, one behind the other, and how long each is.
    state = {key: tensor.detach().cpu() for key, tensor in model.state_dict().items()}
    flat = torch.cat([tensor.half().flatten() for tensor in state.values()])
    whole = "weights that are numbers of at most 65,504"
    expect(bool(flat.isfinite().all()), "model", whole, "others")
    held = {
        "config": {key: value for key, value in asdict(model.config).items() if key in SHAPE},
        "bytes": isinstance(tokenizer, BPETokenizer),
        "tokens": tokens,
        "tensors": [[key, tensor.numel()] for key, tensor in state.items()],
        "weights": base64.b64encode(flat.numpy().astype("<f2").tobytes()).decode(),
    }
    text = json.dumps(held, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return f"(globalThis.courseModels ??= {{}})[{json.dumps(name)}] = {text};\n"


def runtime() -> str:
    """Return the script that runs such models: the class ``Transformer``."""
    return (files("course_lib.figures") / "transformer.js").read_text(encoding="utf-8")


def write_page(
    file: str | Path, model: GPT, tokenizer: Tokenizer, prompt: str, title: str = "My Transformer"
) -> None:
    """Write a page in which a model of your own writes: open it in a browser, or send it.

    Args:
        file: where the page goes; all that it needs is in it.
        model: as in :func:`model_script`.
        tokenizer: the model's.
        prompt: the text that the page opens with.
        title: of the page.

    Raises:
        ValueError: if the browser can't run the model, or the prompt is empty or too long.
        OSError: if the file can't be written.
    """
    script = runtime() + model_script(model, tokenizer)
    # The first state is that of the weights in 16 bits, wherever the model lies and however.
    figure = writer_explorer(copy.deepcopy(model).cpu().half().float().eval(), tokenizer, prompt)
    page = (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>"
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style><script>\n{script}</script>\n{figure.data}</html>\n"
    )
    with written_whole(file) as part:
        part.write_text(page, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the book's writer, the model on its home page."""
    from course_lib.studies import writer

    parser = argparse.ArgumentParser(
        prog="python -m course_lib.export",
        description="Write the model of the book's home page, and what runs it, as one script.",
    )
    parser.add_argument("file", type=Path, help="where the script goes")
    args = parser.parse_args(arguments)
    script = runtime() + model_script(*writer.load_trained())
    with written_whole(args.file) as part:
        part.write_text(script, encoding="utf-8")
    print(f"{args.file}: {args.file.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
