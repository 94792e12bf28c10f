"""Ctrl-C waits for the step that is being taken, so that nothing is left half done.

Used by ``course_lib.training``.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def after_the_step() -> Iterator[list[int]]:
    """Let Ctrl-C fill a list instead of breaking into a step; a second one breaks in.

    Where Ctrl-C is ignored, it stays so.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals reach the main thread only
        return
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield asked  # as nohup and a script's background have it
        return

    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
