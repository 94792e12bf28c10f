"""Drawings of training: windows and targets, Muon's ellipse, the ring, copies beside shards.

Shown in 'Training' and 'Training on a GPU'. Read from top to bottom, or from left to right.
"""

import math

import torch

from course_lib.figures.drawing import WIDE, WIDTH, Drawing, color, show_drawing, tint
from course_lib.training.optim import orthogonalize

GRADIENT = ((0.6, 0.5), (0.3, 0.6))  # an example: one direction strong, one weak
PROCESSES = 3


def _windows(text: str, starts: tuple[int, ...], context: int) -> str:
    d = Drawing()
    side = (WIDTH - 16) / len(text)
    # The text, with a bracket at each window.
    for place, letter in enumerate(text):
        taken = any(start <= place < start + context for start in starts)
        d.cell(8 + side * place, 30, side, 26, "accent" if taken else "edge", 18 if taken else 4)
        d.text(8 + side * (place + 0.5), 48, letter, 15, mono=True)
    d.text(8, 20, "the text, one long row of tokens", 14, "muted", "start")
    # A row of the batch for each window: its inputs, and the same one place further.
    for x, name in ((8, "inputs (B, T)"), (216, "targets (B, T)")):
        d.text(x, 108, name, 14, "muted", "start")
    for row, start in enumerate(starts):
        middle = 8 + side * (start + context / 2)
        y = 118 + 38 * row
        d.line([(middle, 60), (middle, 88)], "accent")
        for x, shift, hue in ((8, 0, "accent"), (216, 1, "right")):
            for i in range(context):
                d.cell(x + 29 * i, y, 29, 26, hue, 18)
                d.text(x + 29 * i + 14.5, y + 18, text[start + shift + i], 15, mono=True)
    return d.svg(118 + 38 * len(starts), limit=WIDE)


def windows() -> None:
    """Show how a batch is cut out of a text."""
    show_drawing(
        _windows("To·be,·or·not·to·be", (1, 11), 6),
        "A batch: windows from random places, and the same windows one token further",
        "Below each other: B = 2 windows of T = 6 characters. The target of every input is the "
        "character behind it, so a window teaches T predictions at once.",
        alt="The row of characters of To be or not to be. Two stretches of six characters are "
        "marked "
        "and become the two rows of the inputs. Beside each row stand its targets: the same "
        "stretch, begun one character later.",
    )


def _seen_through(matrix: torch.Tensor, middle: float) -> Drawing:
    """Draw what a matrix (2, 2) makes of the unit circle and of its two singular directions."""
    d, scale, y = Drawing(), 50, 86
    angles = [2 * math.pi * i / 72 for i in range(72)]
    circle = torch.tensor([[math.cos(a), math.sin(a)] for a in angles])
    points = [(middle + scale * u, y - scale * v) for u, v in (circle @ matrix.T).tolist()]
    way = "L".join(f"{u:.1f} {v:.1f}" for u, v in points)
    fill = tint("accent", 12)
    d.parts.append(f'<path d="M{way}Z" style="fill:{fill};stroke:{color("accent")}"/>')
    directions = torch.linalg.svd(torch.tensor(GRADIENT)).Vh  # rows
    for (u, v), hue in zip((directions @ matrix.T).tolist(), ("query", "key"), strict=True):
        d.line([(middle, y), (middle + scale * u, y - scale * v)], hue, 2)
    return d


def _muon() -> str:
    gradient = torch.tensor(GRADIENT)
    seen = (
        (torch.eye(2), "all directions", "that come in"),
        (gradient / torch.linalg.matrix_norm(gradient, 2), "the gradient:", "one counts, one not"),
        (orthogonalize(gradient), "Muon's step:", "both count"),
    )
    whole = Drawing()
    for i, (matrix, *said) in enumerate(seen):
        middle = 66 + 134 * i
        whole.parts += _seen_through(matrix, middle).parts
        for line, words in enumerate(said):
            whole.text(middle, 172 + 18 * line, words, 13.5, "ink" if line == 0 else "muted")
        if i:
            whole.line([(middle - 80, 24), (middle - 54, 24)], "edge")
    return whole.svg(200, limit=WIDE)


def muon() -> None:
    """Show a circle, the flat ellipse that a gradient makes of it, and what Muon makes of that."""
    show_drawing(
        _muon(),
        "A gradient flattens the circle; Muon makes it round again",
        "A matrix of two by two takes each point of the circle somewhere. Its two singular "
        "directions, blue and brown (orange in the dark), are stretched by the singular values. "
        "Five Newton–Schulz steps leave where the arrows point and make them about equally long.",
        alt="Left: a circle with two arrows at a right angle, equally long. Middle: the gradient "
        "turns "
        "it into a flat ellipse; one arrow stays long, the other is short. Right: after "
        "Newton-Schulz steps the shape is nearly round, and both arrows are about equally long "
        "and point where they pointed in the middle.",
    )


