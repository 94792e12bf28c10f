"""A Transformer that writes in the page: what comes next, what heads see, what layers say."""

from collections.abc import Sequence
from typing import Any

import regex as re
import torch
from IPython.display import HTML
from torch import Tensor

from course_lib.attention import apply_rope
from course_lib.checks import check_one_of, expect
from course_lib.figures import page
from course_lib.figures.page import decimals, percent, say, text
from course_lib.generation import Sampler, Tokenizer
from course_lib.interpret import attention_weights, residual_stream
from course_lib.model import GPT
from course_lib.text import BPETokenizer

SHOWN = 8  # tokens that have a row
LAST = 24  # tokens that a head's square shows
GRID = 12  # tokens that the large grid names
SHADES = 8
TEMPERATURE, TOP_P = 0.8, 0.95  # how a token is drawn at first
VIEWS = ("next", "stream", "heads", "look")


def writer_explorer(
    model: GPT, tokenizer: Tokenizer, prompt: str, *, src: str = "", home: str = "", view: str = ""
) -> HTML:
    """Let the reader write with a model that runs in the browser.

    The first state, written here, is what the model's own pass over the prompt gives.

    Args:
        model: what ``src`` holds.
        tokenizer: its tokenizer.
        prompt: the text that the figure opens with.
        src: where the page finds the script that ``python -m course_lib.export`` writes, if it
            isn't in the page.
        home: where the page finds the book's chapters; the caption tells of the book's own model
            then.
        view: only one of :data:`VIEWS`, for the place of a chapter that speaks of it: what comes
            ``next``, what each layer's ``stream`` says, all ``heads``, or one ``look`` in numbers.

    Raises:
        ValueError: if the prompt is empty or longer than the model's context, or there is no such
            view.
    """
    if view:
        check_one_of("view", view, VIEWS)
    ids = tokenizer.encode(prompt)
    most = model.config.context
    expect(0 < len(ids) <= most, "prompt", f"1 to {most} tokens", f"{len(ids)}")
    words = page.words("writer")
    names = [_shown(tokenizer, token) for token in ids]
    # One pass: what each layer holds, whom each head looks at, what comes next.
    tokens = torch.tensor([ids])
    with torch.inference_mode():
        stream = residual_stream(model, tokens)[:, 0]  # (layers + 1, T, d_model)
        weights = attention_weights(model, tokens)[:, 0]  # (layers, H, T, T)
        says = model.logits(model.norm(stream[:, -1])).double().softmax(-1)  # (layers + 1, V)
    # The likeliest tokens, how likely each is drawn, and what the sentence says of them.
    top = says[-1].topk(min(SHOWN, says.shape[-1]))
    drawn = Sampler(TEMPERATURE, top_p=TOP_P).probabilities(says[-1:].log(), [[]])[0].double()
    both = torch.stack([top.values, drawn[top.indices]], -1)  # (SHOWN, 2)
    both = torch.cat([both, 1 - both.sum(0, keepdim=True)])
    called = [*(_shown(tokenizer, token) for token in top.indices.tolist()), words["others"]]
    rows: list[list[page.Cell]] = []
    for name, (share, chance) in zip(called, both.tolist(), strict=True):
        rows.append([name, percent(share), percent(chance), [share, chance]])
    said = _said(says[-1], called[0])
    # What each layer would say.
    layers: list[list[page.Cell]] = []
    for i, (shares, state) in enumerate(zip(says, stream[:, -1], strict=True)):
        share, token = (each.item() for each in shares.max(-1))
        name = say(words["states"][min(i, 1)], n=i)
        word = _shown(tokenizer, int(token))
        layers.append([name, word, percent(share), decimals(state.norm().item(), 1)])
    # A sentence for each view, and the chapter that teaches it, unless that chapter shows it.
    tells = {
        of: text(sees) + (say(words["taught"][of], home=home) if home and not view else "")
        for of, sees in words["see"].items()
    }
    # Whom the last token looks at.
    looks = weights[-1].mean(0)[-1]
    styles = [f' style="--weight: {decimals(share, 3)}"' for share in looks.tolist()]
    styles[-1] += ' class="on"'
    pieces = "".join(
        f"<li{style}>{text(name)}</li>" for style, name in zip(styles, names, strict=True)
    )
    j = int(looks.argmax())
    arcs = say(words["arcs"][0], layer=len(weights), token=names[j], share=percent(looks[j].item()))
    return page.figure(
        "writer",
        {"src": src, "prompt": prompt, "layers": model.config.n_layers}
        | {"heads": model.config.n_heads, "last": LAST, "grid": GRID, "shades": SHADES}
        | {"temperature": TEMPERATURE, "p": TOP_P}
        | {"weights": [round(share, 4) for share in looks.tolist()]},
        f'<div data-view="{view}">'
        f'<p class="text" tabindex="0" role="group" aria-label="{text(words["written"])}">'
        f"{text(prompt)}</p>",
        page.controls(),
        f'<div class="lm-scroll" tabindex="0" role="group" aria-label="{text(words["reads"])}">'
        f'<svg role="img" aria-label="{text(arcs)}"></svg>'
        f'<ul class="lm-tokens">{pieces}</ul></div>',
        page.says(said),
        '<div class="sides">',
        page.table(rows, heads=words["drawn"], kind="next", caption=tells["next"]),
        page.table(layers, heads=words["columns"], kind="lens", caption=tells["stream"]),
        f'</div><details class="more" hidden{" open" if view == "next" else ""}>'
        f"<summary>{text(words['more'])}</summary></details>",
        f'<details class="views" {"open" if view in ("heads", "look") else "hidden"}>'
        f"<summary>{text(words['views'])}</summary>",
        f'<div data-see="heads"><p>{tells["heads"]}</p>'
        f'<div class="heads" style="--heads: {model.config.n_heads}">{_squares(weights, names)}'
        f"</div><p>{tells['grid']}</p>{_large(weights[-1].mean(0), names)}</div>",
        f'<div data-see="look"><p>{tells["look"]}</p><div class="from"></div>',
        _look(model, tokens, weights, names),
        "</div></details></div>",
        caption={"of": say(words["here" if view else "book"], home=home) if home else ""},
    )


