"""Laws of the Sphinx extension that gives each line of code an element of its own."""

import html
import re
import sys

import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from lines import mark

BLOCK = '<div class="highlight"><pre><span></span>{}</pre></div>'
CODE = [
    "x = 1\n",
    "for i in x:\n    print(i)\n\n\ny = [\n        i,\n]\n",
    '<span class="s2">    &lt;b&gt;</span>\n<span class="k">if</span> x:\n',
    "no line break at its end",
]


def text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@pytest.mark.parametrize("code", CODE)
def test_the_text_stays_what_it_is(code):
    assert text(mark(BLOCK.format(code))).rstrip("\n") == text(code).rstrip("\n")


@pytest.mark.parametrize("code", CODE)
def test_a_line_is_one_element_and_knows_its_indentation(code):
    lines = re.findall(
        r'<span class="line"(?: style="--indent:(\d+)ch")?>', mark(BLOCK.format(code))
    )
    expected = [len(s) - len(s.lstrip(" ")) for s in text(code).removesuffix("\n").split("\n")]
    assert [int(n or 0) for n in lines] == expected


def test_what_is_no_block_of_code_stays():
    page = "<p>one\ntwo</p><pre>three\nfour</pre>"
    assert mark(page) == page
