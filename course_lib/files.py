"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folder; a file it flushes only where it may write
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def reason(error: OSError | SafetensorError) -> str:
    """Return in a few words why a file can't be written, e.g. 'No space left on device'."""
    if isinstance(error.__cause__, OSError | SafetensorError):
        return reason(error.__cause__)
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a place beside ``path`` to write to; when all is written, it takes the path's place.

    Raises:
        OSError: if it can't be written. Then nothing of it is left, and what was there stays.
    """
    part = Path(f"{path}.part")
    try:
        yield part
        flush(part)
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if not isinstance(error, OSError | SafetensorError):
            raise
        failed = OSError(
            f"{path}: it can't be written ({reason(error)}); free space there, or name another "
            "place"
        )
        failed.errno = getattr(error, "errno", None)
        raise failed from error
