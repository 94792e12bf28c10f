"""Pages for a class in headless Chromium: no part sticks out, and axe has nothing to say."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from course_lib.assignments.feedback import feedback
from course_lib.assignments.mark import form_fields
from course_lib.assignments.pages import page, prose
from course_lib.assignments.report import report


def feedback_page(course):
    """Return the page of a learner whose answers are hostile and long."""
    return next(path for path in feedback(course) if "bob" in path.parts).read_text("utf-8")


PAGES = {
    "feedback": feedback_page,
    "report": lambda course: report(course)[0],
    "mark": lambda course: page(
        "Marking: 3 to go", prose("Why *so*? Say it in `words`."), form_fields("t", "n", "e", 3)
    ),
}


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_can_be_used_by_everybody(name, width, look, course, browser):
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=look)
    view.set_content(PAGES[name](course))
    assert view.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    found = Axe().run(view).response["violations"]
    view.close()
    assert [one["id"] for one in found] == []
