"""What an instructor does with the book's exercises: ``python -m course_lib.assignments``."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from course_lib.assignments.gradebook import FILE

PROGRAM = "python -m course_lib.assignments"
# What it is for, and examples. Each is a module of this folder, with `arguments` and `run`.
COMMANDS = {
    "release": (
        "write learners' notebooks, without solutions and hidden tests",
        "release background scaling --out class",
        "release all --out class --repository https://github.com/me/class",
    ),
    "roster": (
        "take in the list of the class, so that who is missing is known",
        "roster participants.csv --course class",
    ),
    "collect": (
        "take in folders, zip files, bulk downloads of Moodle and Canvas",
        "collect downloads/background.zip --course class",
        "collect downloads --course class --due 2027-01-31T17:00",
    ),
    "grade": (
        "grade what was collected, each submission in a sandbox of its own",
        "grade --course class",
        "grade background --course class --workers 4 --late 0.1 --grace 2",
    ),
    "mark": (
        "mark answers in words, on a page of this machine",
        "mark --course class",
    ),
    "feedback": (
        "write a page for each learner: what was asked, given, and seen by the tests",
        "feedback --course class",
    ),
    "export": (
        "write marks as a table, for a spreadsheet, Canvas, Moodle or nbgrader",
        "export csv --course class",
        "export moodle background --course class --out background.csv",
    ),
    "report": (
        "write a page on the class: marks, the hardest exercises, answers that are alike",
        "report --course class",
    ),
    "demo": (
        "make a class of 30 made-up learners, and grade it",
        "demo --out /tmp/class",
    ),
    "walls": (
        "try which walls of the sandbox stand on this machine",
        "walls",
    ),
    "check": (
        "run the tests of your own notebook on this machine",
        "check background.ipynb",
    ),
}

# These read what roster and collect have written.
READERS = ("grade", "mark", "feedback", "export", "report")
MODULES = {"check": "own_machine"}  # `check` is the function that chapters import


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=form,
        epilog="exit status: 0 if all went well, 1 if something needs your look (it is said), "
        "2 if the command could not be done",
    )
    added = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (purpose, *examples) in COMMANDS.items():
        module = import_module(f"course_lib.assignments.{MODULES.get(name, name)}")
        lines = "\n".join(f"  {PROGRAM} {example}" for example in examples)
        sub = added.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=f"examples:\n{lines}",
            formatter_class=form,
        )
        module.arguments(sub)
        sub.add_argument("--json", action="store_true", help="print JSON, for scripts")
        sub.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command; return the exit status."""
    args = parser().parse_args(arguments)
    try:
        if args.command in READERS and not (args.course / FILE).is_file():
            raise ValueError(
                f"--course: expected a class's folder, with {FILE} in it, got {args.course}; "
                "first: collect"
            )
        status, data, said = args.run(args)
    except (ValueError, OSError, RuntimeError) as error:  # the last: no sandbox can be built
        line = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            line = f"{error.filename}: {error.strerror}"
        print(f"{PROGRAM} {args.command}: {line}", file=sys.stderr)
        return 2
    print(json.dumps(data, ensure_ascii=False, indent=1) if args.json else said)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
