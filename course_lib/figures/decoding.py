"""What the next token is drawn from: move temperature, top-k and top-p."""

from collections.abc import Callable, Mapping

import torch
from IPython.display import HTML
from torch import Tensor

from course_lib.checks import check_sizes, expect
from course_lib.figures import page
from course_lib.figures.page import percent, say


def decoding_explorer(
    contexts: Mapping[str, Tensor], label: Callable[[int], str], *, shown: int = 12
) -> HTML:
    """Let the reader move temperature, top-k and top-p, and see what the next token is drawn from.

    The browser computes what ``Sampler.probabilities`` does, of the logits rounded to hundredths.
    Of all but the likeliest tokens it gets only how many have each logit.

    Args:
        contexts: texts so far, with the logits (V,) of the next token.
        label: token id to what is shown of it.
        shown: how many tokens have a row of their own, the likeliest first.

    Returns:
        A self-contained figure that opens with the model's own distribution after the first text.
        Its first state is written here, so that it is there where no script runs.

    Raises:
        ValueError: if there is no text, or the logits are not (V,) with V above ``shown``, or not
            finite.
    """
    check_sizes(shown=shown)
    expect(len(contexts) > 0, "contexts", "at least one text", "none")
    # For the script: the logits, and what the sliders can have.
    held = [_context(text, logits, label, shown) for text, logits in contexts.items()]
    choices: dict[str, list[float | None]] = {
        "temperature": [step / 20 for step in range(41)],
        "k": [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, None],
        "p": [*(step / 20 for step in range(1, 20)), 0.99, None],
    }
    first = {"temperature": 20, "k": len(choices["k"]) - 1, "p": len(choices["p"]) - 1}
    # The first state: the model's own distribution, the likeliest tokens in rows.
    text, logits = next(iter(contexts.items()))
    probabilities = _hundredths(logits).div(100).softmax(-1).sort(descending=True).values
    top, count = probabilities[:shown], len(probabilities)
    words = page.words("decoding")
    names = [name for name, _ in held[0]["shown"]]
    names.append(say(words["others"], n=f"{count - shown:,}"))
    shares = [*top.tolist(), probabilities[shown:].sum().item()]
    rows = [
        [name, percent(share), percent(share), [share, share]]
        for name, share in zip(names, shares, strict=True)
    ]
    # The sentence, with how many tokens it is as open as.
    openness = torch.special.entr(probabilities).sum().exp().item()
    said = say(
        words["says"],
        kept=f"{count:,}",
        all=f"{count:,}",
        share=percent(1),
        open=f"{openness:,.1f}",
    )
    after = f'<q class="so-far">{page.text(text)}</q>'
    return page.figure(
        "decoding",
        {"contexts": held, "choices": choices, "first": first},
        page.controls(),
        page.says(said),
        page.table(rows, heads=words["heads"], caption=say(words["after"], context=after)),
    )


def _hundredths(logits: Tensor) -> Tensor:
    """Return the logits below the highest as whole numbers of hundredths, (V,).

    Below -1,000 they all are as good as never drawn.
    """
    logits = logits.double().cpu()
    return (100 * (logits - logits.max())).round().clamp(min=-100_000)


def _context(text: str, logits: Tensor, label: Callable[[int], str], shown: int) -> dict:
    """Return what the explorer's script needs of one text's next token."""
    fits = logits.dim() == 1 and len(logits) > shown
    expected = f"logits (V,) with V above {shown}"
    expect(fits, "contexts", expected, tuple(logits.shape))
    expect(bool(torch.isfinite(logits).all()), "contexts", "finite logits", "infinity or NaN")
    values, order = _hundredths(logits).sort(descending=True, stable=True)
    values, rest = values.int(), values[shown:].int()
    top = zip(order[:shown].tolist(), values[:shown].tolist(), strict=True)
    return {
        "text": text,
        "shown": [[label(token), value] for token, value in top],
        "from": rest[0].item(),
        "rest": torch.bincount(rest[0] - rest).tolist(),
    }
