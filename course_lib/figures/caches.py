"""Drawings of what a key-value cache holds: which keys a query sees, and what is kept of each."""

from course_lib.figures.drawing import Drawing, show_drawing


def which_keys() -> None:
    """Show which keys each query sees: all, the newest, the newest and the first."""
    d, cell, n = Drawing(), 14, 8
    kinds = {"all": (n, 0), "a window of 4": (4, 0), "3, and the first": (3, 1)}
    for i, (name, (window, sinks)) in enumerate(kinds.items()):
        left = 12 + 134 * i
        d.text(left + n * cell / 2, 22, name, 14, weight=600)
        # A row for each query, a column for each key; a query sees itself and keys before it.
        for query in range(n):
            for key in range(query + 1):
                seen = query - key < window or key < sinks
                hue = "key" if key < sinks and query - key >= window else "attention"
                d.cell(left + cell * key, 34 + cell * query, 12, 12, hue, 70 if seen else 5)
    d.text(12, 166, "keys, from the first token →", 13.5, "muted", "start")
    show_drawing(
        d.svg(176, limit="34rem"),
        "A window forgets what is old; a sink keeps the beginning",
        "A row for each query, a column for each key before it. Strong: seen. Pale: forgotten, "
        "and so not kept in the cache. In another color: the first token’s key, which the last "
        "query sees as well as the first one.",
        alt="Three triangles of cells, eight queries by eight keys. In the first all cells are "
        "strong. In the second only the four newest of each row, a band along the diagonal. In "
        "the third the three newest and the first column, in another color.",
    )


def paged_cache() -> None:
    """Show three texts in memory: in one piece each, as long as the longest, and in blocks."""
    texts = {"query": 5, "key": 9, "value": 3}  # hue: tokens so far
    size, block, longest = 22, 4, 16
    pieces, blocks = Drawing(), Drawing()
    # In pieces: a row for each text, memory for the longest one that may come.
    for row, (hue, n_tokens) in enumerate(texts.items()):
        y = 12 + 40 * row
        for i in range(longest):
            pieces.cell(24 + size * i, y, size - 2, 26, hue, 70 if i < n_tokens else 6)
    pieces.text(24, 148, "17 of 48 cells hold a token", 14.5, anchor="start", weight=600)
    # In blocks: each text takes the next free one when its last is full.
    taken = [("query", 4), ("key", 4), ("value", 3), ("key", 4), ("query", 1), ("key", 1)]
    for i in range(12):
        x, y = 24 + 4 * size * (i % 4) + 3 * (i % 4), 12 + 40 * (i // 4)
        hue, filled = taken[i] if i < len(taken) else ("edge", 0)
        for j in range(block):
            blocks.cell(x + size * j, y, size - 2, 26, hue, 70 if j < filled else 6)
    blocks.text(24, 148, "17 of 24 taken cells; 24 are free", 14.5, anchor="start", weight=600)
    show_drawing(
        {"memory for the longest text": pieces.svg(160), "blocks of four": blocks.svg(160)},
        "In blocks a text takes what it needs, wherever there is room",
        "The cache of three texts, a color each, with 5, 9 and 3 tokens so far. Strong: a token’s "
        "keys and values. Pale: taken and empty. Gray: free, for other texts. A table for each "
        "text says in which blocks its tokens stand, in order.",
        alt="Left: three rows of 16 cells, one for each text, of which 5, 9 and 3 are filled. "
        "Right: the same memory as twelve blocks of four cells. Six blocks are taken, those of a "
        "text not side by side, and only each text's last block has empty cells; six are free.",
    )


def shared_keys() -> None:
    """Show what a layer with eight heads keeps of a token: keys and values, or a latent."""
    d = Drawing()
    kinds = {"a key and a value a head": 8, "grouped, 2 for 8": 2, "one for all": 1, "a latent": 0}
    for i, (name, n_heads) in enumerate(kinds.items()):
        top = 12 + 76 * i
        d.text(8, top + 14, name, 14, anchor="start", weight=600)
        # The eight heads' queries, and below them what the cache keeps for them.
        for head in range(8):
            d.cell(216 + 22 * head, top, 18, 14, "query", 40)
        wide = 176 / max(n_heads, 1)
        for head in range(n_heads):
            for row, hue in enumerate(("key", "value")):
                d.cell(216 + wide * head, top + 22 + 16 * row, 18, 14, hue, 70)
        if not n_heads:
            for j in range(4):
                d.cell(216 + 20 * j, top + 30, 18, 14, "attention", 70)
            d.cell(316, top + 30, 12, 14, "position", 70)
    show_drawing(
        d.svg(312),
        "Four ways to remember a token for eight heads",
        "Above: the queries of the eight heads. Below: what the cache keeps of each token, keys "
        "and under them values. A latent is one vector from which the keys and values of all "
        "heads are made again; the gray piece is a small key of its own for the position.",
        alt="Four rows, each with eight query cells. Below them eight pairs of a key and a value, "
        "then two pairs, then one pair, then a short row of cells in another color, with "
        "a small gray one.",
    )
