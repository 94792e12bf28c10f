"""A release is refused unless its papers agree, and its zip repeats to the byte."""

import sys
import zipfile

import pytest
import release
from project import ROOT

from course_lib import __version__

CHANGES = "# Changes\n\n## 1.2.0\n\nNew.\n"


def test_this_project_could_be_released():
    citation = release.yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert release.wrong_with(__version__, changes, citation, "") == []


@pytest.mark.parametrize(
    ("version", "cited", "status", "named"),
    [
        ("1.2.1", "1.2.1", "", "CHANGELOG.md"),
        ("1.2", "1.2", "", "CHANGELOG.md"),
        ("1.2.0", "1.1.0", "", "CITATION.cff"),
        ("1.2.0", "1.2.0", " M README.md", "README.md"),
    ],
)
def test_what_keeps_from_a_release_is_named(version, cited, status, named):
    (fault,) = release.wrong_with(version, CHANGES, {"version": cited}, status)
    assert named in fault


@pytest.mark.parametrize("stopped", [False, True])
def test_a_release_is_there_whole_or_as_it_was(monkeypatch, tmp_path, stopped):
    target = tmp_path / "release"
    target.mkdir()
    (target / "earlier").touch()

    def make(folder, name, seconds):
        (folder / f"{name}.zip").touch()
        if stopped:
            raise KeyboardInterrupt

    monkeypatch.setattr(release, "make", make)
    monkeypatch.setattr(release, "wrong_with", lambda *_: [])
    monkeypatch.setattr(sys, "argv", ["release", str(target)])
    try:
        release.main()
    except KeyboardInterrupt:
        assert stopped
    assert [each.name for each in tmp_path.iterdir()] == ["release"]
    made = "earlier" if stopped else f"llm-course-{__version__}.zip"
    assert [each.name for each in target.iterdir()] == [made]


def test_a_zip_of_the_same_files_is_the_same_and_opens_into_one_folder(tmp_path):
    for name, order in (("a", ("x", "b/y")), ("c", ("b/y", "x"))):
        for file in order:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
        (tmp_path / name / ".buildinfo").write_text(name)  # Sphinx's, another in each folder
        (tmp_path / name / "big").mkdir()
        (tmp_path / name / "big" / "model").write_text("left out")
        release.pack(tmp_path / name, "book-1", tmp_path / f"{name}.zip", 1_600_000_000, "big")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "c.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as packed:
        assert packed.namelist() == ["book-1/b/y", "book-1/x"]
        assert packed.testzip() is None
        assert packed.infolist()[0].date_time[0] == 2020
