"""Cleaning: from what a file holds to what a model should read.

Taught in 'Preprocessing'. A step takes documents and returns documents; :func:`clean` runs steps in
order and reports what each of them changed. The English filter is a rule of Rae et al. (2021),
'Scaling Language Models: Methods, Analysis & Insights from Training Gopher', appendix A.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

import regex

from course_lib.checks import check_sizes

Documents = dict[Hashable, str]
Step = Callable[[Documents], Documents]

# Chinese has no spaces between words: each of its characters counts as one.
WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")
_TAGS = "a|b|blockquote|br|center|code|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|s|span|strong|u|ul"
_TAG_END = r"(?:\s[^<>]*)?/?>"
# A run of a name's signs is read once, whether an address follows or not.
_EMAIL = re.compile(r"[\w.+-]+(@[\w-]+(?:\.[\w-]+)+)?", re.ASCII)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}"  # international
    r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"  # North America
    r"|1[3-9]\d{9}"  # Chinese mobile
    r")(?![\w-])",
    re.ASCII,
)
_MARKS = regex.compile(r"(?:(?!\u034f)\p{M}){30}(?=(?!\u034f)\p{M})")
_ENGLISH = {"the", "be", "to", "of", "and", "that", "have", "with"}


# Steps for one document


def nfc(text: str) -> str:
    """Return the text in Unicode's form NFC: one way to write each character, such as é.

    Marks are put in order, which takes the square of their number. So a joiner that isn't seen
    stands behind each 30 of them, as in Unicode's 'stream-safe text format' (UAX 15).
    """
    return unicodedata.normalize("NFC", _MARKS.sub("\\g<0>\u034f", text))


def mend_encoding(text: str) -> str:
    """Return the text with control characters 128 to 159 read as Windows meant them.

    They are dashes and quotation marks of the code page Windows-1252 that someone took for Latin-1.
    """

    def mend(found: re.Match) -> str:
        return found.group().encode("latin-1").decode("cp1252", errors="ignore")

    return re.sub("[\x80-\x9f]", mend, text)


def strip_html(text: str) -> str:
    """Return the text without HTML: line breaks for ``<br>`` and ``<p>``, characters for entities.

    Only tags that HTML knows are taken out: ``<grin>`` was written to be read.
    """
    # Python makes no number of 5,000 digits; one of more than 7 is no character.
    text = re.sub(r"&#0+(?=\d)", "&#", text)
    text = re.sub(r"&#\d{8,};?", "\ufffd", text)
    text = re.sub(rf"<(?:br|/?p|hr){_TAG_END}", "\n", text, flags=re.I)
    return html.unescape(re.sub(rf"</?(?:{_TAGS}){_TAG_END}", "", text, flags=re.I))


def strip_play_markup(markdown: str) -> str:
    """Return what is spoken in a play, verse by verse, one empty line between two speeches.

    Headings, speakers' names and stage directions (all that is emphasized) are left out.

    Args:
        markdown: a play as ``load_plays`` returns it.
    """
    # Headings, and who speaks.
    text = re.sub(r"^#.*$", "", markdown, flags=re.M)
    text = re.sub(r"^\*\*.*\*\*\s*$", "", text, flags=re.M)
    # A stage direction may run over several lines, but not over an empty one.
    text = re.sub(r"_+(?:[^_\n]|\n(?!\s*\n))*_+|\*(?:[^*\n]|\n(?!\s*\n))*\*", "", text)
    text = re.sub(r"\\?\[[^\]\n]*\]?_?", "", text)  # what is left of one in brackets
    return squeeze_whitespace(text.replace("\\", ""))


def squeeze_whitespace(text: str) -> str:
    """Return the text with single spaces, none at a line's ends, and at most one empty line."""
    text = re.sub(r"[^\S\n]+", " ", re.sub(r"\r\n?", "\n", text))
    text = re.sub(r"^ | $", "", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def mask_personal_data(text: str) -> str:
    """Return the text with ``<email>`` and ``<phone>`` for addresses and telephone numbers.

    Found by their form only: names, and numbers written in another way, stay.
    """
    masked = _EMAIL.sub(lambda found: "<email>" if found[1] else found[0], text)
    return _PHONE.sub("<phone>", masked)


def looks_english(text: str) -> bool:
    """Say whether at least two of eight very common English words are in the text."""
    return len(_ENGLISH.intersection(WORD.findall(text.lower()))) >= 2


# Steps for all documents


def each(change: Callable[[str], str]) -> Step:
    """Return the step that changes each document by itself."""
    return lambda documents: {key: change(text) for key, text in documents.items()}


def keep(wanted: Callable[[str], bool]) -> Step:
    """Return the step that keeps the documents that are wanted."""
    return lambda documents: {key: text for key, text in documents.items() if wanted(text)}


def drop_repeated_lines(documents: Documents, least: int = 5) -> Documents:
    """Take out each line that stands in at least so many documents: boilerplate."""
    check_sizes(least=least)
    seen = Counter(
        line
        for text in documents.values()
        for line in {line.strip() for line in text.split("\n")}
        if line
    )
    return {
        key: "\n".join(line for line in text.split("\n") if seen[line.strip()] < least)
        for key, text in documents.items()
    }


def drop_copies(documents: Documents) -> Documents:
    """Keep the first of documents whose text is the same."""
    first: dict[str, Hashable] = {}
    for key, text in documents.items():
        first.setdefault(text, key)
    return {key: text for text, key in first.items()}


# A pipeline and its reports


@dataclass(frozen=True)
class Report:
    """What a step did.

    Attributes:
        step: its name.
        documents: their number before and after.
        characters: their number before and after, in all documents.
        changed: number of documents that were kept and changed.
        examples: from up to three documents, the place that changed first, before and after; what
            a dropped document began with, and "".
    """

    step: str
    documents: tuple[int, int]
    characters: tuple[int, int]
    changed: int
    examples: list[tuple[str, str]]


def clean(
    documents: Mapping[Hashable, str], steps: Mapping[str, Step]
) -> tuple[Documents, list[Report]]:
    """Run steps in order and report what each changed.

    Args:
        documents: name, or number, to text.
        steps: name to step, for example ``{"Unicode": each(nfc), "copies": drop_copies}``.

    Returns:
        The documents that are left, and a report for each step.
    """
    left, reports = dict(documents), []
    for name, step in steps.items():
        before, left = left, step(left)
        # What the step changed or dropped.
        differing = [key for key, text in before.items() if left.get(key) != text]
        reports.append(
            Report(
                name,
                (len(before), len(left)),
                (sum(map(len, before.values())), sum(map(len, left.values()))),
                sum(key in left for key in differing),
                [_excerpts(before[key], left.get(key, "")) for key in differing[:3]],
            )
        )
    return left, reports


def _excerpts(before: str, after: str, length: int = 60) -> tuple[str, str]:
    pairs = enumerate(zip(before, after, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(before), len(after)))
    start = max(place - length // 3, 0)
    return before[start : start + length], after[start : start + length]


def table(reports: Iterable[Report]) -> str:
    """Return reports as a table: what is left after each step, and what the step changed."""
    # A head, what there was before the first step, and a row for each step.
    rows = [("step", "documents", "characters", "documents changed")]
    for report in reports:
        (n, _), (size, _) = report.documents, report.characters
        if len(rows) == 1:
            rows.append(("(raw)", f"{n:,}", f"{size:,}", ""))
        (_, n), (_, size) = report.documents, report.characters
        rows.append((report.step, f"{n:,}", f"{size:,}", f"{report.changed:,}"))
    # Columns, numbers to the right.
    width = max(len(row[0]) for row in rows)
    return "\n".join(f"{a:{width}}{b:>11}{c:>13}{d:>19}".rstrip() for a, b, c, d in rows)
