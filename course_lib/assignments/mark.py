"""A page on this machine to mark what is answered in words, one answer after the other.

Only this machine reaches it, and only who has its address, which holds a random word. An answer
is shown without its writer's name.
"""

import argparse
import hmac
import secrets
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from course_lib.assignments.cells import NOTEBOOKS, Essay, chapter_path, read_essays
from course_lib.assignments.feedback import given
from course_lib.assignments.gradebook import FILE, Gradebook
from course_lib.assignments.pages import code, page, prose, shown

LARGEST_FORM = 2**16


def waiting(book: Gradebook) -> list[tuple[dict[str, Any], str]]:
    """Return what is to mark: the row of a submission and the essay's name."""
    return [
        (row, name)
        for row in book.scores()
        if row["to_mark"]
        for name, cell in sorted(book.cells(row["notebook"]).items())
        if cell["needs_manual_grade"]
    ]


def essay_of(chapter: str, name: str, folder: Path) -> Essay:
    """Return a chapter's essay by its name."""
    found = [one for one in read_essays(chapter_path(chapter, folder)) if one.name == name]
    if not found:
        raise ValueError(f"essay: expected one of {chapter}, got {name!r}")
    return found[0]


def form(course: Path, token: str, folder: Path = NOTEBOOKS) -> str:
    """Return the page with the next answer, and the form to mark it."""
    with Gradebook(course / FILE) as book:
        left = waiting(book)
        if not left:
            return page("Marking", "<p>All answers are marked. You may stop the command.</p>")
        row, name = left[0]
        essay = essay_of(row["assignment"], name, folder)
        current = book.current(row["assignment"])
    attempt = next(one for one in current if one.student == row["student_id"])
    wrote = given(course, attempt, [name], folder).answers.get(name, "")
    return page(
        f"Marking: {len(left)} to go",
        prose(essay.statement),
        code(wrote),
        form_fields(token, row["notebook"], name, essay.points),
    )


def form_fields(token: str, notebook: str, name: str, points: float) -> str:
    """Return the form in which points and words are given."""
    return (
        f"<form method='post'><input type='hidden' name='token' value='{token}'>"
        f"<input type='hidden' name='notebook' value='{shown(notebook)}'>"
        f"<input type='hidden' name='essay' value='{shown(name)}'>"
        f"<p><label>Points, of {points:g}: <input name='points' type='number' min='0' "
        f"max='{points:g}' step='any' required></label></p>"
        "<p><label>What you say to the learner:<textarea name='comment' rows='5'></textarea>"
        "</label></p><p><button>Save, and the next one</button></p></form>"
    )


def save(course: Path, fields: dict[str, list[str]], folder: Path = NOTEBOOKS) -> None:
    """Write the points and words of a form.

    Raises:
        ValueError: if it doesn't speak of an answer that waits, or of points in range.
    """
    said = {name: values[0] for name, values in fields.items()}
    with Gradebook(course / FILE) as book:
        keys = (said.get("notebook"), said.get("essay"))
        rows = [row for row, name in waiting(book) if (row["notebook"], name) == keys]
        if not rows:
            raise ValueError("essay: expected one that waits to be marked, got another")
        essay = essay_of(rows[0]["assignment"], str(keys[1]), folder)
        try:
            points = float(said.get("points", ""))
        except ValueError:
            points = -1.0
        if not 0 <= points <= essay.points:
            raise ValueError(f"points: expected 0 to {essay.points:g}, got {said.get('points')!r}")
        book.mark(rows[0]["notebook"], essay.name, points, said.get("comment", "")[:10_000])


def server(course: Path, port: int = 0, folder: Path = NOTEBOOKS) -> tuple[HTTPServer, str]:
    """Return the server of the page, not running yet, and the page's address."""
    word, token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)

    class Page(BaseHTTPRequestHandler):
        """Shows the next answer; takes its marks."""

        def allowed(self) -> bool:
            """Whether the request names this machine and knows the page's word."""
            here = {f"{host}:{self.server.server_port}" for host in ("127.0.0.1", "localhost")}  # type: ignore[attr-defined]
            origin = self.headers.get("Origin")
            ours = origin is None or origin.removeprefix("http://") in here
            known = hmac.compare_digest(self.path.encode(), f"/{word}/".encode())
            return self.headers.get("Host") in here and ours and known

        def answer(self, status: int, text: str = "", **headers: str) -> None:
            """Send a page."""
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Frame-Options", "DENY")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            """Show the next answer."""
            if self.allowed():
                self.answer(200, form(course, token, folder))
            else:
                self.answer(404)

        def do_POST(self) -> None:
            """Take its marks, and go to the next."""
            length = self.headers.get("Content-Length", "")
            if not self.allowed() or not length.isdecimal() or int(length) > LARGEST_FORM:
                self.answer(404)
                return
            fields = parse_qs(self.rfile.read(int(length)).decode(errors="replace"))
            if not hmac.compare_digest(fields.get("token", [""])[0].encode(), token.encode()):
                self.answer(403)
                return
            try:
                save(course, fields, folder)
            except ValueError as error:
                self.answer(400, page("Marking", f"<p class='bad'>{shown(error)}</p>"))
                return
            self.answer(303, Location=f"/{word}/")

        def log_message(self, *_: object) -> None:
            """Say nothing: the address is a secret."""

    made = HTTPServer(("127.0.0.1", port), Page)
    return made, f"http://127.0.0.1:{made.server_port}/{word}/"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--course", metavar="DIR", type=Path, default=Path(), help="class's folder")
    parser.add_argument("--port", type=int, default=0, help="of the page (one that is free)")


def run(args: argparse.Namespace) -> tuple[int, dict[str, Any], str]:
    """Do the command; return its exit status, what --json prints, and what is said."""
    with Gradebook(args.course / FILE) as book:
        left = len(waiting(book))
    if left:
        made, address = server(args.course, args.port)
        print(f"{left} answers to mark: {address} (stop with Ctrl-C)", flush=True)
        try:
            made.serve_forever()
        except KeyboardInterrupt:
            print()
        finally:
            made.server_close()
        with Gradebook(args.course / FILE) as book:
            left = len(waiting(book))
    return int(bool(left)), {"to_mark": left}, f"{left} answers to mark"
