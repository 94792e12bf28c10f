"""Raters: made-up texts with questions, and two rules for which of two answers is better.

Used in 'After pre-training', by :mod:`course_lib.studies.preferences`. The careful rater wants
right answers, and of two right ones the shorter; the hasty one takes the shorter in any case.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

ASKS = {
    "town": "Where does {} live?",
    "job": "What is {}'s job?",
    "pet": "Which animal does {} have?",
}
# Names and values of the texts: the first for training, the second for what is held out.
NAMES = (
    ("Ada", "Ben", "Carl", "Dina", "Emil", "Fay", "Gina", "Hugo", "Iris", "John", "Leo", "Mona"),
    ("Olga", "Paul", "Rosa", "Sam", "Tara", "Uma", "Vera", "Will", "Yuri", "Zoe", "Alma", "Nils"),
)
VALUES = {
    "town": (
        ("Oslo", "Lima", "Cairo", "Delhi", "Quito", "Riga", "Accra", "Sofia", "Perth", "Turin"),
        ("Rome", "Hanoi", "Tunis", "Dakar", "Kyoto", "Porto", "Lyon", "Bern", "Graz", "Leeds"),
    ),
    "job": (
        ("baker", "nurse", "pilot", "farmer", "tailor", "lawyer", "miner", "dentist", "judge"),
        ("painter", "teacher", "surgeon", "sailor", "singer", "writer", "cook", "plumber", "clerk"),
    ),
    "pet": (
        ("cat", "horse", "parrot", "goat", "turtle", "snake", "goose", "donkey"),
        ("dog", "rabbit", "hamster", "pony", "duck", "sheep", "pigeon", "camel"),
    ),
}


CUT = "…"  # behind an answer that was cut off


class Item(NamedTuple):
    """A text on two people, a question on one of them, its answer, and the other's."""

    text: str
    question: str
    right: str
    wrong: str


def make_items(count: int, part: int, seed: int = 0) -> list[Item]:
    """Return made-up texts with questions; part 0 is for training, 1 has other names and values."""
    chance, found = np.random.default_rng([seed, part]), []
    for number in range(count):
        names = chance.choice(NAMES[part], 2, replace=False)
        drawn = {kind: chance.choice(of[part], 2, replace=False) for kind, of in VALUES.items()}
        town, job, pet = drawn.values()
        said = [f"{names[i]} lives in {town[i]} and works as a {job[i]}." for i in (0, 1)]
        said += [f"{names[i]} has a {pet[i]}." for i in (0, 1)]
        # The kinds of questions take turns; whom it is about is drawn.
        who, kind = int(chance.integers(2)), list(ASKS)[number % len(ASKS)]
        question = ASKS[kind].format(names[who])
        right, wrong = str(drawn[kind][who]), str(drawn[kind][1 - who])
        found.append(Item(" ".join(said), question, right, wrong))
    return found


def is_right(item: Item, answer: str) -> bool:
    """Say whether an answer has the right word in it, and not the other person's."""
    return item.right in answer and item.wrong not in answer


def n_words(answer: str) -> int:
    """Return how many words an answer has."""
    return len(answer.split())


def hasty(item: Item, one: str, other: str) -> int:
    """Return 1 if the first answer has fewer words, -1 if the second has, 0 if neither."""
    return int(np.sign(n_words(other) - n_words(one)))


def careful(item: Item, one: str, other: str) -> int:
    """Return 1 if the first answer alone is right, or both are and it is shorter; so -1, or 0."""
    first, second = is_right(item, one), is_right(item, other)
    return hasty(item, one, other) if first and second else first - second


RATERS: Mapping[str, Callable[[Item, str, str], int]] = {"careful": careful, "hasty": hasty}


class Pair(NamedTuple):
    """Two answers to one question; the first is the better one."""

    item: Item
    better: str
    worse: str


def draw_pairs(
    items: Sequence[Item], answers: Sequence[Sequence[str]], most: int, seed: int = 0
) -> list[Pair]:
    """Return pairs of each text's answers that the careful rater tells apart, in a random order.

    Args:
        items: the texts.
        answers: for each some answers.
        most: pairs of one text.
        seed: of what is drawn.
    """
    chance, found = np.random.default_rng(seed), []
    for item, given in zip(items, answers, strict=True):
        both = [pair for pair in combinations(given, 2) if careful(item, *pair)]
        found += [labeled(Pair(item, *both[i])) for i in chance.permutation(len(both))[:most]]
    chance.shuffle(found)
    return [pair for pair in found if pair is not None]


def labeled(pair: Pair, rater: str = "careful") -> Pair | None:
    """Return the pair as a rater orders it; None if neither is better."""
    order = RATERS[rater](*pair)
    return None if order == 0 else pair if order > 0 else Pair(pair.item, pair.worse, pair.better)
