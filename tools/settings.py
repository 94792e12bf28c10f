"""The command line of the scripts that train a committed model in one run."""

import argparse
from pathlib import Path


def from_command_line(description: str, name: str, steps: int) -> argparse.Namespace:
    """Return ``steps`` and the folder ``checkpoint``, from which a run that was stopped goes on."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, default=steps, help="length [%(default)s]")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path("_build") / name,
        help="a folder for checkpoints; a run that was stopped goes on from there [%(default)s]",
    )
    return parser.parse_args()
