"""Laws of the Sphinx extension that marks Chinese."""

import sys

import pytest
from project import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from chinese import mark


@pytest.mark.parametrize(
    ("page", "marked"),
    [
        ("<p>such as 删除, <em>delete</em></p>", 'such as <span lang="zh">删除</span>, <em>'),
        ("<td>字节对编码</td>", '<td><span lang="zh">字节对编码</span></td>'),
        (
            "<pre>您确定要删除此事件吗？</pre>",
            '<span lang="zh">您确定要删除此事件吗？</span></pre>',
        ),
        ("<pre>您 {name} 吗？</pre>", 'zh">您</span> {name} <span lang="zh">吗？</span>'),
        ("zh 删 除 选\n", 'zh <span lang="zh">删 除 选</span>\n'),
        ("<td>Kneser–Ney 平滑</td>", '<td>Kneser–Ney <span lang="zh">平滑</span></td>'),
    ],
)
def test_a_run_of_chinese_is_marked_and_no_more(page, marked):
    assert marked in mark(page)
    assert mark(page).replace('<span lang="zh">', "").replace("</span>", "") == page


@pytest.mark.parametrize(
    "page",
    [
        '<img alt="the word 删除 > 5">',
        "<a title='文件'>x</a>",
        '<script>const data = ["删除"]; if (a < b) {}</script>',
        '<script type="application/json">{"a": "</p>文件"}</script>',
        "<style>p::before { content: '文'; }</style>",
        "<textarea>删除</textarea>",
        '<b><span lang="zh">删除</span></b>',
        "<!-- 删除 -->",
        "3 < 5 and no Chinese at all, “quoted”。",
    ],
)
def test_attributes_scripts_and_other_text_stay_as_they_are(page):
    assert mark(page) == page
