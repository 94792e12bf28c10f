"""Make all studies' files, or those that are named: ``python -m course_lib.studies``."""

import argparse
import sys
from collections.abc import Sequence

from course_lib.studies import kit


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
        "--confirm",
        action="store_true",
        help="train nothing: check that changed code does what it did, and note it",
    )
    args = parser.parse_args(arguments)
    names = args.names or kit.NAMES
    for name in names:
        if name not in kit.NAMES:
            parser.error(f"NAME: expected one of {', '.join(kit.NAMES)}, got {name}")
    do = confirm if args.confirm else lambda name: kit.make(name, args.again)
    return kit.told(do, names)


if __name__ == "__main__":
    sys.exit(main())
