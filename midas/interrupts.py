"""SIGINT and SIGTERM end a command the same way: once, in order, with nothing left behind."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 3.0
"""a signal repeated within this time is the same wish (a shell signals the whole group, a
supervisor signals again); one that comes later will not wait for the clean-up any longer"""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM inside the block into KeyboardInterrupt.

    Later ones are ignored for ``PATIENCE_S`` while the command cleans up; then they end the process
    at once, which its children notice by themselves. A hook catches the interrupt that Python would
    swallow because it fell into a finaliser. Outside the main thread the block changes nothing.
    """
    first_s: float | None = None

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal first_s
        now_s = time.monotonic()
        if first_s is None:
            first_s = now_s
            raise KeyboardInterrupt
        if now_s - first_s > PATIENCE_S:
            os._exit(130)

    def swallowed(unraisable: "sys.UnraisableHookArgs") -> None:
        nonlocal first_s
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            first_s = None
            signal.raise_signal(signal.SIGINT)
        else:
            hook(unraisable)

    try:
        before = [signal.signal(number, interrupt) for number in SIGNALS]
    except ValueError:  # not the main thread
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def default_signals() -> None:
    """Let the kernel end this process at the next SIGINT or SIGTERM, without Python's help."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
