"""Where a head of cross-attention looks while a translation is written."""

from collections.abc import Sequence

from IPython.display import HTML
from torch import Tensor

from course_lib.checks import expect
from course_lib.figures import page


def alignment_explorer(
    read: Sequence[str],
    written: Sequence[str],
    weights: Tensor,
    *,
    head: tuple[int, int] = (0, 0),
    asking: int = 0,
) -> HTML:
    """Let the reader pick a token of a translation, and see at which of the source a head looks.

    Args:
        read: S tokens of the source.
        written: T tokens of the translation.
        weights: cross-attention (L, H, T, S), as ``translator.cross_attention`` returns all three.
        head: layer and head that are shown first, from 0.
        asking: the written token that is shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that the weights are there
        where no script runs.

    Raises:
        ValueError: if the weights don't fit the tokens or are no shares, or no token or head is
            where it is asked for.
    """
    expect(len(read) > 0, "read", "at least one token", "none")
    expect(weights.dim() == 4, "weights", "shape (L, H, T, S)", tuple(weights.shape))
    # Shares, for each head, written token and read token.
    n_layers, n_heads = weights.shape[:2]
    wanted = (n_layers, n_heads, len(written), len(read))
    expect(tuple(weights.shape) == wanted, "weights", f"shape {wanted}", tuple(weights.shape))
    shares = bool(((weights >= 0) & (weights <= 1.001)).all())  # half precision rounds up
    expect(shares, "weights", "0 to 1", "others")
    # What is shown first.
    heads = [(i, j) for i in range(n_layers) for j in range(n_heads)]
    expect(head in heads, "head", f"(0, 0) to {(n_layers - 1, n_heads - 1)}", head)
    page.check_place("asking", asking, len(written))
    # Percents, which are all that a reader sees.
    names = [f"{i + 1}.{j + 1}" for i, j in heads]
    read, written = ([token.strip() or "␣" for token in tokens] for tokens in (read, written))
    percents = (100 * weights).round().int().flatten(0, 1).tolist()  # (L * H, T, S)
    shown = percents[heads.index(head)][asking]
    most = shown.index(max(shown))
    items = "".join(
        f'<li><div class="bar"><span style="height: {percent}%"></span></div>'
        f'<b>{page.text(token)}</b><span class="percent">{percent} %</span></li>'
        for token, percent in zip(read, shown, strict=True)
    )
    words = page.words("alignment")
    name = names[heads.index(head)]
    said = page.say(
        words["says"], written=written[asking], head=name, read=read[most], percent=shown[most]
    )
    return page.figure(
        "alignment",
        {
            "read": read,
            "written": written,
            "heads": names,
            "percents": percents,
            "head": heads.index(head),
            "asking": asking,
        },
        f'<ol aria-label="{page.text(words["source"])}">{items}</ol>',
        page.says(said),
        written=written[asking],
        head=name,
    )
