"""What tests need that run hostile code: the sandbox, or a reason why there is none."""

import os

import pytest
from project import skip_except_in_ci

from course_lib.assignments import sandbox

WITHOUT = "COURSE_WITHOUT_SANDBOX"  # set to 1 where the tests are to pass without one


def need_walls() -> None:
    """Skip where the sandbox can't be built, except where CI must have it."""
    if (missing := sandbox.why_not()) is None:
        return
    if os.environ.get(WITHOUT) == "1":
        pytest.skip(missing)
    skip_except_in_ci(
        f"{missing} In CI these tests fail, since a sandbox that isn't tried may hold nothing; "
        f"{WITHOUT}=1 skips them."
    )
