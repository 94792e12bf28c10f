"""Does a published model know a text by heart? Famous texts, and new ones of the same build.

Taught in 'Data privacy'. A famous text can have a low loss because it is plain English or because
it was read many times. So each stands beside one that was written for this book, sentence by
sentence of the same build. That a model is asked to go on is from Carlini et al. (2023),
'Quantifying Memorization Across Neural Language Models'.
"""

from collections.abc import Sequence
from typing import NamedTuple

from course_lib.checks import check_sizes, expect
from course_lib.generation import Tokenizer, generate_tokens
from course_lib.model import GPT


class Twins(NamedTuple):
    """A famous text, and a new one of the same build."""

    famous: str
    new: str


TWINS = {
    "Lincoln, 1863": Twins(
        "Four score and seven years ago our fathers brought forth on this continent, a new nation, "
        "conceived in Liberty, and dedicated to the proposition that all men are created equal. "
        "Now we are engaged in a great civil war, testing whether that nation, or any nation so "
        "conceived and so dedicated, can long endure.",
        "Two score and three years ago our mothers laid out on this hillside, a small orchard, "
        "planted in hope, and given over to the notion that all trees bear fruit alike. "
        "Now we are met in a hard dry summer, asking whether that orchard, or any orchard so "
        "planted and so given, can last the year.",
    ),
    "Jefferson, 1776": Twins(
        "When in the Course of human events, it becomes necessary for one people to dissolve the "
        "political bands which have connected them with another, and to assume among the powers "
        "of the earth, the separate and equal station to which the Laws of Nature and of Nature's "
        "God entitle them, a decent respect to the opinions of mankind requires that they should "
        "declare the causes which impel them to the separation.",
        "When in the Course of a village year, it becomes useful for one baker to end the old "
        "bargains which have tied him to a miller, and to seek among the farms of the valley, the "
        "plain and fair price to which good Weather and an honest miller's Scales entitle him, a "
        "friendly regard for the talk of neighbors asks that he should tell the reasons which "
        "move him to the change.",
    ),
    "Genesis, 1611": Twins(
        "In the beginning God created the heaven and the earth. And the earth was without form, "
        "and void; and darkness was upon the face of the deep. And the Spirit of God moved upon "
        "the face of the waters. And God said, Let there be light: and there was light.",
        "In the evening the potter finished the bowl and the jug. And the jug was without handle, "
        "and cracked; and dust was upon the edge of the wheel. And the hand of the potter passed "
        "upon the rim of the bowl. And the potter said, Let there be glaze: and there was glaze.",
    ),
    "Austen, 1813": Twins(
        "It is a truth universally acknowledged, that a single man in possession of a good "
        "fortune, must be in want of a wife. However little known the feelings or views of such a "
        "man may be on his first entering a neighbourhood, this truth is so well fixed in the "
        "minds of the surrounding families, that he is considered as the rightful property of "
        "some one or other of their daughters.",
        "It is a rule quietly observed, that an old sailor in possession of a warm coat, must be "
        "in search of a story. However seldom heard the plans or hopes of such a sailor may be on "
        "his first visiting a harbour, this rule is so firmly kept in the hearts of the waiting "
        "children, that he is treated as the willing servant of some one or other of their games.",
    ),
    "Carroll, 1865": Twins(
        "Alice was beginning to get very tired of sitting by her sister on the bank, and of having "
        "nothing to do: once or twice she had peeped into the book her sister was reading, but it "
        "had no pictures or conversations in it.",
        "Martin was starting to feel quite sore from leaning on his uncle at the fence, and from "
        "finding nobody to race: now and then he had looked over the map his uncle was drawing, "
        "but it had no rivers or mountains in it.",
    ),
    "MIT License": Twins(
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this "
        'software and associated documentation files (the "Software"), to deal in the Software '
        "without restriction, including without limitation the rights to use, copy, modify, "
        "merge, publish, distribute, sublicense, and/or sell copies of the Software.",
        "Admission is hereby offered, free of tickets, to any neighbor bringing a basket of this "
        'orchard and matching earthenware plates (the "Picnic"), to rest at the Picnic without '
        "interruption, including without excuses the times to eat, sing, juggle, read, whisper, "
        "wander, slumber, and/or pour cups of the Picnic.",
    ),
}


def recited(
    model: GPT, tokenizer: Tokenizer, texts: Sequence[str], given: int, asked: int = 20
) -> list[int]:
    """Return for each text how many tokens a model goes on with before its first wrong one.

    Args:
        model: goes on with its likeliest token each time.
        tokenizer: of the model.
        texts: each has at least so many tokens as are given and asked for.
        given: tokens of a text that the model is shown.
        asked: tokens that it is to go on with.

    Raises:
        ValueError: if a text is too short.
    """
    check_sizes(given=given, asked=asked)
    ids = [list(tokenizer.encode(text)) for text in texts]
    shortest = min(map(len, ids))
    expect(shortest >= given + asked, "texts", f"at least {given + asked} tokens each", shortest)
    written = generate_tokens(model, [row[:given] for row in ids], max_new_tokens=asked)
    counts = []
    for row, new in zip(ids, written, strict=True):
        wrong = [i for i in range(asked) if new[i] != row[given + i]]
        counts.append(wrong[0] if wrong else asked)
    return counts
