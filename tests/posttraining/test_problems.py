"""The problems: what is asked, and that a program's check agrees with Python's own adding."""

import pytest
import torch

from course_lib.posttraining import (
    SIGNS,
    STYLES,
    all_sums,
    decode,
    encode,
    running_sums,
    sum_is_right,
)


def test_all_sums_are_there_once_and_right():
    texts = [decode(row) for row in all_sums(seed=3)]
    assert len(set(texts)) == 10_000
    for text in texts:
        question, answer = text.split("=")
        a, b = question.split("+")
        assert (len(a), len(b), len(answer)) == (2, 2, 3)
        assert int(a) + int(b) == int(answer)


def test_the_order_is_the_seeds():
    assert torch.equal(all_sums(1), all_sums(1))
    assert not torch.equal(all_sums(1), all_sums(2))


def test_the_check_accepts_the_sum_and_nothing_else():
    sums = all_sums()
    assert sum_is_right(sums[:, :6], sums[:, 6:]).min() == 1
    cases = {"132": 1, "131": 0, "13=": 0, "=32": 0, "032": 0, "12.": 0}
    questions = torch.tensor([encode("47+85=")] * len(cases))
    answers = torch.tensor([encode(text) for text in cases])
    assert sum_is_right(questions, answers).tolist() == list(cases.values())


@pytest.mark.parametrize("style", STYLES)
def test_running_sums_end_with_the_last_digit_of_the_sum(style):
    questions, answers = running_sums(200, 7, style, seed=5)
    assert tuple(questions.shape) == (200, 13)
    for question, answer in zip(map(decode, questions), map(decode, answers), strict=True):
        assert question[-1] == "="
        digits = [int(sign) if sign != "." else 0 for sign in question[:-1]]
        assert question.count(".") == 5
        steps = "".join(str(sum(digits[: i + 1]) % 10) for i in range(12))
        assert answer == {"direct": steps[-1], "steps": steps, "dots": "." * 11 + steps[-1]}[style]


def test_all_styles_ask_the_same():
    asked = [running_sums(50, 4, style, seed=1)[0] for style in STYLES]
    assert torch.equal(asked[0], asked[1])
    assert torch.equal(asked[0], asked[2])
    filled = asked[0][:, :-1] < 10
    assert filled.any(0).all()  # each place is used by some row
    assert not torch.equal(asked[0], running_sums(50, 4, "direct", seed=2)[0])


def test_texts_and_ids():
    assert decode(encode(SIGNS)) == SIGNS
    with pytest.raises(ValueError, match="text: expected characters"):
        encode("4 + 5")


def test_what_can_not_be_asked_is_refused():
    with pytest.raises(ValueError, match="digits: expected at most 12"):
        running_sums(1, 13, "direct", 0)
    with pytest.raises(ValueError, match="style: expected"):
        running_sums(1, 2, "loud", 0)
    with pytest.raises(ValueError, match="questions, answers: expected"):
        sum_is_right(torch.zeros(2, 6), torch.zeros(3, 3))
