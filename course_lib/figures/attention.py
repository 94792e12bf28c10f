"""Where attention's weights come from: pick a query, move the scale."""

from collections.abc import Sequence

import torch
from IPython.display import HTML
from torch import Tensor

from course_lib.checks import expect
from course_lib.figures import page


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
        A self-contained figure that opens at scale 1/sqrt(D). Its first state is written here, so
        that the weights are there where no script runs.

    Raises:
        ValueError: if the tensors don't have one row per token and one width, have an entry that is
            not finite, or no token is at ``asking``.
    """
    shape = (len(tokens), queries.shape[-1])
    for name, x in {"queries": queries, "keys": keys}.items():
        expect(tuple(x.shape) == shape, name, f"shape {shape}", tuple(x.shape))
        expect(bool(torch.isfinite(x).all()), name, "finite numbers", "infinity or NaN")
    page.check_place("asking", asking, len(tokens))
    # The first state: scores, their powers, weights.
    dots = torch.as_tensor(queries @ keys.T, dtype=torch.float64).round(decimals=4)  # (T, T)
    scale = shape[1] ** -0.5
    scores = dots[asking] * scale  # (T,)
    powers = (scores - scores.max()).exp()
    weights = powers / powers.sum()
    # The three largest are named; the largest is marked if it is alone.
    words = page.words("attention")
    order = weights.sort(descending=True, stable=True).indices.tolist()
    alone = len(order) < 2 or (weights[order[0]] - weights[order[1]]).item() >= 1e-9
    columns = (column.tolist() for column in (dots[asking], scores, powers, weights))
    rows = [
        [
            token,
            *(page.decimals(x, n) for x, n in zip(numbers, (2, 2, 3, 3), strict=True)),
            numbers[3:],
        ]
        for token, *numbers in zip(tokens, *columns, strict=True)
    ]
    shares = ", ".join(
        page.say(words["share"], percent=page.decimals(100 * weights[j].item(), 0), token=tokens[j])
        for j in order[:3]
    )
    said = page.say(
        words["says"], scale=page.decimals(scale, 2), token=tokens[asking], shares=shares
    )
    # Numbers for the script, and what is seen without it.
    return page.figure(
        "attention",
        {"tokens": list(tokens), "dots": dots.tolist(), "headDim": shape[1], "asking": asking},
        page.controls('<div class="lm-scroll"><svg aria-hidden="true"></svg></div>'),
        page.table(
            rows,
            heads=words["heads"],
            classes=["most" if alone and j == order[0] else "" for j in range(len(tokens))],
        ),
        page.says(said),
        token=tokens[asking],
    )
