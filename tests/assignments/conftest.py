"""A graded class, for what comes after grading."""

import pytest
from graded_class import make_class


@pytest.fixture
def course(tmp_path):
    return make_class(tmp_path)
