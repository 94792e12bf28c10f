"""Sketches of a model in use: what each shows, read from what it draws."""

import re

import pytest

from course_lib.figures import diagrams, sketches
from course_lib.figures.sketches import Said

SHOWN = [
    sketches.writing_loop,
    sketches.key_value_cache,
    sketches.lora,
    sketches.pipeline,
    sketches.two_tasks,
    sketches.weight_layouts,
]


@pytest.fixture
def page(monkeypatch):
    """Return what a function shows, as HTML."""

    def shown(function, *args, **options):
        found = []
        monkeypatch.setattr(sketches, "display", lambda each: found.append(each.data))
        function(*args, **options)
        (only,) = found
        return only

    return shown


@pytest.mark.parametrize("sketch", SHOWN)
def test_writing_is_read_on_a_phone_and_every_color_is_the_page_s(page, sketch):
    drawing = page(sketch)
    sizes = [float(size) for size in re.findall(r"<text[^>]*font-size:([\d.]+)px", drawing)]
    assert min(sizes) * 350 / diagrams.WIDTH >= 11
    assert not re.findall(r"(?<!,)#[0-9a-f]{6}", drawing)


@pytest.mark.parametrize("sketch", SHOWN)
def test_what_is_seen_is_also_said(page, sketch):
    drawing = page(sketch)
    assert len(re.search(r'aria-label="([^"]*)"', drawing)[1]) > 80
    assert len(re.search(r"<figcaption>(.*?)</figcaption>", drawing)[1]) > 60


@pytest.mark.parametrize(("cached", "computed"), [(False, 10), (True, 4)])
def test_a_cache_computes_each_key_and_value_once(cached, computed):
    drawing = sketches._steps_of("abcd", cached)
    assert f">{computed} keys and {computed} values computed<" in drawing
    assert drawing.count("85%") == 2 * computed
    assert drawing.count(" 12%") == 2 * (10 - computed)


def test_a_conversation_shows_who_writes_and_what_is_learned(page):
    said = [
        Said("program", "<|im_start|>"),
        Said("user", "Hi there\n"),
        Said("program", "<|im_start|>", "A<b"),
        Said("assistant", "A<b"),
    ]
    found = page(sketches.conversation, said, "title", "caption", alt="alt")
    assert found.count('class="turn"') == 2
    assert "<b>Hi·there\\n</b>" in found
    assert found.count('<i class="learned">A&lt;b</i>') == 1
    assert found.count("<i>–</i>") == 3
    untaught = [each._replace(target=None) for each in said]
    assert "<i" not in page(sketches.conversation, untaught, "title", "caption", alt="alt")


def test_a_writer_that_is_none_of_the_four_is_refused(page):
    with pytest.raises(ValueError, match="writer: expected"):
        page(sketches.conversation, [Said("me", "x")], "title", "caption", alt="alt")
