"""Take in what learners handed in: folders, zip files, bulk downloads of Moodle and Canvas.

No name out of a download becomes a path: contents are read into memory, within limits, and written
under names of our own. What can't be taken is said in one line each; the rest goes on.
"""

import argparse
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from course_lib.assignments.cells import NOTEBOOKS, chapter_names, chapter_path, read_chapter
from course_lib.assignments.gradebook import FILE, Attempt, Gradebook
from course_lib.assignments.names import shown, student_id
from course_lib.assignments.roster import Roster
from course_lib.assignments.submission import parse
from course_lib.assignments.unpack import CANVAS, JUNK, MOODLE, Found, walk
from course_lib.files import written_whole


@dataclass(frozen=True)
class Owner:
    """Whose a file is, as its place says; a learning platform also tells lateness and order."""

    student: str
    name: str = ""
    platform: str | None = None
    late: bool = False
    order: int = 0
    moodle: bool = False  # whose numbers are of one assignment only


def folders_of(place: str, chapters: Sequence[str]) -> list[str]:
    """Return the folders of a file that may name a learner."""
    return [
        one for one in place.split("/")[:-1] if one not in {"submitted", "submissions", *chapters}
    ]


def shared_folders(places: Sequence[str], chapters: Sequence[str]) -> int:
    """Return how many folders of files, from the outermost, are those of all of them."""
    found = [folders for place in places if (folders := folders_of(place, chapters))]
    fewest = min(map(len, found), default=1)
    levels = [len(set(level)) == 1 for level in zip(*found, strict=False)]
    return [*levels[: fewest - 1], False].index(False)


def by_platform(places: Sequence[str]) -> bool:
    """Whether all that is handed in is named as a platform names it."""
    return all(
        any(MOODLE.fullmatch(part) or CANVAS.fullmatch(part) for part in place.split("/"))
        for place in places
        if place.lower().endswith(".ipynb")
    )


def owner_of(
    place: str, chapters: Sequence[str], shared: int = 0, platform: bool = True
) -> Owner | None:
    """Return whose a file is, by the naming of Moodle, of Canvas, or of folders.

    The outermost name counts: what is within may be called as its learner likes.

    Args:
        place: where it is.
        chapters: their names name no learner.
        shared: so many folders, from the outermost, are those of all files.
        platform: whether a platform's naming is looked for in each folder, not in a learner's only.
    """
    parts, folders = place.split("/"), folders_of(place, chapters)
    outer = folders[shared] if folders else parts[-1]
    for part in parts if platform else [outer]:
        if moodle := MOODLE.fullmatch(part):
            return Owner(moodle["id"], moodle["name"], moodle["id"], moodle=True)
        if canvas := CANVAS.fullmatch(part):
            late, order = bool(canvas["late"]), int(canvas["order"])
            return Owner(canvas["id"], canvas["name"], canvas["id"], late, order)
    # nbgrader's STUDENT/CHAPTER/FILE, or STUDENT/FILE, within folders that name no learner.
    if folders:
        return Owner(student_id(outer), outer)
    stem = parts[-1].rsplit(".", 1)[0]
    for chapter in chapters:
        stem = re.sub(rf"[_\- ]*{chapter}[_\- ]*", "", stem)
    return Owner(student_id(stem), stem) if stem else None


def chapter_of(found: Found, exercises: dict[str, set[str]]) -> str | None:
    """Return of which chapter a notebook is: by its exercises, else by its name."""
    try:
        names = {cell["name"] for cell in parse(found.content)}
    except ValueError:
        names = set()
    shared = {chapter: len(names & asked) for chapter, asked in exercises.items()}
    best = max(shared, key=lambda chapter: shared[chapter])
    if shared[best]:
        return best
    # The longest name that is in the file's.
    said = [chapter for chapter in exercises if chapter in found.place.lower().replace(" ", "_")]
    return max(said, key=len, default=None)


