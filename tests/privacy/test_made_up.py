"""Made-up personal data: every item is known, and what a mask leaves is counted."""

from collections import Counter

from course_lib.privacy import made_up_messages, missed
from course_lib.privacy.made_up import KINDS
from course_lib.text import mask_personal_data

MESSAGES = made_up_messages(20, seed=1)


def test_each_kind_has_its_messages_and_each_message_its_item():
    assert Counter(m.kind for m in MESSAGES) == dict.fromkeys(KINDS, 20)
    assert all(m.text.count(m.item) == 1 for m in MESSAGES)
    assert MESSAGES == made_up_messages(20, seed=1) != made_up_messages(20, seed=2)


def test_a_mask_that_does_nothing_misses_all_and_one_that_takes_all_misses_none():
    assert missed(MESSAGES, lambda text: text) == dict.fromkeys(KINDS, 20)
    assert missed(MESSAGES, lambda text: "") == dict.fromkeys(KINDS, 0)


def test_the_course_s_mask_finds_what_has_a_form_and_misses_the_rest():
    found = missed(MESSAGES, mask_personal_data)
    assert found["email"] == found["phone, international"] == 0
    assert found["name"] == found["email in words"] == 20
