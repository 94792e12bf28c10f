"""Serve the built book, on this machine only."""

import argparse
import errno
import functools
import gzip
import io
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

TEXT = (".html", ".css", ".js", ".json", ".svg")
HOST = "127.0.0.1"


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, as pages that other sites can't reach: so a model may use threads.

    Texts come compressed, as from the hosts that a book is published on.
    """

    def send_head(self) -> BinaryIO | None:
        """Answer for a file with its head; return what follows it."""
        path = Path(self.translate_path(self.path))
        takes = "gzip" in self.headers.get("Accept-Encoding", "")
        if not (takes and path.suffix in TEXT and path.is_file()):
            return super().send_head()
        packed = gzip.compress(path.read_bytes(), compresslevel=6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        return io.BytesIO(packed)

    def end_headers(self) -> None:
        """Add the two headers to every answer."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def main() -> None:
    """Serve until Ctrl-C; say in one line why that can't be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with the book's index.html")
    parser.add_argument("--port", type=int, default=8000, help="from 1 to 65535 [%(default)s]")
    args = parser.parse_args()
    if not 1 <= args.port <= 65_535:
        sys.exit(f"make: PORT: expected 1 to 65535, got {args.port}")
    handler = functools.partial(Handler, directory=args.folder)
    try:
        server = ThreadingHTTPServer((HOST, args.port), handler)
    except OSError as error:
        reason = {
            errno.EADDRINUSE: "is in use by another program",
            errno.EACCES: "is not for ordinary users",
        }.get(error.errno, f"can't be used ({error.strerror})")
        sys.exit(f"make: port {args.port} {reason}; name another one: make serve PORT=8765")
    print(f"The book: http://{HOST}:{args.port} (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
