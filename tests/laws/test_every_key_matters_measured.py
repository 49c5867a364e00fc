"""Every key of a scenario changes a measured run, or is listed with the reason why it does not.

What a measured run does is decided before it starts, so the plan stands for the run.
"""

from pathlib import Path
from typing import Any

import pytest

from loadgen.drive import plans_of
from loadgen.ignores import IGNORES, unused
from loadgen.personas.stage import Stage
from loadgen.plan import needed_capabilities
from loadgen.shapes import SCENARIO_SHAPE
from loadgen.thefts import cast, parse_attacks
from scenarios.detection.suite import detectors
from scenarios.errors import ScenarioError, UsageError
from scenarios.spec import resolve
from scenarios.spec.schema import Scenario
from tests.laws.test_every_key_matters import BASE, consistent_tenants, key_of, leaves, others

ONLY_CHOICE = {"schema_version", "faults.kind"}
DRIVE = {"rate_hz": 5.0, "seconds": 30.0, "regime": "per-task", "override": {"ttl_s": 60.0}}
BUSY = 40.0
"""factor on the task rates, so that a short window of few agents holds enough"""


def busy() -> dict[str, Any]:
    workloads = [
        w | {"tasks": [t | {"rate_hz": t["rate_hz"] * BUSY} for t in w["tasks"]]}
        for w in BASE["workloads"]
    ]
    return BASE | {"workloads": workloads}


PLAIN = resolve.dump(resolve.resolve(busy()).scenario)
DRIVEN = resolve.dump(resolve.resolve(busy() | {"drive": DRIVE}).scenario)
KEYS = sorted({key_of(path) for path in leaves(DRIVEN)})
REGIMES = [regime["name"] for regime in PLAIN["regimes"]]


def run(scenario: Scenario, regime: str | None) -> tuple[object, ...]:
    """Return what decides a measured run."""
    names = None if regime is None else [regime]
    (one,) = plans_of(scenario, 3, names, None, None, None, SCENARIO_SHAPE)
    armed = detectors(one.scenario, one.regime, measured=True)
    thefts, notes = cast(
        Stage(one, frozenset(d.name for d in armed), "127.0.0.1"), parse_attacks(())
    )
    demand = [getattr(one.demand, name).tolist() for name in ("t_s", "agent", "task", "op")]
    return (
        one.regime.name,
        one.identities,
        one.ttl_s,
        one.task_scope,
        one.seconds,
        needed_capabilities(one.scenario),
        demand,
        one.prologue.t_s.tolist(),
        [(theft.persona, theft.mark) for theft in thefts],
        notes,
        [(d.name, vars(d)) for d in armed],
        one.scenario.detection.delivery_s,
    )


def ignored(key: str) -> bool:
    return any(key == entry or key.startswith(f"{entry}.") for entry in IGNORES)


def variants(key: str) -> list[tuple[dict[str, Any], Scenario, str | None]]:
    """Return (base, changed scenario, regime to drive) for each way to change a key."""
    base = DRIVEN if key.startswith("drive") else PLAIN
    found = []
    for path in (path for path in leaves(base) if key_of(path) == key):
        value: Any = base
        for part in path:
            value = value[part]
        choices = [5.0] if key == "start.hour_of_day" else others(key, value)
        for other in choices:
            try:
                scenario = resolve.load_resolved(changed_in(base, path, other))
            except ScenarioError:
                continue
            for index, regime in enumerate(scenario.regimes):
                if path[0] == "regimes" and path[1] != index:
                    continue
                found.append((base, scenario, None if base is DRIVEN else regime.name))
    return found


def changed_in(base: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    copy = resolve.dump(resolve.load_resolved(base))
    place: Any = copy
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    consistent_tenants(copy, path)
    return copy


@pytest.fixture(scope="module")
def bases() -> dict[str | None, tuple[object, ...]]:
    plain = resolve.load_resolved(PLAIN)
    found: dict[str | None, tuple[object, ...]] = {name: run(plain, name) for name in REGIMES}
    found[None] = run(resolve.load_resolved(DRIVEN), None)
    return found


@pytest.mark.parametrize("key", [key for key in KEYS if not ignored(key)])
def test_a_key_changes_what_a_measured_run_does(
    key: str, bases: dict[str | None, tuple[object, ...]]
) -> None:
    tried = 0
    for _, scenario, regime in variants(key):
        tried += 1
        try:
            if run(scenario, regime) != bases.get(regime):
                return
        except UsageError:
            return
    pytest.fail(f"{key}: {tried} changed scenarios gave the same run")


@pytest.mark.parametrize("entry", sorted(IGNORES))
def test_an_ignored_key_exists(entry: str) -> None:
    assert any(key == entry or key.startswith(f"{entry}.") for key in KEYS)


@pytest.mark.parametrize("key", [key for key in KEYS if ignored(key) and key not in ONLY_CHOICE])
def test_an_ignored_key_is_ignored(key: str, bases: dict[str | None, tuple[object, ...]]) -> None:
    found = variants(key)
    assert found
    _, scenario, regime = found[0]
    assert run(scenario, regime) == bases[regime]


def test_only_what_a_scenario_says_and_a_measured_run_leaves_out_is_told() -> None:
    plain = unused(resolve.resolve(BASE | {"tenants": []}).scenario)
    assert set(plain) <= set(IGNORES)
    assert not {"title", "question", "horizon_s", "engine"} & set(plain)
    assert "federation" not in unused(resolve.load(Path("customer-service")).scenario)
    assert "federation" in unused(resolve.load(Path("federation-stale-bundle")).scenario)
    assert "workloads.tasks.duration_s" in unused(resolve.load(Path("customer-service")).scenario)
