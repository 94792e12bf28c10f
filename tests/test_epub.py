"""The book as an EPUB: still, in the reader's colors, answers apart, nothing lost."""

import posixpath
import re
import zipfile

import epub
import epub_clean
import epub_package
import pytest
from lxml import etree
from project import ROOT

XHTML = epub.XHTML
MATH = """<mjx-container><mjx-math>x</mjx-math><mjx-assistive-mml><math alttext="x &lt; 1"
xmlns="http://www.w3.org/1998/Math/MathML"><mi data-mjx-auto-op="false">ln</mi><mo
data-mjx-texclass="NONE">\u2061</mo><mi>x</mi><mtable
columnalign="right left"><mtr><mtd/><mtd/></mtr>
</mtable></math></mjx-assistive-mml></mjx-container>"""
FIRST = f"""<article xmlns="http://www.w3.org/1999/xhtml"><section id="first">
<h1>First<a class="headerlink" href="#first">#</a></h1>
<p>Of <span class="math notranslate">{MATH}</span> see
<a href="second.html#there">there</a>, <a href="#fold">below</a>,
<a href="../slides/first.html#/2">slides</a>,
<a href="https://example.org/">a page</a>. <span lang="zh">注意力</span></p>
<blockquote><div><p>Predict.</p>
<details class="choice"><summary>one</summary>No, <em>more</em>.</details>
<details class="choice right"><summary><sub>tw</sub>o</summary>Yes.</details>
</div></blockquote>
<div class="cell tag_hide-output"><div class="cell_input"><div class="highlight"><pre><span
class="line" style="--indent:4ch"><span class="k">return</span> <span class="mi">6</span> * <span
class="mi">7</span></span></pre></div></div>
<details class="admonition hide below-input"><summary aria-label="Toggle hidden content">
<p class="collapsed admonition-title">Show what happens</p>
<p class="expanded admonition-title">Hide it</p></summary>
<div class="cell_output" id="fold">forty-two</div></details></div>
<p>So it is.</p>
<div class="cell tag_hide-input"><details class="admonition hide above-input"><summary>
<p class="collapsed admonition-title">Show the code</p></summary>
<div class="cell_input"><pre>draw()</pre></div></details>
<div class="cell_output"><figure class="lm-figure lm-tool">
<style>.lm-tool {{ --lm-ink: light-dark(#000, #fff); color: var(--lm-ink); }}
.lm-tool :is(b, i), .lm-tool input {{ color: var(--lm-muted); }}
@media (max-width: 9em) {{ .lm-tool i {{ margin: 0 }} }}
@media print {{ .lm-tool input {{ margin: 0 }} }}</style>
<style>.lm-tool {{ color: var(--lm-ink); }}</style>
<noscript><p>Drawn with 2. With JavaScript you can move it.</p></noscript>
<div class="lm-controls" hidden=""><input type="range"/></div>
<div role="img" aria-label="a line"><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path
d="M0 0h1" style="stroke:var(--lm-ink,#1f2430);fill:color-mix(in srgb,var(--lm-key,#8c3705) 20%,\
var(--lm-paper,#fff))"/><rect style="fill:var(--lm-surface,#f4f5f7)"/>
<text style="fill:var(--lm-paper,#fff)" font-weight="650">7</text><use
href="#fold"/></svg></div>
<script>move()</script></figure></div></div>
</section></article>"""
SECOND = """<article xmlns="http://www.w3.org/1999/xhtml"><section id="second"><h1>Second</h1>
<section id="there"><h2>There</h2><p>Back to <a href="first.html">the first</a>.</p></section>
</section></article>"""


@pytest.fixture(autouse=True)
def published(monkeypatch):
    for module in (epub, epub_clean):
        monkeypatch.setattr(module, "published", lambda: "https://book.example/")


@pytest.fixture
def bound():
    """Two small pages: their files, and the rules of their figures."""
    leaves, answers, rules = epub.leaves_of({"book/first": FIRST, "book/second": SECOND})
    epub.lead([*leaves, *answers])
    return leaves, answers, rules


def texts(leaf):
    return epub.plain(leaf.body)


def test_a_formula_is_mathml_that_also_tells_its_tex(bound):
    (math,) = bound[0][0].body.iter("{http://www.w3.org/1998/Math/MathML}math")
    assert math.get("alttext") == "x < 1"
    ln, apply, _, table = math
    assert not ln.attrib, "only MathJax knows these"
    # Browsers don't do by themselves what these say.
    assert apply.attrib == {"rspace": "0.167em"}
    assert [cell.get("style").split(";")[0] for cell in table[0]] == [
        "text-align:right",
        "text-align:left",
    ]


