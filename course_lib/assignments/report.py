"""One page on how a class did: marks, the hardest exercises, answers that are alike."""

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.assignments.cells import NOTEBOOKS, chapter_path, read_chapter, short_title
from course_lib.assignments.feedback import given, told
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.names import full_name
from course_lib.assignments.pages import code, page, shown
from course_lib.assignments.similar import alike
from course_lib.files import written_whole

HINTS, PAIRS = 3, 20
NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
ALIKE = (
    "Answers that share an unusual share of their code, once names, spaces and what was released "
    "are taken out. Short answers are often alike by chance; read both before you conclude."
)


def distribution(chapter: str, scores: list[float], most: float) -> str:
    """Return how a chapter's marks are spread, as a figure of the book's kit."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from course_lib.figures.style import use_course_style
    from course_lib.figures.svg import figure_html

    with plt.rc_context():
        use_course_style()
        fig, ax = plt.subplots(figsize=(5.5, 2.4))
        ax.hist(scores, bins=10, range=(0, most or 1))
        ax.set_xlabel("points")
        ax.set_ylabel("learners")
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        half = sorted(scores)[len(scores) // 2]
        said = f"{len(scores)} learners; the median has {half:g} of {most:g} points"
        bars = f"A histogram of {len(scores)} learners' points in {chapter}"
        return figure_html(fig, shown(chapter), shown(said), alt=bars)


def absent_from(book: Gradebook, chapter: str) -> list[str]:
    """Return the names on the class's list of those who handed nothing in."""
    came = {one.student for one in book.current(chapter)}
    return [full_name(one) for one in book.enrolled() if one["id"] not in came]


def hardest(book: Gradebook, chapter: str, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each exercise, the hardest first: who passed, and the commonest hints."""
    exercises = read_chapter(chapter_path(chapter, folder))
    found = list(book.graded(chapter).values())
    rows = []
    for one in exercises:
        seen = [v for graded in found for v in graded.verdicts if v.name == one.name]
        if not seen:
            continue
        # A hint is a sentence of the test's with the learner's own values; these don't count.
        hints: Counter[str] = Counter()
        first: dict[str, str] = {}
        for said in (told(v, exercises) for v in seen):
            if said != "passed":
                alike_hint = NUMBER.sub("#", said)
                hints[alike_hint] += 1
                first.setdefault(alike_hint, said)
        passed = sum(v.visible == "passed" and v.hidden for v in seen)
        rows.append(
            {
                "exercise": one.name,
                "title": one.title,
                "passed": passed / len(seen),
                "hints": [(first[one], count) for one, count in hints.most_common(HINTS)],
            }
        )
    return sorted(rows, key=lambda row: row["passed"])


def similar(
    course: Path, book: Gradebook, chapter: str, folder: Path
) -> list[tuple[str, str, str, float, str, str]]:
    """Return pairs of like answers: exercise, both learners, their share, both programs."""
    exercises = read_chapter(chapter_path(chapter, folder))
    names = [one.name for one in exercises]
    wrote = {
        one.student: given(course, one, names, folder).answers for one in book.current(chapter)
    }
    pairs = []
    for one in exercises:
        texts = {who: answers[one.name] for who, answers in wrote.items() if one.name in answers}
        released = (one.imports, one.test, one.stub, one.solution)
        pairs += [
            (one.name, a, b, share, texts[a], texts[b]) for a, b, share in alike(texts, released)
        ]
    return sorted(pairs, key=lambda pair: (-pair[3], pair[:3]))


def report(
    course: Path, chapters: Sequence[str] = (), folder: Path = NOTEBOOKS
) -> tuple[str, dict[str, Any]]:
    """Return the page and what is on it.

    Raises:
        ValueError: if nothing is graded.
    """
    parts: list[str] = []
    data: dict[str, Any] = {}
    with Gradebook(course / FILE) as book:
        rows = [row for row in book.scores() if not chapters or row["assignment"] in chapters]
        found = list(dict.fromkeys(row["assignment"] for row in rows))
        missing = [name for name in chapters if name not in found]
        if missing or not found:
            raise ValueError(
                f"CHAPTER: expected one that is graded, got {(missing or ['none'])[0]}"
            )
        for chapter in found:
            mine = [row for row in rows if row["assignment"] == chapter]
            title = short_title(chapter_path(chapter, folder))
            scores = [float(row["score"]) for row in mine]
            parts.append(distribution(title, scores, float(mine[0]["max_score"])))
            absent = absent_from(book, chapter)
            if absent:
                names = ", ".join(map(shown, absent))
                parts.append(f"<p>{len(absent)} handed nothing in: {names}</p>")
            # The hardest exercises, and what their tests said most often.
            hard = hardest(book, chapter, folder)
            lines = "".join(
                f"<tr><td>{shown(row['title'])}</td><td class='number'>{row['passed']:.0%}</td><td>"
                + "<br>".join(f"{n} × {shown(said)}" for said, n in row["hints"])
                + "</td></tr>"
                for row in hard
            )
            parts.append(
                f"<h2>{shown(title)}: the hardest exercises</h2><table><tr><th>Exercise</th>"
                f"<th>Passed</th><th>Commonest hints</th></tr>{lines}</table>"
            )
            # Pairs of like answers, side by side.
            pairs = similar(course, book, chapter, folder)
            if pairs:
                parts.append(f"<h2>{shown(title)}: answers that are alike</h2><p>{ALIKE}</p>")
            for name, a, b, share, one, other in pairs[:PAIRS]:
                parts.append(
                    f"<h3>{shown(name)}: {shown(a)} and {shown(b)}, {share:.0%}</h3>"
                    f"<div class='pair'><div>{code(one)}</div><div>{code(other)}</div></div>"
                )
            data[chapter] = {
                "scores": scores,
                "missing": absent,
                "hardest": hard,
                "alike": [pair[:4] for pair in pairs],
            }
    return page("Report", *parts), data


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("chapters", metavar="CHAPTER", nargs="*", help="which (all graded ones)")
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")
    parser.add_argument("--out", metavar="FILE", type=Path, help="(report.html in that folder)")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    made, data = report(args.course, args.chapters)
    file = args.out or args.course / "report.html"
    with written_whole(file) as part:
        part.write_text(made, encoding="utf-8")
    return 0, data, str(file)
