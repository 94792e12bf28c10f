"""Sketches of a model in use: what each shows, read from what it draws."""

import pytest

from course_lib.figures import sketches
from course_lib.figures.sketches import Said


@pytest.mark.parametrize(("cached", "computed"), [(False, 10), (True, 4)])
def test_a_cache_computes_each_key_and_value_once(cached, computed):
    drawing = sketches._steps_of("abcd", cached)
    assert f">{computed} keys and {computed} values computed<" in drawing
    assert drawing.count("85%") == 2 * computed
    assert drawing.count(" 12%") == 2 * (10 - computed)


def test_a_conversation_shows_who_writes_and_what_is_learned(shown):
    said = [
        Said("program", "<|im_start|>"),
        Said("user", "Hi there\n"),
        Said("program", "<|im_start|>", "A<b"),
        Said("assistant", "A<b"),
    ]
    found = shown(sketches.conversation, said, "title", "caption", alt="alt")
    assert found.count('class="turn"') == 2
    assert "<b>Hi·there\\n</b>" in found
    assert found.count('<i class="learned">A&lt;b</i>') == 1
    assert found.count("<i>–</i>") == 3
    untaught = [each._replace(target=None) for each in said]
    assert "<i" not in shown(sketches.conversation, untaught, "title", "caption", alt="alt")


def test_a_writer_that_is_none_of_the_four_is_refused(shown):
    with pytest.raises(ValueError, match="writer: expected"):
        shown(sketches.conversation, [Said("me", "x")], "title", "caption", alt="alt")