def days_late(time: datetime, due: datetime | None, marked: bool) -> int:
    """Return the days after the due time, begun ones counted; a mark without a time is one."""
    if due is None or time <= due:
        return int(marked)
    return max(1, -((due - time) // timedelta(days=1)))


def collect(
    sources: Sequence[Path],
    course: Path,
    *,
    chapter: str | None = None,
    due: datetime | None = None,
    folder: Path = NOTEBOOKS,
) -> dict[str, Any]:
    """Take in all attempts; return how many, of how many learners, and the problems.

    Args:
        sources: folders, zip files or notebooks.
        course: the class's folder: ``submitted/`` holds what counts, ``attempts/`` all.
        chapter: of which all are; by default each notebook tells.
        due: when they are due.
        folder: of the chapters.

    Raises:
        ValueError: if a source isn't there, or the chapter.
    """
    for source in sources:
        if not source.exists():
            raise ValueError(f"FROM: expected a folder, a zip file or a notebook, got {source}")
    names = [chapter] if chapter else chapter_names(folder)
    asked = {
        name: {exercise.name for exercise in read_chapter(chapter_path(name, folder))}
        for name in names
    }
    problems: list[str] = []
    took: list[tuple[str, Owner, Found]] = []
    # Whose each notebook is, and of which chapter.
    for source in sources:
        files = [found for found in walk(source) if not JUNK.search(found.place)]
        places = [found.place for found in files]
        shared, platform = shared_folders(places, names), by_platform(places)
        for found in files:
            owner = owner_of(found.place, names, shared, platform)
            mine = chapter or (None if found.problem else chapter_of(found, asked))
            problem = found.problem
            if not problem and not found.place.lower().endswith(".ipynb"):
                problem = "expected a notebook (.ipynb) or a zip file, got another file; left out"
            elif not problem and owner is None:
                problem = "expected a learner's name in the file's or its folder's, got none"
            elif not problem and mine is None:
                problem = "expected exercises of a chapter, got none; name it: --chapter"
            if problem or owner is None or mine is None:
                problems.append(f"{shown(found.place)}: {problem}")
            else:
                took.append((mine, owner, found))
    with Gradebook(course / FILE) as book:
        for one in {mine for mine, *_ in took} if due else ():
            book.set_due(one, stamp(due))
        took = listed(took, book, problems)
        new, same, learners = keep(took, course, book, due, problems)
    return {"collected": new, "known": same, "learners": learners, "problems": problems}


def listed(
    took: list[tuple[str, Owner, Found]], book: Gradebook, problems: list[str]
) -> list[tuple[str, Owner, Found]]:
    """Return what came, each file by the learner of the class's list whose it is, if there is one.

    A name that isn't on the list is taken as it is, and told.
    """
    class_list = book.enrolled()
    if not class_list:
        return took
    known = Roster(class_list)
    found = []
    for mine, owner, file in took:
        ids = (owner.student,) if not owner.moodle else ()
        student = known.find(owner.name, *ids)
        if student is None:
            said = f"expected a learner of the class's list, got {shown(owner.name)!r}"
            problems.append(f"{shown(file.place)}: {said}; taken as {owner.student}")
        found.append((mine, replace(owner, student=student or owner.student), file))
    return found


def keep(
    took: list[tuple[str, Owner, Found]],
    course: Path,
    book: Gradebook,
    due: datetime | None,
    problems: list[str],
) -> tuple[int, int, int]:
    """Write each attempt and its row; return how many are new, how many known, of how many."""
    took.sort(key=lambda one: (one[0], one[1].student, one[2].time, one[1].order, one[2].place))
    before = book.attempts()
    known = {(old.chapter, old.student, old.sha256) for old in before}
    places = {(old.chapter, old.student): old.place for old in before}  # of the last
    writers: dict[tuple[str, str], str] = {(old.chapter, old.sha256): old.student for old in before}
    on_list = {one["id"] for one in book.enrolled()}
    new = same = 0
    for mine, owner, found in took:
        sha = hashlib.sha256(found.content).hexdigest()
        if (mine, owner.student, sha) in known:
            same += 1
            continue
        # The same file of two learners is taken, and told.
        other = writers.setdefault((mine, sha), owner.student)
        if other != owner.student and not is_untouched(found, mine):
            problems.append(
                f"{shown(found.place)}: the same file, byte by byte, as {other}'s; both are taken"
            )
        place = places[mine, owner.student] = places.get((mine, owner.student), 0) + 1
        kept = f"attempts/{owner.student}/{mine}/{place:03d}-{sha[:8]}.ipynb"
        counts = f"submitted/{owner.student}/{mine}/{mine}.ipynb"
        for file in (kept, counts):
            path = course / file
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as part:
                part.write_bytes(found.content)
        said = f"{stamp(found.time)} UTC\n"
        (course / counts).with_name("timestamp.txt").write_text(said, encoding="utf-8")
        first, _, last = owner.name.rpartition(" ")
        with book.together():
            names = {"first_name": first, "last_name": last, "lms_user_id": owner.platform}
            # What the class's list says of a learner stands.
            if owner.student not in on_list:
                book.add_student(owner.student, **names)
            if owner.moodle and owner.platform:
                book.set_number(owner.student, mine, owner.platform)
            book.add_attempt(
                Attempt(
                    student=owner.student,
                    chapter=mine,
                    sha256=sha,
                    file=kept,
                    origin=shown(found.place),
                    time=stamp(found.time),
                    late=days_late(found.time, due, owner.late),
                    place=place,
                )
            )
        known.add((mine, owner.student, sha))
        new += 1
    return new, same, len({owner.student for _, owner, _ in took})


def is_untouched(found: Found, chapter: str) -> bool:
    """Whether a notebook is as it was released: then it may well be the same as another's."""
    stubs = found.content.count(b"raise NotImplementedError")
    return stubs >= len(read_chapter(chapter_path(chapter)))


def stamp(time: datetime | None) -> str | None:
    """Return a time in UTC, as nbgrader writes it."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(text: str) -> datetime:
    """Read a time, for argparse; without an offset it is this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a time such as 2027-01-31T17:00 or 2027-01-31T17:00+01:00, got {text!r}"
        ) from None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "sources", metavar="FROM", nargs="+", type=Path, help="folder, zip file or notebook"
    )
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")
    parser.add_argument("--chapter", help="of which all are (by default each notebook tells)")
    parser.add_argument("--due", type=moment, metavar="TIME", help="such as 2027-01-31T17:00")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    done = collect(args.sources, args.course, chapter=args.chapter, due=args.due)
    said = f"{done['collected']} collected, {done['known']} known before, "
    said += f"of {done['learners']} learners"
    return int(bool(done["problems"])), done, "\n".join([said, *done["problems"]])
