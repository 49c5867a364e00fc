"""From a scenario and a seed to a run record: pure, no wall clock in it and no files."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, Protocol, cast

import msgspec
import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.errors import UsageError
from scenarios.record import store
from scenarios.record.manifest import Manifest
from scenarios.record.parts import concatenate
from scenarios.record.record import RunRecord
from scenarios.record.tables import Count, Sample
from scenarios.spec import resolve
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Scenario
from simulator.control.run import run
from simulator.forecast import switch_path
from simulator.ignores import IGNORES
from simulator.population import Population
from simulator.restarts import restarts


class Engine(Protocol):
    """What builds a population at t = 0."""

    def __call__(
        self, scenario: Scenario, regime: Regime, seed_key: np.uint64, trace: bool = False
    ) -> Population:
        """Return a population of one regime."""
        ...


_ENGINES: Final = {
    "reference": ("simulator.reference", "ReferencePopulation"),
    "fleet": ("simulator.fleet.population", "FleetPopulation"),
}
ENGINES: Final = tuple(_ENGINES)
"""names of the engines"""

Progress = Callable[[int, int], None]
"""called with the numbers of finished and of all replications"""


def engine_named(name: str) -> Engine:
    """Return an engine, imported only now; raises UsageError for a name that is none."""
    if name not in _ENGINES:
        raise UsageError(f"engine: found {name!r}, must be one of {', '.join(_ENGINES)}")
    module, attribute = _ENGINES[name]
    return cast("Engine", getattr(import_module(module), attribute))


def simulate(
    scenario: Scenario,
    seed: int,
    engine: str = "reference",
    replications: int = 8,
    regimes: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> RunRecord:
    """Simulate a scenario under each of its regimes and return the record.

    Equal arguments give equal records. The manifest's wall times, machine and sources are the
    caller's to fill.

    Args:
        scenario: the resolved form.
        seed: any integer.
        engine: one of ``ENGINES``.
        replications: of each regime, at least 1.
        regimes: names of those to run, in this order; all of the scenario's when empty.
        on_progress: called after each replication.

    Raises:
        UsageError: an unknown engine or regime, or no replication.
    """
    manifest = plan(scenario, seed, engine, replications, regimes)
    total = len(manifest.regimes) * replications
    parts = []
    for name in manifest.regimes:
        for replication in range(replications):
            parts.append(replicate(scenario, manifest, name, replication))
            if on_progress is not None:
                on_progress(len(parts), total)
    return concatenate(manifest, parts)


def plan(
    scenario: Scenario, seed: int, engine: str, replications: int, regimes: Sequence[str] = ()
) -> Manifest:
    """Return the manifest of a run that has not begun; its ``run_id`` tells whether it exists.

    Raises:
        UsageError: as ``simulate``.
    """
    if replications < 1:
        raise UsageError(f"replications: found {replications}, must be at least 1")
    if engine not in _ENGINES:
        raise UsageError(f"engine: found {engine!r}, must be one of {', '.join(_ENGINES)}")
    known = [regime.name for regime in scenario.regimes]
    for name in regimes:
        if name not in known:
            raise UsageError(f"regime: found {name!r}, must be one of {', '.join(known)}")
    chosen = list(dict.fromkeys(regimes)) or known
    resolved = resolve.dump(scenario)
    code = store.code_hash()
    return Manifest(
        run_id=store.simulated_run_id(resolved, engine, [seed, replications], chosen, code),
        world="simulated",
        engine=engine,
        scenario=resolved,
        sources={},
        seed=seed,
        replications=replications,
        regimes=chosen,
        code_hash=code,
        started_utc="",
        wall_s=0.0,
        machine={},
        not_observable=dict(NOT_OBSERVABLE)
        | ({} if restarts(scenario) else dict.fromkeys(_OF_RESTARTS, "no agent restarts")),
        ignored=dict(IGNORES),
        notes=[
            f"{regime.name}: private switches counted in bulk by Poisson draws, equal in law"
            for regime in scenario.regimes
            if engine == "fleet"
            and regime.name in chosen
            and switch_path(scenario, regime) == "poisson"
        ],
    )


_OF_RESTARTS: Final = ("counts.first_credential_wait_s", "counts.first_credential_p99_s")
NOT_OBSERVABLE: Final = {
    "operations": "the simulated issuer answers without a network: latency is measured by drive",
    "incidents.expected": "a simulated theft is designed by nobody, so nothing is expected of it",
}
"""table.column → why the simulator cannot know it"""


def replicate(
    scenario: Scenario, manifest: Manifest, regime: str, replication: int, point: str = ""
) -> RunRecord:
    """Run one regime in one replication and return its rows: the piece that can be resumed.

    Args:
        scenario: the resolved form.
        manifest: from ``plan``; gives engine and seed.
        regime: name of the regime.
        replication: its number; the same number in another regime sees the same draws.
        point: which point of a sweep this is.
    """
    (chosen,) = (candidate for candidate in scenario.regimes if candidate.name == regime)
    key = seed_key(manifest.seed, replication)
    population = engine_named(manifest.engine)(scenario, chosen, key)
    counts, series, incidents, alerts = run(scenario, chosen, key, population)
    at = (point, regime, replication)
    place = {"point": point, "replication": replication}
    return RunRecord(
        manifest,
        counts=[Count(*at, name, value) for name, value in counts.items()],
        series=[Sample(*at, t_s, name, value) for t_s, name, value in series],
        incidents=[msgspec.structs.replace(row, **place) for row in incidents],
        alerts=[msgspec.structs.replace(row, **place) for row in alerts],
    )
