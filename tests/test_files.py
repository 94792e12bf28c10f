"""Files are written whole or not at all."""

import errno
import os

import pytest
from safetensors import SafetensorError

from course_lib import files


def test_what_is_written_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with files.written_whole(path) as part:
        part.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("moment", ["course_lib.files.flush", "os.replace", "os.fsync"])
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path, monkeypatch, moment):
    path = tmp_path / "file"
    path.write_text("before")
    monkeypatch.setattr(moment, no_space)
    expected = r"file: it can't be written \(No space left on device\); free space there, or name"
    with pytest.raises(OSError, match=expected), files.written_whole(path) as part:
        part.write_text("after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def write(path, content):
    with files.written_whole(path) as part:
        part.write_text("half")
        if isinstance(content, BaseException):
            raise content


def test_safetensors_own_error_is_one_too(tmp_path):
    with pytest.raises(OSError, match=r"can't be written \(os error 28\)"):
        write(tmp_path / "file", SafetensorError("os error 28"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), ZeroDivisionError()])
def test_what_stops_the_writing_passes_through_and_leaves_nothing(tmp_path, stop):
    with pytest.raises(type(stop)):
        write(tmp_path / "file", stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match=r"none/file: it can't be written \(No such file or direct"):
        write(tmp_path / "none/file", "x")
