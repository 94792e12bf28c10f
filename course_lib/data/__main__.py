"""``python -m course_lib.data``: list the corpora, fetch one or all, verify what is here."""

import argparse
import os
import sys

from course_lib.data.archives import DataError, archive_path, fetch, is_whole
from course_lib.data.sources import CORPORA


def main() -> int:
    """List, fetch or verify corpora; return the exit code."""
    # What may be asked.
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.data", description="The course's corpora."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="what there is, its size and license, and if it is here")
    getting = commands.add_parser("fetch", help="download what isn't here yet")
    getting.add_argument("name", choices=[*CORPORA, "all"])
    commands.add_parser("verify", help="check what is here against its SHA-256")
    args = parser.parse_args()
    # Fetch: stop at the first that can't be had.
    if args.command == "fetch":
        names = list(CORPORA) if args.name == "all" else [args.name]
        for name in names:
            try:
                print(f"{name}: {fetch(name)}", flush=True)
            except DataError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return 1
        return 0
    # List, or verify: one line for each.
    wrong = 0
    for name, corpus in CORPORA.items():
        try:
            state = "here" if os.path.isfile(archive_path(name)) else "not here"
            if args.command == "verify" and state == "here":
                state = "good" if is_whole(name) else "damaged"
        except DataError as error:
            print(error, file=sys.stderr)
            return 1
        if state == "damaged":
            wrong += 1
            state = f"damaged: delete {archive_path(name)} and fetch again"
        about = f"{corpus.about} ({corpus.license})"
        print(f"{name:17}{corpus.megabytes:5.1f} MB  {state:9} {about}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; what is whole is kept, and the same command goes on behind it")