def test_links_lead_within_the_book_or_to_where_it_is_published(bound):
    links = [link.get("href") for link in bound[0][0].body.iter(XHTML + "a")]
    assert links[:4] == [
        "second.xhtml#there",
        "../answers/first.xhtml#fold",
        "https://book.example/slides/first.html#/2",
        "https://example.org/",
    ]
    assert [link.get("href") for link in bound[0][1].body.iter(XHTML + "a")] == ["first.xhtml"]


def test_an_answer_stands_apart_whole_and_leads_back(bound):
    (first, _), (answers,), _ = bound
    for said in ("forty-two", "Yes.", "No, more.", "Right."):
        assert said not in texts(first)
        assert said in texts(answers)
    assert "one: Not this one. No, more.two: Right. Yes. forty-two" in texts(answers)
    assert len(list(answers.body.iter(XHTML + "sub"))) == 1, "an option may hold a formula"
    (ask,) = (link for link in first.body.iter(XHTML + "a") if "#answer" in link.get("href"))
    assert (ask.text, ask.get("href")) == ("Show what happens", "../answers/first.xhtml#answer-1")
    (back,) = answers.body.iter(XHTML + "a")
    assert (back.text, back.get("href")) == ("First", "../book/first.xhtml#ask-1")
    assert ask.getparent().get("id") == "ask-1"
    assert (
        texts(first).index("two") < texts(first).index("return 6 * 7") < texts(first).index("Show")
    )


def test_code_that_draws_is_folded_below_what_it_draws(bound):
    (fold,) = bound[0][0].body.iter(XHTML + "details")
    assert [epub.plain(each) for each in fold] == ["Show the code", "draw()"]
    assert fold.getprevious().get("class") == "cell_output"


def test_code_keeps_its_lines_and_no_color(bound):
    (code,) = (e for e in bound[0][0].body.iter(XHTML + "div") if e.get("class") == "highlight")
    assert [span.get("class") for span in code.iter(XHTML + "span")] == ["line", "k"]
    assert epub.plain(code) == "return 6 * 7"


def test_a_figure_is_still_and_says_where_it_moves(bound):
    (figure,) = bound[0][0].body.iter(XHTML + "figure")
    assert "Drawn with 2. In the published book you can move it." in epub.plain(figure)
    assert next(figure.iter(XHTML + "a")).get("href") == "https://book.example/book/first.html"
    gone = {XHTML + name for name in ("script", "style", "input", "noscript")}
    assert not gone & {each.tag for each in bound[0][0].body.iter()}
    assert next(figure.iter(XHTML + "div")).get("aria-label") == "a line"


def test_ink_is_the_reader_s_and_a_hue_is_one_for_light_and_dark(bound):
    path, use = (next(bound[0][0].body.iter(epub_clean.SVG + name)) for name in ("path", "use"))
    key = epub_clean.COLORS["key"]
    assert path.get("style") == f"stroke:currentColor;fill:{key}33"
    weight = next(bound[0][0].body.iter(epub_clean.SVG + "text")).get("font-weight")
    assert weight == "bold"
    # What is written on a hue is white; what lies on a line hides it.
    for name, fill in {"text": "#fff", "rect": "#808080"}.items():
        assert next(bound[0][0].body.iter(epub_clean.SVG + name)).get("style") == f"fill:{fill}"
    assert use.attrib == {epub_clean.XLINK + "href": "#fold"}
    assert " ".join(bound[2].split()) == (
        ".lm-tool { color: currentColor; } .lm-tool b, .lm-tool i { color: currentColor; } "
        "@media (max-width: 9em) {.lm-tool i { margin: 0 } }"
    )


def test_every_color_of_a_figure_has_one_here():
    files = (ROOT / "course_lib" / "figures").glob("*.*")
    used = re.findall(r"var\(--lm-([a-z-]+)[,)]", "".join(f.read_text("utf-8") for f in files))
    assert set(used) <= set(epub_clean.COLORS)


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


@pytest.mark.parametrize("name", [n for n, c in epub_clean.COLORS.items() if len(c) == 7])
def test_a_hue_is_readable_on_white_and_on_black(name):
    light = luminance(epub_clean.COLORS[name])
    assert min(1.05 / (light + 0.05), (light + 0.05) / 0.05) >= 3.8


def test_chinese_is_marked_for_readers_of_xml(bound):
    (span,) = (e for e in bound[0][0].body.iter(XHTML + "span") if "lang" in e.attrib)
    assert span.get("{http://www.w3.org/XML/1998/namespace}lang") == span.get("lang") == "zh"
    assert span.text == "注意力"


def packed(monkeypatch, target, leaves, answers):
    listed = [("", ["book/first"]), ("A part", ["book/second"])]
    monkeypatch.setattr(epub_package, "parts", lambda: listed)
    about = {"title": "T", "author": "A", "language": "en", "address": "https://book.example/"}
    files = {"cover.png": b"", "book.css": b""}
    epub_package.pack(target, leaves, answers, files, about, 1_600_000_000)
    return zipfile.ZipFile(target)


