import pytest

from course_lib import data


@pytest.fixture(scope="module")
def reviews(network):
    """IMDb reviews, two that are nearly the same among them, by number."""
    found = [review.text for review in data.load_film_reviews()]
    chosen = [*range(0, 25_000, 20), *near(found)]
    return {i: found[i] for i in sorted(set(chosen))}


def near(found):
    """Two posts of one review, the second with a space less."""
    return [i for i, sample in enumerate(found) if "in the Slavic Village-Broadway" in sample]
