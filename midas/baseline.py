"""A benchmark held against a stored one: of the same machine, or not at all.

A ratio of two tools on one machine depends on its processor, the number of its cores and the Python
that both run in; memory and kernel release move it by less than two sessions differ, so they are
kept in the file and not compared.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from scenarios.errors import UsageError

DECISIVE: Final = ("cpu", "cores", "python")
WORSE: Final = 0.9
"""a ratio is worse than the stored one when its whole interval lies below this share of it"""


class Interval(Protocol):
    """A ratio as every bench returns it."""

    @property
    def value(self) -> float:
        """Return the median of the rounds."""
        ...

    @property
    def low(self) -> float:
        """Return the lowest of the rounds."""
        ...

    @property
    def high(self) -> float:
        """Return the highest of the rounds."""
        ...


class Stored(msgspec.Struct, frozen=True):
    """A ratio of a stored bench, or of one bench to another."""

    value: float
    low: float
    high: float


class Baseline(msgspec.Struct, frozen=True):
    """What ``midas bench engines --json`` once printed, as far as it is compared."""

    machine: dict[str, str]
    ratios: dict[str, Stored]
    agents: int


class Comparison(msgspec.Struct, frozen=True):
    """Every ratio over that of the baseline, its ends from the extremes of both."""

    changes: dict[str, Stored]
    worse: list[str]


def read(path: Path) -> Baseline:
    """Return a stored bench; raises UsageError where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as exc:
        raise UsageError(f"baseline: {path}: {exc.strerror or exc}") from exc
    except msgspec.MsgspecError as exc:
        raise UsageError(
            f"baseline: {path}: not what `midas bench engines --json` prints: {exc}"
        ) from exc


def refuse_unlike(stored: Baseline, machine: Mapping[str, str], agents: int) -> None:
    """Raise UsageError when a bench of ``agents`` here says nothing about a stored one."""
    there = {
        **{key: stored.machine.get(key, "unknown") for key in DECISIVE},
        "agents": stored.agents,
    }
    here = {**{key: machine[key] for key in DECISIVE}, "agents": agents}
    there["python"], here["python"] = _minor(str(there["python"])), _minor(str(here["python"]))
    if unlike := [key for key in here if here[key] != there[key]]:
        found = ", ".join(f"{key} {there[key]}" for key in unlike)
        wanted = ", ".join(f"{key} {here[key]}" for key in unlike)
        raise UsageError(f"baseline: measured with {found}; this is {wanted}: not comparable")


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def compare(stored: Baseline, ratios: Mapping[str, Interval]) -> Comparison:
    """Return what became of the ratios that both benches have."""
    changes = {
        name: Stored(new.value / old.value, new.low / old.high, new.high / old.low)
        for name, old in stored.ratios.items()
        if (new := ratios.get(name)) is not None
    }
    worse = [name for name, change in changes.items() if change.high < WORSE]
    return Comparison(changes, worse)
