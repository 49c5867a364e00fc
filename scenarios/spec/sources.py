"""Numbers from the world: ``sources.toml``, each with unit, range, source, year and confidence.

A scenario writes ``"source:KEY"`` where it means such a number; ``lookup`` turns it into the unit
that the key's name asks for.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from scenarios.errors import Problem, ScenarioError
from scenarios.spec.regime import Strict

SOURCES_PATH = Path(__file__).parent.parent / "sources.toml"
PREFIX = "source:"

_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "yr": 365.25 * 86400.0}
_PER_SECOND = {f"1/{unit}": 1.0 / seconds for unit, seconds in _SECONDS.items()}


class Source(Strict):
    """One number from the world, as its source gives it."""

    value: float
    low: float
    high: float
    unit: Annotated[str, Field(min_length=1)]
    """``ms`` to ``yr``, an inverse such as ``1/yr``, or ``1`` for a pure number"""
    source: Annotated[str, Field(min_length=1)]
    url: str = ""
    year: Annotated[int, Field(ge=1900, le=2100)]
    confidence: Literal["high", "medium", "low", "assumption"]
    note: str = ""


@lru_cache(maxsize=1)
def sources() -> Mapping[str, Source]:
    """Return every source by its dotted key; raises ScenarioError naming each fault."""
    table = tomllib.loads(SOURCES_PATH.read_text(encoding="utf-8"))
    found: dict[str, Source] = {}
    problems: list[Problem] = []
    for key, row in table.items():
        try:
            found[key] = Source.model_validate(row)
        except ValidationError as exc:
            problems += [
                Problem(f"{key}.{'.'.join(map(str, e['loc']))}", repr(e["input"]), e["msg"])
                for e in exc.errors()
            ]
        else:
            if not found[key].low <= found[key].value <= found[key].high:
                problems.append(Problem(key, f"{found[key].value}", "must lie in [low, high]"))
    if problems:
        raise ScenarioError(SOURCES_PATH, problems)
    return found


def factor_to_key(unit: str, key: str) -> float | None:
    """Return what converts ``unit`` into the unit in which the name of ``key`` ends.

    ``*_s`` wants seconds, ``*_hz`` a rate per second, ``*_year`` a rate per year; anything else a
    pure number. None when the two do not go together.
    """
    if key.endswith("_s"):
        return _SECONDS.get(unit)
    if key.endswith("_hz"):
        return _PER_SECOND.get(unit)
    if key.endswith("_year"):
        per_second = _PER_SECOND.get(unit)
        return None if per_second is None else per_second * _SECONDS["yr"]
    return 1.0 if unit == "1" else None
