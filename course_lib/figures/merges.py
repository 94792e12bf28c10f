"""Byte-pair encoding, merge by merge, on a text that can be changed."""

import re
from collections.abc import Sequence

from IPython.display import HTML

from course_lib.checks import expect
from course_lib.figures import page


def merges_explorer(merges: Sequence[tuple[bytes, bytes]], text: str) -> HTML:
    """Let the reader move through the merges of byte-pair encoding and see a text being joined.

    The text can be changed; the browser encodes it as ``BPETokenizer`` does.

    Args:
        merges: pairs of tokens in the order in which they were learned, as in ``BPETokenizer``.
        text: shown first, split into its bytes.

    Returns:
        A self-contained figure that opens before the first merge. Its first tokens are written
        here, so that they are there where no script runs.

    Raises:
        ValueError: if there is no merge or no text, or the text has more than one line, which the
            browser's field doesn't hold.
    """
    expect(len(merges) > 0, "merges", "at least one", "none")
    expect(len(text) > 0, "text", "at least one character", "none")
    expect(not re.search(r"[\r\n]", text), "text", "one line", repr(text[:40]))
    # Each pair once; the text as bytes.
    merges = list(dict.fromkeys((left, right) for left, right in merges))
    tokens = [bytes([byte]) for byte in text.encode()]
    data = {
        # A character for each byte, since JSON has no bytes.
        "merges": [[left.decode("latin-1"), right.decode("latin-1")] for left, right in merges],
        "text": text,
    }
    items = "".join(f"<li>{page.text(show_token(token))}</li>" for token in tokens)
    words = page.words("merges")
    said = page.say(words["says"], merges=0, tokens=len(tokens), characters=len(text))
    return page.figure(
        "merges",
        data,
        f'<ol class="lm-tokens" aria-label="{page.text(words["tokens"])}">{items}</ol>',
        page.says(said),
        characters=len(text),
    )


def show_token(token: bytes) -> str:
    """Return a token as text, a space as ``␣`` and a line's end as ``⏎``; or else its bytes."""
    try:
        return token.decode().replace(" ", "␣").replace("\n", "⏎")
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in token)
