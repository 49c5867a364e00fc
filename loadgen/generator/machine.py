"""What this machine is, as far as clocks and results depend on it."""

import contextlib
import ctypes
import platform
from importlib.metadata import version

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""of mallopt(3)"""
_KEPT_BYTES = 1 << 28


def keep_freed_memory() -> None:
    """Have the C library keep what is freed, instead of giving it back and faulting it in again.

    A merge allocates and frees some hundred kilobytes; page faults were most of what it cost. Does
    nothing where the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)


def versions() -> dict[str, str]:
    """Return the versions of what the measurement rests on."""
    names = ("locust", "gevent", "httptools", "hdrhistogram")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
