"""From the human form to the resolved form: every default filled in, every source named.

``load`` reads a TOML file and reports all of its faults at once; ``dump`` writes the resolved form,
which ``load_resolved`` reads back to an equal scenario.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from scenarios.errors import Problem, ScenarioError, UsageError
from scenarios.spec import consistency
from scenarios.spec.faults import did_you_mean, faults
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Scenario
from scenarios.spec.sources import PREFIX, factor_to_key, sources

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "catalog"
REGIMES = ROOT / "regimes"
MAX_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Resolved:
    """A scenario with the provenance of its numbers."""

    scenario: Scenario
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """key path → key of ``sources.toml``"""
    warnings: tuple[str, ...] = ()


def catalog() -> dict[str, Path]:
    """Return the scenarios that come with midas, by name."""
    return {path.stem: path for path in sorted(CATALOG.glob("*.toml"))}


def regime_names() -> list[str]:
    """Return the names of the regimes that come with midas."""
    return sorted(path.stem for path in REGIMES.glob("*.toml"))


def load(
    path: Path,
    *,
    agents: int | None = None,
    horizon_s: float | None = None,
    regimes: Sequence[str] | None = None,
) -> Resolved:
    """Read, resolve and check a scenario file.

    Args:
        path: a TOML file, or the name of a catalogue scenario.
        agents: scale the workloads to this many agents in all, proportions kept.
        horizon_s: replace the horizon.
        regimes: replace the list of regimes, by name: the file's own, or those of midas.

    Raises:
        ScenarioError: naming every fault of the file.
        UsageError: when an option does not fit the scenario.
    """
    path = catalog().get(str(path), path)
    human = read_toml(path)
    if not human:
        raise ScenarioError(path, [Problem("", "", "is empty, must be a scenario")])
    if regimes is not None:
        human = _choose(human, regimes)
    if horizon_s is not None:
        human["horizon_s"] = horizon_s
    resolved = resolve(human, path)
    if agents is not None:
        scaled = scale(resolved.scenario, agents)
        problems = consistency.problems(scaled)
        if problems:
            raise ScenarioError(path, problems)
        warnings = tuple(consistency.warnings(scaled))
        resolved = Resolved(scaled, resolved.sources, warnings)
    return resolved


def resolve(human: dict[str, Any], path: Path | None = None) -> Resolved:
    """Resolve a scenario given as TOML data; ``path`` names it in errors."""
    problems: list[Problem] = []
    used: dict[str, str] = {}
    expanded = _with_regimes(human, problems)
    filled = _fill(expanded, "", "", used, problems)
    try:
        scenario = Scenario.model_validate(filled)
    except ValidationError as exc:
        known = [problem.key for problem in problems]
        # what could not be filled in is missing for the validator too: not a second fault
        problems += [f for f in faults(exc) if not any(key.startswith(f.key) for key in known)]
        raise ScenarioError(path, problems) from exc
    problems += consistency.problems(scenario)
    if problems:
        raise ScenarioError(path, problems)
    return Resolved(scenario, MappingProxyType(used), tuple(consistency.warnings(scenario)))


def scale(scenario: Scenario, agents: int) -> Scenario:
    """Return the scenario with this many agents in all: largest remainder, one a class.

    Raises:
        UsageError: when there are more classes than agents.
    """
    classes = scenario.workloads
    if agents < len(classes):
        raise UsageError(
            f"agents: found {agents}, must be at least {len(classes)}, one per workload"
        )
    shares = [w.count * agents / scenario.agents for w in classes]
    counts = [max(1, math.floor(share)) for share in shares]
    by_remainder = sorted(range(len(classes)), key=lambda i: (math.floor(shares[i]) - shares[i], i))
    position = 0
    while sum(counts) != agents:
        i = by_remainder[position % len(classes)]
        step = 1 if sum(counts) < agents else -1
        if counts[i] + step >= 1:
            counts[i] += step
        position += 1
    workloads = tuple(
        w.model_copy(update={"count": n}) for w, n in zip(classes, counts, strict=True)
    )
    return scenario.model_copy(update={"workloads": workloads})


def dump(scenario: Scenario) -> dict[str, Any]:
    """Return the resolved form as plain JSON data; ``load_resolved`` is its inverse."""
    return scenario.model_dump(mode="json")


def load_resolved(data: dict[str, Any]) -> Scenario:
    """Read what ``dump`` wrote; raises ScenarioError naming every fault."""
    return resolve(data).scenario


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises ScenarioError in one line whatever is wrong with it."""
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ScenarioError(path, [Problem("", "", f"is no valid TOML: {exc}")]) from exc
    except RecursionError as exc:
        raise ScenarioError(
            path, [Problem("", "", "is nested too deeply to be a scenario")]
        ) from exc
    except ValueError as exc:
        # tomllib turns all else into TOMLDecodeError; Python refuses to read longer whole numbers
        raise ScenarioError(path, [Problem("", "", "holds a number of too many digits")]) from exc


