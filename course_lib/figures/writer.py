"""A Transformer that writes in the page: what comes next, what heads see, what layers say."""

from collections.abc import Mapping
from typing import Any

import torch
from IPython.display import HTML
from torch import Tensor

from course_lib.checks import expect
from course_lib.figures import page
from course_lib.figures.page import percent, say, text
from course_lib.generation import Tokenizer
from course_lib.model import GPT

SHOWN = 8  # tokens that have a row


def writer_explorer(
    model: GPT, tokenizer: Tokenizer, prompt: str, *, src: str = "", home: str = ""
) -> HTML:
    """Let the reader write with a model that runs in the browser.

    The first state, written here, is the model's own distribution after the prompt.

    Args:
        model: what ``src`` holds.
        tokenizer: its tokenizer.
        prompt: the text that the figure opens with.
        src: where the page finds the script that ``python -m course_lib.export`` writes, if it
            isn't in the page.
        home: where the page finds the book's chapters; the caption tells of the book's own model
            then.

    Raises:
        ValueError: if the prompt is empty, or longer than the model's context.
    """
    ids = tokenizer.encode(prompt)
    most = model.config.context
    expect(0 < len(ids) <= most, "prompt", f"1 to {most} tokens", f"{len(ids)}")
    words = page.words("writer")
    # The first state: the likeliest tokens, and what the sentence says of them.
    with torch.inference_mode():
        shares = model(torch.tensor([ids]))[0, -1].double().softmax(-1)
    top = shares.topk(SHOWN)
    rows: list[list[page.Cell]] = []
    for share, token in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        rows.append([_shown(tokenizer.decode([token])), percent(share), [share]])
    rest = 1 - top.values.sum().item()
    rows.append([words["others"], percent(rest), [rest]])
    said = say(words["says"], token=rows[0][0], share=rows[0][1], open=_open(shares))
    pieces = "".join(f"<li>{page.text(_shown(tokenizer.decode([token])))}</li>" for token in ids)
    return page.figure(
        "writer",
        {"src": src, "prompt": prompt, "shown": SHOWN, "layers": model.config.n_layers}
        | {"heads": model.config.n_heads},
        f'<p class="text">{page.text(prompt)}</p>',
        page.controls(),
        f'<div class="lm-scroll"><svg aria-hidden="true"></svg>'
        f'<ul class="lm-tokens">{pieces}</ul></div>',
        page.says(said),
        f'<div class="sides">{page.table(rows, kind="next", caption=page.text(words["next"]))}'
        f'<table class="lens" hidden><caption>{page.text(words["lens"])}</caption>'
        "<tbody></tbody></table></div>",
        f'<details class="more" hidden><summary>{page.text(words["more"])}</summary></details>',
        _views(words, home),
        caption={"of": say(words["book"], home=home) if home else ""},
    )


def _views(words: Mapping[str, Any], home: str) -> str:
    """Return the places of all heads, of one of them, and of the numbers of one look."""
    # What to see, and the chapter that teaches it.
    tells = []
    for sees, chapter in zip(words["see"], words["taught"], strict=True):
        tells.append(f"<p>{text(sees)} {say(chapter, home=home) if home else ''}</p>")
    return (
        f'<details class="views" hidden><summary>{text(words["views"])}</summary>'
        f'{tells[0]}<div class="heads"></div>'
        f'{tells[1]}<div class="grid" role="img"></div>'
        f'{tells[2]}<div class="from"></div>'
        '<table class="look"><caption></caption><tbody></tbody></table></details>'
    )


def _shown(token: str) -> str:
    return token.replace(" ", "␣").replace("\n", "⏎")


def _open(shares: Tensor) -> str:
    return f"{torch.special.entr(shares).sum().exp().item():,.0f}"
