"""Run an exercise's tests on an answer and say in one line how it went.

Every chapter's exercises use :func:`check`.
"""

from collections.abc import Callable

__all__ = ["check"]


def check(test: Callable[[Callable], None], answer: Callable) -> None:
    """Run ``test(answer)`` and print the verdict; never raise, so that a notebook runs on.

    Args:
        test: takes the answer and raises AssertionError, with a hint, where it is wrong.
        answer: the learner's function or class.
    """
    try:
        test(answer)
    except NotImplementedError:
        verdict = "not written yet"
    except AssertionError as error:
        verdict = f"not yet. {' '.join(str(error).split())}"
    except Exception as error:  # whatever a learner's code raises is a verdict, not a crash
        verdict = f"not yet. {type(error).__name__}: {error}"
    else:
        verdict = "passed"
    print(f"{test.__name__}: {verdict}")