def _squares(weights: Tensor, names: Sequence[str]) -> str:
    """Return a small grid for each head."""
    squares, told = [], page.words("writer")["square"]
    for layer, heads in enumerate(weights[:, :, -LAST:, -LAST:], 1):
        for n, head in enumerate(heads, 1):
            j = int(weights[layer - 1, n - 1, -1].argmax())
            share = percent(weights[layer - 1, n - 1, -1, j].item())
            told = say(
                page.words("writer")["square"], layer=layer, n=n, token=names[j], share=share
            )
            squares.append(
                f'<span role="img" aria-label="{text(told)}" data-head="{layer}.{n}">'
                f"{_grid(head)}</span>"
            )
    return "".join(squares)


def _large(weights: Tensor, names: Sequence[str]) -> str:
    """Return the grid that names its tokens, of the mean of the last layer's heads."""
    shown, told = names[-GRID:], []
    head = weights[-GRID:, -GRID:]
    for i, row in enumerate(head):
        to, share = shown[int(row[: i + 1].argmax())], percent(row[: i + 1].max().item())
        told.append(say(page.words("writer")["row"], token=shown[i], to=to, share=share))
    wide = f"max-width: {1.5 * (len(shown) + 6):g}rem"
    return (
        f'<div class="grid" role="img" aria-label="{text(" ".join(told))}" style="{wide}">'
        f"{_grid(head, shown)}</div>"
    )


def _grid(weights: Tensor, names: Sequence[str] = ()) -> str:
    """Return attention as a grid: a row for each token, strong where it takes much."""
    # One path for each shade.
    paths = [""] * (SHADES + 1)
    for i, row in enumerate(weights.tolist()):
        for j, weight in enumerate(row[: i + 1]):
            paths[int(SHADES * weight**0.7 + 0.5)] += f"M{j} {i}h1v1h-1z"
    inside = ""
    for n, path in enumerate(paths):
        if n and path:
            inside += f'<path d="{path}" fill-opacity="{n / SHADES:g}"></path>'
    for i, name in enumerate(names):
        inside += f'<text x="{i + 1.3:g}" y="{i + 0.75:g}">{text(name)}</text>'
    wide = len(weights) + (6 if names else 0)
    return f'<svg aria-hidden="true" viewBox="0 0 {wide} {len(weights)}">{inside}</svg>'


def _look(model: GPT, tokens: Tensor, weights: Tensor, names: Sequence[str]) -> str:
    """Return the numbers of one look: the last token's, in the last layer's first head."""
    words = page.words("writer")
    block: Any = model.blocks[-1]
    layer = block.attention
    # Of the tokens that the grid names, the one of which most is taken.
    row = weights[-1, 0, -1]
    j = int(row[-GRID:].argmax()) + max(0, len(names) - GRID)
    # Queries and keys as the head compares them: of one length, and turned by their places.
    with torch.inference_mode():
        x = block.attention_norm(residual_stream(model, tokens)[-2, 0])  # (T, d_model)
        query, key, value = (
            part(x).unflatten(-1, (-1, layer.head_dim))[:, 0]
            for part in (layer.q_proj, layer.k_proj, layer.v_proj)
        )
        if layer.q_norm is not None:
            query, key = layer.q_norm(query), layer.k_norm(key)
        if layer.rope_base is not None:
            places = torch.arange(len(names))
            query, key = (apply_rope(each, places, layer.rope_base) for each in (query, key))
    size = layer.head_dim
    score = (query[-1] @ key[j]).item() / size**0.5
    caption = say(words["look"], layer=model.config.n_layers, n=1, size=size)
    return page.table(
        [
            [say(words["query"], token=names[-1]), _numbers(query[-1])],
            [say(words["key"], token=names[j]), _numbers(key[j])],
            [say(words["score"], size=size), decimals(score, 3)],
            [say(words["weight"], n=len(names)), percent(row[j].item())],
            [say(words["value"], token=names[j]), _numbers(value[j])],
        ],
        kind="look",
        caption=text(caption),
    )


def _numbers(x: Tensor) -> str:
    return "  ".join(decimals(each, 2) for each in x.tolist())


def _shown(tokenizer: Tokenizer, token: int) -> str:
    """Return a token as it is shown; one that is a part of a sign only, or unseen, by its bytes."""
    shown = tokenizer.decode([token]).replace("\n", "⏎")
    if isinstance(tokenizer, BPETokenizer) and re.search(r"[\p{Cc}\p{Cf}\uFFFD]", shown):
        raw = next(each for each, i in tokenizer.vocab.items() if i == token)
        shown = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in raw)
    return shown.replace(" ", "␣")


def _said(shares: Tensor, likeliest: str) -> str:
    """Return what comes next as a sentence."""
    words = page.words("writer")
    as_many = torch.special.entr(shares).sum().exp().round().item()
    return say(
        words["says"] + words["open" if as_many > 1 else "sure"],
        token=likeliest,
        share=percent(shares.max().item()),
        open=f"{as_many:,.0f}",
    )
