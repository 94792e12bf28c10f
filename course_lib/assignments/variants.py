"""Numbers of each learner's own, where an exercise allows it.

An exercise names one number that may be another for each learner, by the metadata of its test:
``"own": {"given": "20", "choices": "12 15", "forms": ["{} billion", "{}e9"]}``. Each form is a
way in which the number is written, in the text and in the code. The book shows the given one.
"""

import dataclasses
import hashlib
import re

from course_lib.assignments.cells import Exercise

PARTS = ("statement", "test", "hidden_test", "stub", "solution")


def own_key(seed: int, student: str) -> str:
    """Return what a learner's numbers are drawn from: the release's seed, and who it is."""
    return f"{seed}/{student}"


def choice(exercise: Exercise, own: str) -> str:
    """Return a learner's number in an exercise that has one, the same at every call."""
    assert exercise.own is not None
    said = f"{own}/{exercise.chapter}/{exercise.name}".encode()
    draw = int.from_bytes(hashlib.sha256(said).digest()[:8], "big")
    return exercise.own.choices[draw % len(exercise.own.choices)]


def written(form: str, number: str) -> re.Pattern[str]:
    """Return what finds a number where it is written in a form, and no longer number."""
    before = r"(?<![\w.])" if form.startswith("{}") else ""
    return re.compile(rf"{before}{re.escape(form.replace('{}', number))}(?!\.?\w)")


def with_number(exercise: Exercise, number: str) -> Exercise:
    """Return an exercise with another number in all its parts.

    Raises:
        ValueError: if it isn't written in a form, or not in the text.
    """
    own = exercise.own
    if own is None:
        return exercise
    place = f"{exercise.chapter}, exercise {exercise.name}, own"
    parts = {part: getattr(exercise, part) for part in PARTS}
    found: set[str] = set()
    for form in own.forms:
        here = {part for part in PARTS if written(form, own.given).search(parts[part])}
        if not here:
            raise ValueError(
                f"{place}: expected {form.replace('{}', own.given)!r} in a cell, got none"
            )
        found |= here
        for part in here:
            parts[part] = written(form, own.given).sub(form.replace("{}", number), parts[part])
    if "statement" not in found:
        raise ValueError(f"{place}: expected {own.given} in the text of the exercise, got none")
    return dataclasses.replace(exercise, **parts)


def with_own(exercise: Exercise, own: str) -> Exercise:
    """Return an exercise with a learner's number, if it has one and ``own`` isn't empty."""
    if not own or exercise.own is None:
        return exercise
    return with_number(exercise, choice(exercise, own))
