"""Texts that a sampler wrote: move its two settings."""

from collections.abc import Mapping, Sequence

from IPython.display import HTML

from course_lib.checks import expect
from course_lib.figures import page


def samples_explorer(
    samples: Mapping[tuple[object, object], Sequence[str]],
    *,
    labels: tuple[str, str],
    start: tuple[object, object] | None = None,
) -> HTML:
    """Let the reader move two settings of a sampler and see texts drawn with them.

    Args:
        samples: texts for each pair of settings; every first setting with every second one, and
            equally many texts for each.
        labels: the names of the two settings.
        start: the settings shown first; by default the first of each.

    Returns:
        A self-contained figure. Its first texts are written here, so that they are there where no
        script runs.

    Raises:
        ValueError: if a pair of settings is missing, or has more or fewer texts than others, or
            ``start`` is none of them.
    """
    # Every first setting with every second one, and equally many texts.
    expect(len(samples) > 0, "samples", "texts for at least one pair of settings", "none")
    first, second = (list(dict.fromkeys(values)) for values in zip(*samples, strict=True))
    missing = [(a, b) for a in first for b in second if (a, b) not in samples]
    every = "texts for every pair of settings"
    expect(not missing, "samples", every, f"none for {(*missing, None)[0]}")
    counts = sorted({len(texts) for texts in samples.values()})
    equal = len(counts) == 1 and counts[0] > 0
    expect(equal, "samples", "equally many texts for each pair", counts)
    # What is shown first.
    start = start or (first[0], second[0])
    expect(start in samples, "start", "a pair of settings that has texts", start)
    data = {
        "settings": [list(map(str, first)), list(map(str, second))],
        "start": [first.index(start[0]), second.index(start[1])],
        "samples": [[list(samples[a, b]) for b in second] for a in first],
    }
    return page.figure(
        "samples",
        {**data, "labels": labels},
        f'<blockquote aria-live="polite">{page.text(samples[start][0])}</blockquote>',
        first=labels[0],
        first_value=start[0],
        second=labels[1],
        second_value=start[1],
    )
