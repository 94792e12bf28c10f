"""What tests need that run hostile code: the sandbox, or a reason why there is none."""

import functools
import os

import pytest
from project import WITHOUT_SANDBOX, skip_except_in_ci

from course_lib.assignments import sandbox


def need_walls() -> None:
    """Skip where the sandbox doesn't work, except where CI must have it.

    Where it can be built, CI must have it, and it must work.
    """
    built, missing = tried()
    if not missing:
        return
    if not built and os.environ.get(WITHOUT_SANDBOX) == "1":
        pytest.skip(missing)
    skip_except_in_ci(
        f"{missing} In CI these tests fail, since a sandbox that isn't tried may hold nothing; "
        f"{WITHOUT_SANDBOX}=1 skips them where it can't be built."
    )


@functools.cache
def tried() -> tuple[bool, str]:
    """Return what the sandbox's probe says, which is asked once."""
    return sandbox.probe()
