"""What this machine is, as far as clocks and results depend on it."""

import platform
from importlib.metadata import version
from pathlib import Path


def boot_id() -> str:
    """Return what identifies this boot of this kernel, empty where the system does not tell.

    Two processes with the same id read the same CLOCK_MONOTONIC.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def versions() -> dict[str, str]:
    """Return the versions of what the measurement rests on."""
    names = ("locust", "gevent", "httptools", "hdrhistogram")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
