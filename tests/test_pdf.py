"""The book on paper: its pages numbered through, its links within it, its solutions at the end."""

import pdf
import pytest
from pypdf import PdfReader

NAMES = ["book/how_to_use", "notebooks/background", "book/references"]


@pytest.fixture(scope="module")
def paper(browser, tmp_path_factory):
    """Three pages of the book, printed."""
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


def targets(paper, number):
    """Where the links on a page of the paper lead to: pages, and heights on them."""
    for link in pdf.links(paper.pages[number]):
        if "/Dest" in link:
            place = link["/Dest"]
            yield paper.get_page_number(place[0].get_object()), float(place[3])


def begins(paper, title):
    (page,) = (item.page for item in paper.outline if getattr(item, "title", "").startswith(title))
    return paper.get_page_number(page.get_object())


def test_a_citation_leads_to_its_entry_and_not_to_the_top_of_the_list(paper):
    first, last = begins(paper, "References"), begins(paper, "Solutions")
    places = {
        place
        for number in range(1, first)  # behind the contents
        for place in targets(paper, number)
        if first <= place[0] < last
    }
    assert len(places) > 10
    assert all(page > first or top < 800 for page, top in places)


def test_an_exercise_and_its_solution_lead_to_one_another(paper):
    solutions = begins(paper, "Solutions")
    led = [
        (number, *place)
        for number in range(begins(paper, "References"))
        for place in targets(paper, number)
        if place[0] >= solutions and place[1] < 800
    ]
    assert len(led) >= 2
    back = {page for page, _ in targets(paper, solutions)}
    assert back & {number for number, *_ in led}
    assert solutions not in back


@pytest.mark.parametrize("name", ["notebooks/transformer", "notebooks/compute"])
def test_no_figure_is_higher_than_a_page_and_nothing_in_it_is_out_of_sight(browser, name):
    page = browser.new_page(viewport={"width": pdf.WIDTH, "height": 1000})
    page.emulate_media(media="print")
    pdf.load(page, name)
    page.evaluate(pdf.TO_PAPER, "")
    page.add_style_tag(content=pdf.PAPER % 0)
    figures = page.evaluate(
        """() => [...document.querySelectorAll('figure:not(.lm-ladder)')].map(f => [
            f.offsetHeight,
            [...f.querySelectorAll('.lm-scroll')].every(s => s.scrollWidth <= s.clientWidth + 1),
        ])"""
    )
    page.close()
    assert len(figures) > 5
    # 297 mm less the margins, at 96 pixels an inch.
    assert max(height for height, _ in figures) < (297 - 38) / 25.4 * 96
    assert all(seen for _, seen in figures)


def test_solutions_stand_at_the_end_only(paper):
    ends = [item.page for item in paper.outline if getattr(item, "title", "")[:9] == "Solutions"]
    begin = paper.get_page_number(ends[0].get_object())
    holders = [i for i, text in enumerate(texts(paper)) if "# @title Solution" in text]
    assert len(holders) >= 2
    assert min(holders) >= begin


@pytest.mark.parametrize("twice", [False, True])
def test_what_has_come_twice_alike_is_taken_where_it_shall_repeat(monkeypatch, twice):
    """Chromium places a word of a long page elsewhere, once in a while."""
    prints = iter(["a slip", "as ever", "another slip", "as ever", "as ever"])

    class Page:
        first = property(lambda self: self)

        def evaluate(self, script, argument=None):
            return "A title" if "firstChild" in script else script is not pdf.ONLY_SOLUTIONS

        def __getattr__(self, name):
            return lambda *_, **__: self

    class Printed:
        def __init__(self, text):
            self.text, self.pages = text, []

    monkeypatch.setattr(pdf, "load", lambda *_: None)
    monkeypatch.setattr(pdf, "printed", lambda *_: Printed(next(prints)))
    monkeypatch.setattr(pdf, "drawn", lambda paper: paper.text.encode())
    (piece,) = pdf.print_pages(Page(), ["book/home"], twice)
    assert piece.pdf.text == ("as ever" if twice else "a slip")
