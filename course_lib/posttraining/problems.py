"""Problems that a program can check: sums of two numbers, and running sums of many digits.

Taught in 'After pre-training'. Every character is a token. Within a batch all questions have one
length, and all answers, too, so that nothing has to be padded.
"""

import torch
from torch import Tensor

from course_lib.checks import check_counts, check_one_of, check_sizes, expect

SIGNS = "0123456789+=."
QUESTION, ANSWER = 6, 3  # tokens of "47+85=" and of "132"
STYLES = ("direct", "steps", "dots")
PLACES = 12  # of a row of digits; the empty ones hold a dot
_PLUS, _EQUALS, _DOT = map(SIGNS.index, "+=.")


def encode(text: str) -> list[int]:
    """Return a token id for each character.

    Raises:
        ValueError: if one isn't among ``SIGNS``.
    """
    strange = sorted(set(text) - set(SIGNS))
    expect(not strange, "text", f"characters of {SIGNS!r}", strange)
    return [SIGNS.index(sign) for sign in text]


def decode(ids: Tensor | list[int]) -> str:
    """Return the text of token ids."""
    return "".join(SIGNS[i] for i in torch.as_tensor(ids).tolist())


def all_sums(seed: int = 0) -> Tensor:
    """Return all 10,000 sums of two numbers below 100 in a random order, as ``47+85=132``.

    Numbers are written with two digits, their sum with three: (10000, 9).
    """
    check_counts(seed=seed)
    order = torch.randperm(10_000, generator=torch.Generator().manual_seed(seed))
    a, b = order // 100, order % 100
    total = a + b
    plus, equals = torch.full_like(a, _PLUS), torch.full_like(a, _EQUALS)
    digits = [total // 100, total // 10 % 10, total % 10]
    return torch.stack([a // 10, a % 10, plus, b // 10, b % 10, equals, *digits], dim=1)


def sum_is_right(questions: Tensor, answers: Tensor) -> Tensor:
    """Check answers by adding: 1 if an answer's three signs are the sum's digits, else 0.

    Args:
        questions: (B, 6), as ``47+85=``.
        answers: (B, 3).

    Returns:
        (B,), in float32.

    Raises:
        ValueError: if a shape is another one.
    """
    shapes = tuple(questions.shape), tuple(answers.shape)
    wanted = ((len(answers), QUESTION), (len(answers), ANSWER))
    expect(shapes == wanted, "questions, answers", f"{wanted[0]}, {wanted[1]}", shapes)
    tens, ones = questions[:, 0] + questions[:, 3], questions[:, 1] + questions[:, 4]
    value = (answers * torch.tensor([100, 10, 1], device=answers.device)).sum(1)
    return ((answers < 10).all(1) & (value == 10 * tens + ones)).float()


def running_sums(count: int, digits: int, style: str, seed: int) -> tuple[Tensor, Tensor]:
    """Return rows of digits, whose sum's last digit is asked for, and the answers.

    A row has twelve places, of which some, drawn at random, hold a digit. To ``.7..3...9...=`` the
    answer is ``9``, for 7 + 3 + 9 = 19.

    Args:
        count: number of rows, B.
        digits: how many are to be added, at most 12.
        style: "direct": the answer alone. "steps": the last digit of each partial sum, place by
            place, ``077700009999``; the last is the answer. "dots": as many signs as in "steps",
            but they say nothing: ``...........9``.
        seed: of places and digits; the same in all styles.

    Returns:
        (B, 13) and (B, 1 or 12).

    Raises:
        ValueError: if an argument is out of its range.
    """
    check_sizes(count=count, digits=digits)
    check_counts(seed=seed)
    check_one_of("style", style, STYLES)
    expect(digits <= PLACES, "digits", f"at most {PLACES}", digits)
    # The question: digits at some places, dots at the others.
    generator = torch.Generator().manual_seed(seed)
    filled = torch.rand(count, PLACES, generator=generator).argsort(1) < digits
    values = torch.randint(10, (count, PLACES), generator=generator)
    equals = torch.full((count, 1), _EQUALS)
    questions = torch.cat([values.masked_fill(~filled, _DOT), equals], 1)
    # The answer: the last of the partial sums, alone or behind what leads to it.
    partial = values.masked_fill(~filled, 0).cumsum(1) % 10
    if style == "direct":
        return questions, partial[:, -1:]
    if style == "steps":
        return questions, partial
    return questions, torch.cat([torch.full_like(partial[:, 1:], _DOT), partial[:, -1:]], 1)
