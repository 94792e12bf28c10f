"""Tables as CSV: written so that no cell is run as a formula, read as platforms give them."""

import csv
import io
from pathlib import Path
from typing import Any

FORMULA = tuple("=+-@\t\r\n|%＝＋－＠")
LARGEST = 32 * 2**20
Table = list[list[Any]]


def safe(cell: object) -> str:
    """Return what stands in a cell: no formula, no control character, numbers as they are."""
    if isinstance(cell, int | float):
        return f"{cell:g}"
    raw = "" if cell is None else str(cell)
    text = "".join(letter if letter.isprintable() else " " for letter in raw).strip()
    return f"'{text}" if raw.startswith(FORMULA) or text.startswith(FORMULA) else text


def text(rows: Table, delimiter: str = ",") -> str:
    """Return a table as CSV; its cells are written as they are.

    Where a program may take another sign for what parts cells, all cells of the row are in quotes.
    """
    held = io.StringIO()
    for row in rows:
        quotes = any(sign in str(cell) for cell in row for sign in ",;\t")
        writer = csv.writer(
            held,
            delimiter=delimiter,
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if quotes else csv.QUOTE_MINIMAL,
        )
        writer.writerow(row)
    return held.getvalue()


def read(path: Path) -> tuple[list[list[str]], str]:
    """Return the rows of a CSV file, all as long as its header, and what parts its cells.

    Raises:
        ValueError: if it is no such file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST or b"\0" in content:
            raise ValueError("a file that is too large or isn't text")
        said = content.decode("utf-8-sig")
        delimiter = max(",;\t", key=said.split("\n", 1)[0].count)
        rows = [row for row in csv.reader(io.StringIO(said), delimiter=delimiter) if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{path}: expected a table as CSV in UTF-8, got: {why}") from None
    if not rows or len(rows[0]) < 2:
        raise ValueError(f"{path}: expected a table as CSV with a header, got none")
    rows[0] = [cell.strip() for cell in rows[0]]
    width = len(rows[0])
    return [[*row, *[""] * width][: max(width, len(row))] for row in rows], delimiter
