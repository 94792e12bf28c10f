import json
import re
from importlib.resources import files

import pytest

from course_lib.figures import ladder, ladder_html

RUNGS = json.loads((files("course_lib.studies") / "runs" / "ladder.json").read_text())


def rows(page):
    return re.findall(r"<li.*?</li>", page)


def test_every_rung_has_its_bar_its_number_and_its_sample():
    shown = rows(ladder_html())
    assert len(shown) == len(RUNGS)
    for row, rung in zip(shown, RUNGS, strict=True):
        assert f">{rung['name']}<" in row
        assert f">{rung['bits']:.2f}<" in row
        width = float(re.search(r"width:([\d.]+)%", row)[1])
        assert width == pytest.approx(100 * rung["bits"] / RUNGS[0]["bits"], abs=0.1)
        assert "<q>" in row


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
