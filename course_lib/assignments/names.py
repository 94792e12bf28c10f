"""What a person types, and names of learners: read, shown, compared, made safe for a folder."""

import argparse
import hashlib
import re
import unicodedata
from typing import Any


def shown(name: object) -> str:
    """Return a name as one line of plain characters, at most 120."""
    text = ascii(str(name))[1:-1] if not str(name).isprintable() else str(name)
    return text if len(text) <= 120 else f"{text[:60]}…{text[-59:]}"


def student_id(name: str) -> str:
    """Return a name that is safe as a folder's, for any shell; another name gets another."""
    safe = re.sub(r"[^A-Za-z0-9._@-]+", "-", name).strip(".-")[:60]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:6]}".lstrip("-")


def key(name: str) -> str:
    """Return what two writings of a name have in common: its letters and digits, in one case."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def full_name(student: dict[str, Any]) -> str:
    """Return a learner's name, or the id of one whose name isn't known."""
    names = [student["first_name"], student["last_name"]]
    return " ".join(filter(None, names)) or str(student["id"])


def count(text: str) -> int:
    """Read a whole number, 0 or above, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or above, got {text!r}")
    return int(text)


def positive(text: str) -> int:
    """Read a whole number, 1 or above, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or above, got {text!r}")
    return int(text)
