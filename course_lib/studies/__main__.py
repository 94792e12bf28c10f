"""Make all studies' files, or those that are named: ``python -m course_lib.studies``."""

import argparse
import sys
from collections.abc import Sequence

from course_lib.studies import kit


def check(name: str) -> None:
    """Say whether one study's files are what today's code makes, and what mends them if not."""
    if kit.stale(name):
        raise ValueError(kit.how_to_mend(name))
    print(f"{name}: what today's code makes", flush=True)


def confirm(name: str) -> None:
    """Confirm one study where it needs it."""
    reasons = kit.stale(name)
    if not reasons:
        print(f"{name}: nothing to confirm", flush=True)
        return
    print(f"{name}: {kit.listed(reasons)}; checking", flush=True)
    kit.confirm(name)
    print(f"{name}: gives the same; noted in {kit.MADE.name}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.studies",
        description="Make the committed weights, cards and runs, where the code that made them has "
        "changed since (hours for all). A run that was stopped goes on where it was.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(kit.NAMES)} [all]")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--again", action="store_true", help="begin anew, in any case")
    way.add_argument(
        "--check", action="store_true", help="train nothing: say what is stale, and what mends it"
    )
    way.add_argument(
        "--confirm",
        action="store_true",
        help="train a few steps only: check that changed code does what it did, and note it",
    )
    # What is asked for, of which studies.
    args = parser.parse_args(arguments)
    names = args.names or kit.NAMES
    for name in names:
        if name not in kit.NAMES:
            parser.error(f"NAME: expected one of {', '.join(kit.NAMES)}, got {name}")
    if args.check:
        return kit.told(check, names)
    if args.confirm:
        return kit.told(confirm, names)
    return kit.told(lambda name: kit.make(name, args.again), names)


if __name__ == "__main__":
    sys.exit(main())
