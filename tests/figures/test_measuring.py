"""The stretches that are drawn are those of the split."""

from course_lib.data import Review
from course_lib.figures import measuring
from course_lib.studies.reviews import split_reviews


def test_the_stretches_are_those_of_the_split():
    reviews = [Review(f"a{i} b{i} c{i} d{i} e{i}", i % 2, "imdb") for i in range(measuring.CYCLE)]
    parts = split_reviews(reviews)
    ends = [begin for begin, *_ in measuring.PARTS[1:]] + [measuring.CYCLE]
    drawn = {
        name: list(range(begin, end))
        for (begin, name, _), end in zip(measuring.PARTS, ends, strict=True)
        if name
    }
    assert list(drawn.values()) == [parts.training, parts.validation, parts.test]
