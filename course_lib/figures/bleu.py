"""How BLEU counts, for one sentence and one reference that can be changed."""

import math
from collections import Counter

from IPython.display import HTML

from course_lib.checks import expect
from course_lib.evaluation import bleu_counts, bleu_from_counts, tokenize_13a
from course_lib.figures import page
from course_lib.figures.page import decimals, percent, say


def bleu_calculator(hypothesis: str, reference: str) -> HTML:
    """Let the reader change a translation and its reference, and see how BLEU counts.

    The browser computes what ``evaluation.bleu`` does, for one sentence and one reference.

    Args:
        hypothesis: the translation that is judged, shown first.
        reference: the right translation, shown first.

    Returns:
        A self-contained figure. Its first state is written here, so that it is there where no
        script runs.

    Raises:
        ValueError: if one of the two has no word.
    """
    for name, sentence in {"hypothesis": hypothesis, "reference": reference}.items():
        expect(len(tokenize_13a(sentence)) > 0, name, "at least one word", repr(sentence))
    # What BLEU counts, and which words of the hypothesis the reference has left.
    counts = bleu_counts(hypothesis, reference)
    length, wanted = (int(count) for count in counts[:2])
    left, items = Counter(tokenize_13a(reference)), []
    for word in tokenize_13a(hypothesis):
        left[word] -= 1
        kind = ' class="on"' if left[word] >= 0 else ""
        items.append(f"<li{kind}>{page.text(word)}</li>")
    words = page.words("bleu")
    # A row for each length of n-gram.
    rows = [
        [
            str(n),
            str(int(match)),
            str(int(total)),
            percent(match / total) if total else words["none"],
        ]
        for n, match, total in zip(range(1, 5), counts[2:6], counts[6:], strict=True)
    ]
    said = say(
        words["says"],
        words=length,
        wanted=wanted,
        brevity=decimals(math.exp(min(0, 1 - wanted / length)), 3),
        bleu=decimals(bleu_from_counts(counts), 1),
    )
    return page.figure(
        "bleu",
        {"hypothesis": hypothesis, "reference": reference},
        f'<ol class="lm-tokens" aria-label="{page.text(words["pieces"])}">{"".join(items)}</ol>',
        page.table(rows, heads=words["heads"]),
        page.says(said),
        hypothesis=hypothesis,
        reference=reference,
    )
