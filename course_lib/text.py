"""Cleaning: from what a file holds to what a model should read.

Taught in 'Preprocessing'.
"""

import re


def strip_play_markup(markdown: str) -> str:
    """Return what is spoken in a play, verse by verse, one empty line between two speeches.

    Headings, speakers' names and stage directions (all that is emphasized) are left out.

    Args:
        markdown: a play as ``load_plays`` returns it.
    """
    text = re.sub(r"^#.*$", "", markdown, flags=re.M)
    text = re.sub(r"^\*\*.*\*\*\s*$", "", text, flags=re.M)
    # A stage direction may run over several lines, but not over an empty one.
    text = re.sub(r"_+(?:[^_\n]|\n(?!\s*\n))*_+|\*(?:[^*\n]|\n(?!\s*\n))*\*", "", text)
    text = re.sub(r"\\?\[[^\]\n]*\]?_?", "", text)  # what is left of one in brackets
    text = re.sub(r"[ \t]+$|^[ \t]+", "", text.replace("\\", ""), flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
