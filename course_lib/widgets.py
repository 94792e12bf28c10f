"""Figures that move, in a notebook and in the rendered book, where there is no kernel.

:func:`frames` puts any matplotlib figure behind a slider. :func:`attention_explorer` lets the
reader's browser compute attention weights; it asks nothing of any other machine.
"""

import base64
import hashlib
import html
import io
import json
from collections.abc import Callable, Sequence
from importlib.resources import files

import ipywidgets
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure
from torch import Tensor


def _picture(figure: Figure, alt: str) -> str:
    """Return the figure as an ``<img>`` that holds its own data, and close it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}" style="max-width:100%">'
    )


def frames(
    draw: Callable[[object], Figure],
    values: Sequence[object],
    *,
    label: str,
    describe: Callable[[object], str],
) -> None:
    """Show the figure that belongs to a slider's value.

    All frames are drawn at once and linked to the slider in the browser, so that the figure moves
    without a kernel, too.

    Args:
        draw: makes the figure for one value.
        values: the slider's values, in order.
        label: the slider's name.
        describe: alt text of the figure for one value.

    Raises:
        ValueError: if there are fewer than two values.
    """
    values = list(values)
    if len(values) < 2:
        raise ValueError(f"values: expected at least two, got {values}")
    pictures = [_picture(draw(value), describe(value)) for value in values]
    slider = ipywidgets.SelectionSlider(
        options=[(str(value), i) for i, value in enumerate(values)],
        description=label,
        style={"description_width": "initial"},
    )
    if not hasattr(ipywidgets, "Stack"):  # ipywidgets 7, as in Colab, where a kernel is at hand
        picture = ipywidgets.HTML(pictures[0])
        slider.observe(lambda change: setattr(picture, "value", pictures[change.new]), "value")
        display(ipywidgets.VBox([slider, picture]))
        return
    stack = ipywidgets.Stack([ipywidgets.HTML(p) for p in pictures], selected_index=0)
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    bundle = ipywidgets.VBox([slider, stack])._repr_mimebundle_()
    # The default text would hold every frame's data.
    bundle["text/plain"] = f"A figure with a slider, {label}: {', '.join(map(str, values))}"
    display(bundle, raw=True)


def attention_explorer(
    tokens: Sequence[str], queries: Tensor, keys: Tensor, *, asking: int = 0
) -> HTML:
    """Let the reader pick a token and move the scale, and see where its weights come from.

    Args:
        tokens: T words.
        queries: (T, D).
        keys: (T, D).
        asking: the token whose weights are shown first.

    Returns:
        A self-contained figure that opens at scale 1/sqrt(D).

    Raises:
        ValueError: if the tensors don't have one row per token and one width.
    """
    shape = (len(tokens), queries.shape[-1])
    for name, x in {"queries": queries, "keys": keys}.items():
        if tuple(x.shape) != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {tuple(x.shape)}")
    dots = torch.as_tensor(queries @ keys.T, dtype=torch.float64)  # (T, T)
    data = {
        "tokens": list(tokens),
        "dots": [[round(dot, 4) for dot in row] for row in dots.tolist()],
        "headDim": shape[1],
        "asking": asking,
    }
    # An escaped "<" can't end the script that holds the data.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    page = (files("course_lib") / "attention_explorer.html").read_text(encoding="utf-8")
    name = hashlib.sha256(text.encode()).hexdigest()[:8]
    return HTML(page.replace("FIGURE_ID", f"attention-explorer-{name}").replace("DATA", text))
