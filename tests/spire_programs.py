"""SPIRE for the tests that need it: found, or built once."""

import shutil

import pytest

from loadgen.targets.spire.install import Programs, install
from scenarios.errors import TargetUnavailable


def spire_programs() -> Programs:
    """Return the programs; skips only where they can be neither found nor built for want of Go."""
    try:
        return install(lambda _words: None)
    except TargetUnavailable as exc:
        if shutil.which("go") is None:
            pytest.skip(f"SPIRE is not installed and there is no Go to build it: {exc}")
        raise
