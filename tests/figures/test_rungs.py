import html
import json
import re
from importlib.resources import files

import pytest
from project import ROOT

from course_lib.figures import ladder, ladder_html

RUNGS = json.loads((files("course_lib.studies") / "runs" / "ladder.json").read_text())


def rows(page):
    return re.findall(r"<li.*?</li>", page)


def test_every_rung_has_its_bar_its_number_and_its_sample():
    for row, rung in zip(rows(ladder("numbers_that_learn").data), RUNGS, strict=True):
        assert f">{rung['name']}<" in row
        assert f">{rung['bits']:.2f}<" in row
        width = float(re.search(r"width:([\d.]+)%", row)[1])
        assert width == pytest.approx(100 * rung["bits"] / RUNGS[0]["bits"], abs=0.1)
        assert "<q>" in row


def test_the_home_page_s_ladder_has_the_best_on_top_and_rungs_as_wide_as_their_bits():
    shown = rows(ladder_html())
    assert len(shown) == len(RUNGS)
    ends = []
    for row, rung in zip(shown, sorted(RUNGS, key=lambda rung: rung["bits"]), strict=True):
        assert f">{html.escape(rung['name'])}<" in row
        assert f">{rung['bits']:.2f} <small>bits per byte<" in row
        left, right = map(float, re.search(r'd="M([\d.]+) 5H([\d.]+)"', row).groups())
        assert right - left == pytest.approx(96 * rung["bits"] / RUNGS[0]["bits"], abs=0.21)
        line = html.unescape(re.search("<q>(.*?)</q>", row)[1])
        assert line in rung["sample"].splitlines()
        assert "--lm-mlp" in row if "MLP" in rung["name"] else "--lm-mlp" not in row
        rails = re.search(r'd="M([\d.]+) 0L([\d.]+) 5L([\d.]+) 10', row).groups()
        assert float(rails[1]) == left, "the rail goes through the rung's end"
        ends.append((rails[0], rails[2]))
    assert [down for _, down in ends[:-1]] == [up for up, _ in ends[1:]], "rails go on"


def test_the_figures_of_the_home_page_have_names():
    home = (ROOT / "book" / "home.md").read_text(encoding="utf-8")
    for figure in re.findall("<figure[^>]*>", home + ladder_html()):
        assert "aria-label=" in figure


def test_a_chapter_s_rungs_are_marked_and_shown_with_the_one_below():
    shown = rows(ladder("transformer").data)
    at = next(i for i, rung in enumerate(RUNGS) if rung["chapter"] == "transformer")
    assert ["marked" in row for row in shown] == [r["chapter"] == "transformer" for r in RUNGS]
    assert ["<q>" in row for row in shown] == [i >= at - 1 for i in range(len(RUNGS))]


def test_links_go_where_the_page_says():
    assert 'href="../notebooks/training.html"' in ladder_html(home="../notebooks/")
    assert "href" not in ladder_html()


def test_it_is_one_line_so_that_markdown_leaves_it_whole():
    assert "\n" not in ladder_html()


def test_a_chapter_without_a_rung_is_refused():
    with pytest.raises(ValueError, match="chapter: expected"):
        ladder("tools")