def _read_text(path: Path) -> str:
    def fail(message: str) -> ScenarioError:
        return ScenarioError(path, [Problem("", "", message)])

    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as exc:
        raise fail(f"does not exist{did_you_mean(path.stem, catalog())}") from exc
    except IsADirectoryError as exc:
        raise fail("is a directory, must be a TOML file") from exc
    except OSError as exc:
        raise fail(f"cannot be read: {exc.strerror}") from exc
    if len(raw) > MAX_BYTES:
        raise fail(f"is larger than {MAX_BYTES // 1_000_000} MB, must be a scenario")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise fail("is UTF-16, must be UTF-8 (TOML 1.0)")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise fail(f"is not UTF-8 text (byte {exc.start}), must be a TOML file") from exc


def _choose(human: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the scenario with these regimes only, a table of its own before one of midas'.

    Raises:
        UsageError: a name that neither the scenario nor midas has.
    """
    listed = human.get("regimes")
    entries = listed if isinstance(listed, list) else []
    own = {entry["name"]: entry for entry in entries if isinstance(entry, dict) and "name" in entry}
    known = list(dict.fromkeys([*map(str, own), *regime_names()]))
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known)
            raise UsageError(f"regime: found {name!r}, must be one of {', '.join(known)}{meant}")
    chosen = {**human, "regimes": [own.get(name, name) for name in names]}
    drive = human.get("drive")
    if isinstance(drive, dict) and drive.get("regime") in _names(entries) - set(names):
        # the file is right, and what it drives was not asked for
        chosen["drive"] = {key: value for key, value in drive.items() if key != "regime"}
    return chosen


def _names(entries: Sequence[object]) -> set[object]:
    return {entry.get("name") if isinstance(entry, dict) else entry for entry in entries}


def _with_regimes(human: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Replace names in ``regimes`` by the regimes of that name."""
    named = human.get("regimes")
    if not isinstance(named, list):
        return human
    loaded: list[object] = []
    for index, entry in enumerate(named):
        if not isinstance(entry, str):
            loaded.append(entry)
        elif entry in (names := regime_names()):
            loaded.append(read_toml(REGIMES / f"{entry}.toml"))
        else:
            allowed = f"must be one of {', '.join(names)}{did_you_mean(entry, names)}"
            problems.append(Problem(f"regimes[{index}]", repr(entry), allowed))
            loaded.append(None)
    return {**human, "regimes": loaded}


def _fill(
    value: object, path: str, key: str, used: dict[str, str], problems: list[Problem]
) -> object:
    """Replace sources by their values, lists by tuples; refuse inf and nan."""
    if isinstance(value, dict):
        return {
            k: _fill(v, f"{path}.{k}" if path else k, k, used, problems) for k, v in value.items()
        }
    if isinstance(value, list):
        return tuple(_fill(v, f"{path}[{i}]", key, used, problems) for i, v in enumerate(value))
    if isinstance(value, str) and value.startswith(PREFIX):
        return _source_value(value.removeprefix(PREFIX), path, key, used, problems)
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(Problem(path, repr(value), "must be a finite number"))
    return value


def _source_value(
    name: str, path: str, key: str, used: dict[str, str], problems: list[Problem]
) -> object:
    source = sources().get(name)
    if source is None:
        allowed = f"must name a row of sources.toml{did_you_mean(name, sources())}"
        problems.append(Problem(path, repr(PREFIX + name), allowed))
        return None
    factor = factor_to_key(source.unit, key)
    if factor is None:
        problems.append(
            Problem(path, repr(PREFIX + name), f"its unit {source.unit!r} does not fit this key")
        )
        return None
    used[path] = name
    value = source.value * factor
    return int(value) if source.unit == "1" and value.is_integer() else value


def load_regime(name: str) -> Regime:
    """Return a regime that comes with midas; raises ScenarioError when its file is faulty."""
    path = REGIMES / f"{name}.toml"
    problems: list[Problem] = []
    filled = _fill(read_toml(path), "", "", {}, problems)
    if problems:
        raise ScenarioError(path, problems)
    try:
        return Regime.model_validate(filled)
    except ValidationError as exc:
        raise ScenarioError(path, faults(exc)) from exc
