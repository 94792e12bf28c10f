"""What is bound from the built book says what it lacks, and the home page leads to it."""

import subprocess
import sys

import epub
import pages
import pdf
import pytest


@pytest.mark.parametrize("binding", [pdf, epub], ids=["pdf", "epub"])
@pytest.mark.parametrize(
    ("browser_found", "said"),
    [(None, "needs Chromium or Chrome"), ("chromium", "needs the built book.* make book first")],
    ids=["no browser", "no book"],
)
def test_what_is_missing_is_told_in_one_line(monkeypatch, tmp_path, binding, browser_found, said):
    monkeypatch.setattr(pages, "find_browser", lambda: browser_found)
    monkeypatch.setattr(pages, "SITE", tmp_path / "site")
    monkeypatch.setattr(sys, "argv", ["bind", str(tmp_path / "book")])
    with pytest.raises(SystemExit, match=f"^make: .*{said}"):
        binding.main()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tool", ["pdf.py", "epub.py"])
def test_a_place_that_can_t_be_written_is_told_before_anything_is_printed(tmp_path, tool):
    (tmp_path / "file").touch()
    command = [sys.executable, str(pages.ROOT / "tools" / tool), str(tmp_path / "file" / "book")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "was written: " in done.stderr
    assert str(tmp_path / "file") in done.stderr


def test_the_home_page_leads_to_what_lies_beside_it(monkeypatch, tmp_path):
    home = tmp_path / "book" / "home.html"
    home.parent.mkdir()
    home.write_text("<h1>A</h1><!-- bound --><p>B</p>", encoding="utf-8")
    monkeypatch.setattr(pages, "SITE", tmp_path)
    pages.link_from_home(tmp_path / "elsewhere" / "book.pdf")
    assert "href" not in home.read_text(encoding="utf-8")
    # One after the other, and one of them again: each is named once.
    for name in ("book.pdf", "book.epub", "book.pdf"):
        (tmp_path / name).touch()
        pages.link_from_home(tmp_path / name)
    text = home.read_text(encoding="utf-8")
    assert text.count('href="../book.pdf"') == text.count('href="../book.epub"') == 1
    assert text.endswith("</p><p>B</p>")


def test_the_home_page_has_a_place_for_the_links():
    assert (pages.ROOT / "book" / "home.md").read_text(encoding="utf-8").count(
        "<!-- bound -->"
    ) == 1
