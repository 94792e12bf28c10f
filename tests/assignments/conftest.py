"""A graded class, for what comes after grading; and the walls, for what grades."""

import pytest
from graded_class import make_class
from walled import need_walls


@pytest.fixture
def course(tmp_path):
    return make_class(tmp_path)


@pytest.fixture(scope="session")
def walls():
    """The sandbox's walls can be built here."""
    need_walls()
