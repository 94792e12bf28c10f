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
    # Signals reach the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)
    # As nohup and a script's background have it: so it stays.
    if before is signal.SIG_IGN:
        yield asked
        return

    # The first Ctrl-C is noted; the handler that was there takes the second.
    def ask(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
