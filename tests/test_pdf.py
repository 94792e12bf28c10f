"""The book on paper: its pages numbered through, its links within it, its solutions at the end."""

import pdf
import pytest
from pypdf import PdfReader

NAMES = ["book/how_to_use", "notebooks/background"]


@pytest.fixture(scope="module")
def paper(browser, tmp_path_factory):
    """Two pages of the book, printed."""
    page = browser.new_page()
    pieces = pdf.print_pages(page, NAMES)
    front = pdf.contents_page(page, "A title", pieces)
    page.close()
    file = tmp_path_factory.mktemp("paper") / "book.pdf"
    pdf.bind(pieces, front).write(file)
    return PdfReader(file)


def texts(paper):
    return [page.extract_text() for page in paper.pages]


def test_pages_are_numbered_on_behind_the_contents(paper):
    for label, text in zip(paper.page_labels, texts(paper), strict=True):
        assert label == "i" or label in map(str.strip, text.split("\n"))


def test_the_contents_name_the_page_on_which_each_piece_begins(paper):
    front, *rest = texts(paper)
    for line in front.split("\n")[1:]:
        title, number = line.rsplit(maxsplit=1)
        assert title.removeprefix("Solutions: ")[:20] in " ".join(rest[int(number) - 1].split())


def test_links_between_printed_pages_stay_within_the_paper(paper):
    printed = {pdf.address(name, "") for name in NAMES}
    inner = 0
    for page in paper.pages:
        for link in pdf.links(page):
            inner += "/Dest" in link
            uri = str(link.get("/A", {}).get("/URI", ""))
            assert uri.partition("#")[0] not in printed
            assert not uri.startswith("file:"), "a reader of the paper hasn't this machine's files"
    assert inner > 20


def test_solutions_stand_at_the_end_only(paper):
    ends = [item.page for item in paper.outline if getattr(item, "title", "")[:9] == "Solutions"]
    begin = paper.get_page_number(ends[0].get_object())
    holders = [i for i, text in enumerate(texts(paper)) if "# @title Solution" in text]
    assert len(holders) >= 2
    assert min(holders) >= begin
