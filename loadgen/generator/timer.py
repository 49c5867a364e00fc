"""A timer with microsecond resolution in gevent's loop.

libev hands whole milliseconds to epoll, which is coarser than the gaps of a busy schedule; a
timerfd is an ordinary descriptor that becomes readable at an absolute CLOCK_MONOTONIC instant.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from time import monotonic

from loadgen.generator.loop import READ, Loop

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class TimerFd:
    """Calls ``callback`` in the loop's hub at the instant last given to ``at``; one shot."""

    def __init__(self, loop: Loop, callback: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (
            ctypes.c_int,
            ctypes.c_int,
            ctypes.POINTER(_Itimerspec),
            ctypes.c_void_p,
        )
        self._fd = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec(0, 0, 0, 0)
        self._pointer = ctypes.pointer(self._spec)
        self._watcher = loop.io(self._fd, READ)
        self._watcher.start(callback)

    def at(self, monotonic_s: float) -> None:
        """Fire at this instant, at once if it has passed.

        Setting a timer also makes the descriptor unreadable again, so it is never read.
        """
        whole = int(monotonic_s)
        self._spec.value_s = whole
        # all zero would disarm it
        self._spec.value_ns = int((monotonic_s - whole) * 1e9) or 1
        self._settime(self._fd, _TFD_TIMER_ABSTIME, self._pointer, None)

    def disarm(self) -> None:
        """Do not fire until the next ``at``."""
        self._spec.value_s = self._spec.value_ns = 0
        self._settime(self._fd, _TFD_TIMER_ABSTIME, self._pointer, None)

    def close(self) -> None:
        """Give the descriptor back; safe to call twice."""
        if self._fd >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._fd)
            self._fd = -1


class LoopTimer:
    """The same on libev's own timer, for systems without timerfd."""

    def __init__(self, loop: Loop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._watcher = loop.timer(0.0)

    def at(self, monotonic_s: float) -> None:
        """Fire at this instant, at once if it has passed."""
        self._watcher.stop()
        self._watcher.close()
        self._watcher = self._loop.timer(max(0.0, monotonic_s - monotonic()))
        self._watcher.start(self._callback)

    def disarm(self) -> None:
        """Do not fire until the next ``at``."""
        self._watcher.stop()

    def close(self) -> None:
        """Stop for good; safe to call twice."""
        self._watcher.stop()
        self._watcher.close()


def precise_timer(loop: Loop, callback: Callable[[], None]) -> TimerFd | LoopTimer:
    """Return the best timer that this system has, not yet set."""
    if sys.platform == "linux":
        return TimerFd(loop, callback)
    return LoopTimer(loop, callback)
