"""Which answers are alike: by their programs' tokens, with what was released taken out.

Names of variables, spaces and comments don't count. The fingerprints are winnowed: of each window
of hashed runs of tokens the least is kept (Schleimer, Wilkerson and Aiken 2003).
"""

import hashlib
import io
import keyword
import tokenize
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations

from course_lib.assignments.submission import LONGEST

RUN, WINDOW = 8, 4
# What more than this share of a class has is nobody's own; an answer needs so many prints.
COMMON, FEWEST = 0.2, 8
SKIPPED = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


def tokens(text: str) -> list[str]:
    """Return a program's tokens; each name that isn't the language's is one and the same."""
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text[:LONGEST]).readline):
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                found.append("name")
            elif token.type not in SKIPPED:
                found.append(token.string)
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # up to where it is no program
    return found


def prints(text: str) -> set[int]:
    """Return a program's fingerprints."""
    words = tokens(text)
    runs = [" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1)]
    hashes = [int(hashlib.blake2b(run.encode(), digest_size=8).hexdigest(), 16) for run in runs]
    windows = range(max(len(hashes) - WINDOW + 1, 1)) if hashes else range(0)
    return {min(hashes[start : start + WINDOW]) for start in windows}


def alike(
    texts: Mapping[str, str], released: Iterable[str], least: float = 0.6
) -> list[tuple[str, str, float]]:
    """Return the pairs of writers whose programs share much, the likest first.

    Args:
        texts: each writer's program.
        released: programs that all were given; what is of them doesn't count.
        least: the share of the shorter program's fingerprints that the two have in common.
    """
    given = set().union(*map(prints, released))
    own = {writer: prints(text) - given for writer, text in texts.items()}
    # What many found by themselves is no sign of anything.
    count = Counter(one for found in own.values() for one in found)
    most = max(2, COMMON * len(own))
    own = {writer: {one for one in found if count[one] <= most} for writer, found in own.items()}
    # Only writers who share a print are compared: a class of 3,000 has 4.5 million pairs.
    holders: dict[int, list[str]] = {}
    for writer, found in own.items():
        for one in found if len(found) >= FEWEST else ():
            holders.setdefault(one, []).append(writer)
    shared = Counter(pair for who in holders.values() for pair in combinations(sorted(who), 2))
    pairs = [(a, b, n / min(len(own[a]), len(own[b]))) for (a, b), n in shared.items()]
    return sorted((one for one in pairs if one[2] >= least), key=lambda one: (-one[2], one))
