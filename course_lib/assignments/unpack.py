"""Read the files of a folder or a zip file, within limits, where nothing is written.

What can't be read is said in one line each; the rest goes on.
"""

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from course_lib.assignments.submission import LARGEST, read_file

NUMBER = "[0-9]{1,20}"
MOODLE = re.compile(rf"(?P<name>.+?)_(?P<id>{NUMBER})_assignsubmission_(file|onlinetext)_?.*", re.S)
CANVAS = re.compile(
    rf"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>{NUMBER})_(?P<order>{NUMBER})_.+", re.S
)
# What editors and systems leave beside a notebook.
JUNK = re.compile(r"(^|/)(__MACOSX|\.ipynb_checkpoints|\.DS_Store|timestamp\.txt|feedback)(/|$)")
# Of one source: files, and bytes of all of them unpacked. A learner's zip may lie in a download.
MOST_FILES, MOST_BYTES, LARGEST_ZIP, DEEPEST = 20_000, 4 * 2**30, 2 * 2**30, 2
ONES_FILES, ONES_BYTES = 1_000, 2**27  # of a learner's own zip file: nobody takes others' room


@dataclass
class Found:
    """A file of a download: where it was, when it was written, its content or what is wrong."""

    place: str
    time: datetime
    content: bytes = b""
    problem: str = ""


def walk(source: Path) -> Iterator[Found]:
    """Yield the files of a folder, a zip file or a notebook; follow no link."""
    if not source.is_dir():
        yield from one_file(source, source.name)
        return
    for folder, inside, files in os.walk(source):
        for name in sorted(inside):
            path = Path(folder, name)
            if path.is_symlink():
                place = path.relative_to(source).as_posix()
                yield Found(place, datetime.now(UTC), problem="expected a folder, got a link")
        inside[:] = sorted(name for name in inside if not JUNK.search(name))
        for name in sorted(files):
            path = Path(folder, name)
            yield from one_file(path, path.relative_to(source).as_posix())


def one_file(path: Path, place: str) -> Iterator[Found]:
    """Yield a file of a folder, or what is in it if it is a zip file."""
    try:
        time = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        packed = path.suffix.lower() == ".zip"
        content = read_file(path, LARGEST_ZIP if packed else LARGEST)
    except (ValueError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        yield Found(place, datetime.now(UTC), problem=str(said))
        return
    if packed:
        # In a folder, or named as a platform names what a learner sent, it is a learner's own.
        own = "/" in place or MOODLE.fullmatch(place) or CANVAS.fullmatch(place)
        yield from unzip(content, place, DEEPEST if own else 1)
    else:
        yield Found(place, time, content)


def unzip(content: bytes, place: str, depth: int = 1) -> Iterator[Found]:
    """Yield what is in a zip file, by its names, which nothing is written to.

    Args:
        content: the zip file's.
        place: what it is called.
        depth: of zip files within zip files.
    """
    # The first one is the download; a learner's own is a folder of its name.
    inside = "" if depth == 1 else f"{place[: -len('.zip')]}/"
    most, left = (MOST_FILES, MOST_BYTES) if depth == 1 else (ONES_FILES, ONES_BYTES)
    now = datetime.now(UTC)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        yield Found(place, now, problem=f"expected a zip file, got one where {error}")
        return
    if len(members) > most:
        problem = f"expected at most {most} files, got {len(members)}"
        yield Found(place, now, problem=problem)
        return
    for member in members:
        name, mode = f"{inside}{member.filename}", member.external_attr >> 16
        if member.filename.endswith("/"):  # a folder
            continue
        try:
            time = datetime(*member.date_time, tzinfo=UTC)
        except ValueError:
            time = now
        path = PurePosixPath(member.filename.replace("\\", "/"))
        packed = path.suffix.lower() == ".zip"
        limit = min(left, LARGEST_ZIP if packed else LARGEST)
        # What is wrong can be told before anything is unpacked, or only then.
        if not path.name or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            yield Found(name, time, problem="expected a name within the zip file, got one outside")
        elif stat.S_ISLNK(mode):
            yield Found(name, time, problem="expected a file, got a link")
        elif member.flag_bits & 1:
            yield Found(name, time, problem="expected a file without a password, got one with it")
        elif packed and depth == DEEPEST:
            yield Found(name, time, problem=f"expected zip files {DEEPEST} deep, got a deeper one")
        else:
            try:
                with archive.open(member) as file:
                    read = file.read(limit + 1)
            except Exception as error:  # a broken file raises whatever its codec does
                said = f"expected a file that can be unpacked, got {type(error).__name__}"
                yield Found(name, time, problem=said)
                continue
            left -= min(len(read), limit)
            if len(read) > limit:
                said = f"expected at most {limit / 2**20:.0f} MB unpacked, got more"
                yield Found(name, time, problem=said)
            elif packed:
                yield from unzip(read, name, depth + 1)
            else:
                yield Found(name, time, read)