def test_the_file_repeats_and_lists_all_that_it_holds(bound, monkeypatch, tmp_path):
    leaves, answers, _ = bound
    once = packed(monkeypatch, tmp_path / "a.epub", leaves, answers)
    packed(monkeypatch, tmp_path / "b.epub", leaves, answers)
    assert (tmp_path / "a.epub").read_bytes() == (tmp_path / "b.epub").read_bytes()
    first = once.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert {entry.date_time[0] for entry in once.infolist()} == {2020}
    package = once.read("book.opf").decode()
    assert ">2020-09-13T12:26:40Z<" in package
    listed = re.findall(r'<item id="\w+" href="([^"]+)"', package)
    assert set(listed) == set(once.namelist()) - {"mimetype", "META-INF/container.xml", "book.opf"}
    for name, holds in {"book/first.xhtml": "mathml svg", "nav.xhtml": "nav"}.items():
        assert f'href="{name}" media-type="application/xhtml+xml" properties="{holds}"' in package
    pages = [once.read(name).decode() for name in listed if name.endswith(".xhtml")]
    assert not re.findall(r"<\w+:\w+", "".join(pages)), "many readers know no prefix"
    assert set(re.findall(r" (\w+:href)=", "".join(pages))) == {"xlink:href"}
    contents = etree.fromstring(once.read("nav.xhtml"))
    assert epub.plain(contents.find(f".//{XHTML}nav")) == (
        "ContentsFirstA partSecondThereAnswersAnswers: First"
    )


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """Two pages of the built book, bound and unpacked: the folder, and the pages as they were."""
    page = browser.new_page()
    read = epub.read_pages(page, ["book/how_to_use", "notebooks/background"])
    page.close()
    with pytest.MonkeyPatch.context() as patch:
        leaves, answers, rules = epub.leaves_of(read)
        epub.lead([*leaves, *answers])
        folder = tmp_path_factory.mktemp("epub")
        with packed(patch, folder / "book.epub", leaves, answers) as book:
            book.extractall(folder)
    style = epub.Path(epub.__file__).with_suffix(".css").read_text(encoding="utf-8")
    (folder / "book.css").write_text(style + rules, encoding="utf-8")
    return folder, read


def test_the_cover_is_a_picture_that_repeats(browser):
    page = browser.new_page()
    first, second = (epub.draw_cover(page, "A title", "Somebody") for _ in range(2))
    page.close()
    assert first == second
    assert first[16:24] == (1200).to_bytes(4) + (1800).to_bytes(4), "a PNG's width and height"


def documents(folder):
    return {
        path.relative_to(folder).as_posix(): etree.parse(path).getroot()
        for path in sorted(folder.rglob("*.xhtml"))
    }


def test_every_formula_and_figure_of_a_chapter_is_there(opened):
    folder, read = opened
    articles = "".join(read.values())
    there = [*documents(folder).values()]
    for tag, number in {
        "{http://www.w3.org/1998/Math/MathML}math": articles.count("<math "),
        XHTML + "figure": articles.count("<figure"),
        XHTML + "pre": articles.count("<pre"),
        XHTML + "script": 0,
    }.items():
        assert sum(len(list(each.iter(tag))) for each in there) == number
    assert articles.count("<math ") > 40


def test_every_link_within_leads_somewhere(opened):
    folder, _ = opened
    there = documents(folder)
    places = {
        name: {e.get("id") for e in each.iter() if e.get("id")} for name, each in there.items()
    }
    inner = 0
    for name, each in there.items():
        for link in each.iter(XHTML + "a"):
            path, _, place = link.get("href").partition("#")
            if "://" in path or name == "nav.xhtml":
                continue
            target = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            )
            assert not place or place in places[target], f"{name}: {link.get('href')}"
            inner += 1
    assert inner > 20


@pytest.mark.parametrize("name", ["notebooks/background", "answers/background"])
def test_a_narrow_screen_holds_it_on_any_ground(opened, browser, name):
    folder, _ = opened
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto((folder / f"{name}.xhtml").as_uri())
    page.add_style_tag(content="body{margin:8px;background:rgb(9,9,9);color:rgb(250,250,250)}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    dark = page.evaluate(
        """() => [...document.querySelectorAll('p, li, td, th, svg text')].filter(e => {
            const style = getComputedStyle(e), shown = e.closest('svg') ? style.fill : style.color;
            return Math.max(...shown.match(/[0-9.]+/g).slice(0, 3)) < 120;
        }).map(e => e.outerHTML.slice(0, 200))"""
    )
    assert not dark
    page.close()
