"""What all explorers share: one kit, one table of sentences, and no id."""

import json
import re
from collections import Counter

import pytest
import torch
from project import ROOT
from test_explorers import MARKED

from course_lib import figures
from course_lib.figures import page

FOLDER = ROOT / "course_lib" / "figures"
NOT_A_FIGURE = {"base", "transformer"}  # the kit, and what runs a model
NAMES = sorted({file.stem for file in FOLDER.glob("*.js")} - NOT_A_FIGURE)


def own_lines(kind: str) -> Counter[str]:
    """Count in how many figures' own files a line stands, but for brackets and calls of the kit."""
    found: Counter[str] = Counter()
    for name in NAMES:
        file = FOLDER / f"{name}.{kind}"
        if file.exists():
            lines = {line.strip() for line in file.read_text(encoding="utf-8").splitlines()}
            found.update(line for line in lines if re.search(r"\w{3}", line))
    return found


@pytest.mark.parametrize("kind", ["js", "css"])
def test_what_two_figures_need_stands_in_the_kit(kind):
    # One line of state, one of a call: no way to say them shorter.
    short = {"const draw = () => {", "start(draw);", "const now = {...data.first};", "rows("}
    short |= {
        "const values = [",
        "draw();",
        'find("tbody"),',
        "tell({",
        "@media (max-width: 480px) {",
    }
    short |= {"@media (forced-colors: active) {", "try {"}
    twice = {line for line, n in own_lines(kind).items() if n > 1} - short
    assert {line for line in twice if not line.startswith("choice(words.gpu, ")} == set()


def test_a_figure_is_called_by_its_title_where_chapters_hold_it_too():
    stored = [
        "".join(output["data"].get("text/html", ""))
        for file in (ROOT / "notebooks").glob("*.ipynb")
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    found = [html for html in stored if "lm-figure lm-tool" in html]
    assert len(found) > 20
    says = {"caption": {"caption": ""}, "label": "", "value": ""}
    for html in [*found, page.figure("frames", {}, called='A <i>"b"</i>', **says).data]:
        name = re.search(r'<figure class="lm-figure lm-tool [^>]* aria-label="([^"]+)">', html)[1]
        title = re.search(r'<p class="(?:lm-title|title)">(.*?)</p>', html)
        assert name == (re.sub("<.*?>", "", title[1]) if title else "A &quot;b&quot;")


def test_every_script_is_one_of_a_figure_with_its_sentences():
    table = json.loads((FOLDER / "words" / "en.json").read_text(encoding="utf-8"))
    assert set(NAMES) == set(table) - {"kit"}


def test_scripts_hold_no_sentence():
    """A text of two words and more comes from the table."""
    for name in NAMES:
        script = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
        script = re.sub(r"^\s*//.*$|//.*$", "", script, flags=re.M)
        texts = re.findall(r'"([^"\n]*)"', script)
        assert [
            t for t in texts if re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", t) and t[0] != "."
        ] == [], name


@pytest.mark.parametrize("name", MARKED)
def test_two_equal_figures_on_a_page_move_by_themselves(browser, name):
    html = MARKED[name]().data
    assert not re.search(r'\sid="', html), "an id would stand twice"
    context = browser.new_context()
    view = context.new_page()
    problems = []
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.set_content(html + html)
    both = view.locator("figure")
    assert both.count() == 2
    counts = [both.nth(i).locator("input, button, select, textarea").count() for i in (0, 1)]
    assert counts[0] == counts[1] > 0
    before = both.nth(0).inner_text()
    if both.nth(1).get_by_role("radio").count() > 1:
        both.nth(1).get_by_role("radio").last.check()
        assert not both.nth(0).get_by_role("radio").last.is_checked()
        assert both.nth(1).locator("input:checked").count() == 1
    else:
        both.nth(1).get_by_role("slider").first.press("ArrowRight")
        both.nth(1).get_by_role("slider").first.press("ArrowRight")
    assert both.nth(0).inner_text() == before
    assert problems == []
    context.close()


def test_a_language_is_a_table_and_no_script_knows_it(browser, monkeypatch):
    """With each sentence marked, everything that is written is marked or data."""
    real = page.words

    def marked(value):
        if isinstance(value, str):
            return f"§{value}§"
        if isinstance(value, list):
            return [marked(item) for item in value]
        if isinstance(value, dict):
            return {key: marked(item) for key, item in value.items()}
        return value

    monkeypatch.setattr(page, "words", lambda name: marked(real(name)))
    html = figures.attention_explorer(["aa", "bb"], torch.eye(2), torch.eye(2)).data
    view = browser.new_page()
    view.set_content(html)
    texts = view.evaluate("""() => {
        const all = [], walk = document.createTreeWalker(document.querySelector('figure'), 4);
        while (walk.nextNode())
            if (!walk.currentNode.parentElement.closest('script, style, noscript, th, figcaption'))
                all.push(walk.currentNode.data.trim());
        return all;
    }""")
    bare = {t for t in texts if re.search(r"[a-z]{2}", t) and not t.startswith("§")}
    assert bare == {"aa", "bb"}
    assert view.locator(".lm-says").text_content().startswith("§At scale 0.71, “aa” takes §")
    view.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("wish", ["light", "dark"])
def test_the_page_s_theme_decides_and_without_one_the_reader_s_wish(browser, theme, wish):
    html = figures.cost_calculator(parameters=1e9, tokens=1e9).data
    inks = {"light": "rgb(31, 36, 48)", "dark": "rgb(228, 232, 238)"}
    view = browser.new_page(color_scheme=wish)
    ink = "() => getComputedStyle(document.querySelector('figure')).color"
    for attribute, expected in (
        (f' data-theme="{theme}"', theme),
        (f' theme="{theme}"', theme),
        ("", wish),
    ):
        view.set_content(f"<html{attribute}><body>{html}</body></html>")
        assert view.evaluate(ink) == inks[expected]
    view.emulate_media(media="print", color_scheme=wish)
    assert view.evaluate(ink) == inks["light"]
    assert not view.locator(".lm-controls").is_visible()
    view.close()


def test_bars_are_printed_and_tokens_have_edges_where_the_reader_sets_the_colors(browser):
    view = browser.new_page()
    view.set_content(MARKED["merges"]().data + MARKED["decoding"]().data)
    style = "([part, name]) => getComputedStyle(document.querySelector(part))[name]"
    view.emulate_media(media="print")
    assert view.evaluate(style, [".lm-bar span", "printColorAdjust"]) == "exact"
    view.emulate_media(media="screen", forced_colors="active")
    assert view.evaluate(style, [".lm-tokens > li", "outlineStyle"]) == "solid"
    view.close()


@pytest.mark.parametrize(
    ("x", "n", "shown"),
    [
        (0.125, 2, "0.13"),
        (-0.125, 2, "−0.13"),
        (-0.001, 2, "0.00"),
        (2.5, 0, "3"),
        (1234.0, 1, "1234.0"),
    ],
)
def test_numbers_are_written_alike_in_python_and_in_the_browser(browser, x, n, shown):
    assert page.decimals(x, n) == shown
    view = browser.new_page()
    base = (FOLDER / "base.js").read_text(encoding="utf-8")
    view.set_content("<p></p>")
    code = f"(() => {{ const figure = document.body; {base}; return decimals({x}, {n}); }})()"
    assert view.evaluate(code) == shown
    view.close()
