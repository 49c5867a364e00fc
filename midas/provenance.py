"""Where results go and what machine made them."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Return the installed version of midas, ``unknown`` when it runs uninstalled."""
    try:
        return metadata.version("midas")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def results_folder(out: Path | None = None) -> Path:
    """Return where runs are kept: ``out``, else ``$MIDAS_RESULTS``, else ``results/runs``.

    The default lies in the project, so that runs are found again from any working directory. The
    folder is not made here: a command that only reads must leave nothing behind.
    """
    if out is not None:
        return out
    if chosen := os.environ.get("MIDAS_RESULTS"):
        return Path(chosen)
    base = PROJECT if (PROJECT / "pyproject.toml").is_file() else Path.cwd()
    return base / "results" / "runs"


def started_utc() -> str:
    """Return the present instant in ISO 8601 with seconds, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def machine() -> dict[str, str]:
    """Describe this machine as far as it decides how fast a run is; never who owns it."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count() or 0),
        "memory_gib": f"{_memory_bytes() / 2**30:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
