"""What tests of drawings share."""

import pytest

from course_lib.figures import drawing


@pytest.fixture
def shown(monkeypatch):
    """Return what a function shows, as HTML."""

    def page(show, *args, **options) -> str:
        found: list[str] = []
        monkeypatch.setattr(drawing, "display", lambda each: found.append(each.data))
        show(*args, **options)
        (only,) = found
        return only

    return page