def ring_stages(n: int) -> list[list[list[set[int]]]]:
    """Return for each stage of a ring all-reduce whose numbers process i's part j has in it."""
    held = [[{i} for _ in range(n)] for i in range(n)]
    stages = [held]
    for r in range(2 * (n - 1)):
        held = [[set(part) for part in row] for row in held]
        for i in range(n):
            j = (i - r) % n
            held[(i + 1) % n][j] |= stages[-1][i][j]
        stages.append(held)
    return stages


def _ring() -> str:
    d, n = Drawing(), PROCESSES
    stages = ring_stages(n)
    names = ("at first", "after round 1", "after round 2: each has one sum", "after round 4: all")
    for row, (name, stage) in enumerate(zip(names, (0, 1, 2, 4), strict=True)):
        top = 14 + 108 * row
        d.text(8, top + 4, name, 14, anchor="start", weight=650)
        for i in range(n):
            left = 18 + 130 * i
            for j, part in enumerate(stages[stage][i]):
                whole = len(part) == n
                hue, share = ("right", 30) if whole else ("accent", 12 * len(part))
                d.cell(left, top + 14 + 22 * j, 104, 22, hue, share)
                said = " + ".join(f"{'abc'[j]}{k}" for k in sorted(part))
                d.text(left + 52, top + 30 + 22 * j, said, 13.5, mono=True)
        # Who sends to whom next; the last one sends around to the first.
        if row < 2:
            for i in range(n):
                y = top + 25 + 22 * ((i - row) % n)
                if i < n - 1:
                    d.line([(122 + 130 * i, y), (148 + 130 * i, y)], "key", 2)
                else:
                    around = [(382, y), (394, y), (394, top + 88), (4, top + 88), (4, y), (18, y)]
                    d.line(around, "key", 2)
    for i in range(n):
        d.text(70 + 130 * i, 440, f"process {i}", 14, "muted")
    return d.svg(450, limit=WIDE)


def ring() -> None:
    """Show how three processes add up their numbers, each speaking with its neighbor only."""
    show_drawing(
        _ring(),
        "The ring: every process sends one part at a time to its right neighbor",
        "Three processes, each with three parts a, b and c of its own gradient. An arrow is one "
        "part on its way; all go at once. After two rounds each process has one part's whole sum "
        "(green), after two more all have all.",
        alt="Four stages, one below the other, each with three processes that hold three parts. At "
        "first each holds only its own numbers, and sends one part to the right, the last one "
        "around to the first. After round 1 each has one part with two summands, after round 2 "
        "one with three, the whole sum. After round 4 all nine cells hold whole sums.",
    )


def _held(shards: int) -> str:
    """Draw what each of four GPUs holds: all of it, or a share."""
    d = Drawing()
    for gpu in range(4):
        left = 8 + 100 * gpu
        d.text(left + 40, 18, f"GPU {gpu}", 14, weight=600)
        # What lies in the memory, from top to bottom: filled is what this GPU holds.
        top = 28.0
        for name, size, hue in (
            ("weights", 1, "accent"),
            ("gradients", 1, "key"),
            ("Adam", 2, "mlp"),
        ):
            height = 40 * size
            d.cell(left, top, 80, height, "edge", 0)
            part = height / shards
            begin = top + (gpu * part if shards > 1 else 0)
            d.cell(left, begin, 80, part, hue, 40)
            # Its name, once where all hold the same kind of share.
            if shards == 1 or gpu == 0:
                y = top + height / 2 + 5 if shards == 1 else begin + part + 16
                d.text(left + 40, y, name, 13.5)
            top += height + 8
    return d.svg(216, limit=WIDE)


def copies_and_shards() -> None:
    """Show what processes hold with DDP and with sharding."""
    sent = "sends gradients: 2 (N − 1)/N of their size"
    gathered = (
        "gathers the weights of one block at a time, twice, and scatters the gradients once: "
        "3 (N − 1)/N"
    )
    show_drawing(
        {
            "DDP: each holds all": f'{_held(1)}<p class="said">{sent}</p>',
            "Sharded (FSDP): each holds a quarter": f'{_held(4)}<p class="said">{gathered}</p>',
        },
        "Copies on every GPU, or one copy spread over all",
        "What stays in memory on each of four GPUs: 4 bytes for each weight, 4 for its gradient, "
        "8 for Adam's two means. Filled: what this GPU holds. Activations come on top in both.",
        alt="Two panels with four GPUs each. On the left, with DDP, every GPU holds all weights, "
        "gradients and Adam's numbers. On the right, sharded, every GPU holds another quarter of "
        "each of the three.",
    )
