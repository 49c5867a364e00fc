"""Agents that restart: how long they wait, how often they are issued documents, and how old."""

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.rules import SECONDS_PER_DAY
from scenarios.spec.schema import Issuer, Scenario
from simulator import restart_theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.population import EventKind, Population
from simulator.restarts import FIRST_WAIT_BIN_S
from simulator.simulate import Engine

_TTL_S, _FRACTION, _RESTART_HZ = 1200.0, 0.5, 1.0 / 500.0


def first_credential(engine: Engine) -> list[Finding]:
    """Entries reloaded every 5 s, agents that sync every 5 s, an issuer that takes no time."""
    reload_s = sync_s = 5.0
    shares, means_s = [], []
    for n in range(26):
        population = _churning(engine, 400, 1500.0, SEED + 120, n, reload_s, sync_s)
        counters, waits = population.counters(), population.first_waits()
        within = int(restart_theory.entry_quantile(0.9, reload_s, sync_s) / FIRST_WAIT_BIN_S)
        shares.append(waits[:within].sum() / counters.first_credentials)
        means_s.append(counters.first_credential_wait_s / counters.first_credentials)
    return [
        Finding(
            "time from a restart to the first credential, reload and sync every 5 s, mean",
            "s",
            np.array(means_s),
            (reload_s + sync_s) / 2.0,
            0.15,
            "3 % of it",
        ),
        Finding(
            "share of restarts whose first credential is there within nine tenths' time",
            "1",
            np.array(shares),
            restart_theory.entry_share(
                int(restart_theory.entry_quantile(0.9, reload_s, sync_s) / FIRST_WAIT_BIN_S)
                * FIRST_WAIT_BIN_S,
                reload_s,
                sync_s,
            ),
            0.02,
            "two points of a hundred",
        ),
    ]


def churn(engine: Engine) -> list[Finding]:
    """A restart every 500 s, renewal at an age of 600 s: issues and ages after two lives."""
    agents, warm_s, to_s = 4_000, 2.0 * _TTL_S, 5.0 * _TTL_S
    population = _churning(engine, agents, to_s, SEED + 125, 0, 0.0, 0.0)
    trace = population.trace()
    counted = (trace["kind"] == EventKind.ISSUED) & (trace["t_s"] >= warm_s)
    issued = np.bincount(trace["agent"][counted], minlength=agents).astype(np.float64)
    held = (population.read(agent) for agent in range(agents))
    residual_s = np.array([views[0].expires_s - to_s for views in held if views])
    age_s = _FRACTION * _TTL_S
    expected = (to_s - warm_s) / restart_theory.restarted_cycle(age_s, _RESTART_HZ)
    return [
        Finding(
            "documents of an agent in an hour that restarts every 500 s and renews every 600 s",
            "1",
            issued,
            expected,
            0.05 * expected,
            "5 %; without the restarts it would be 42 % less",
        ),
        Finding(
            "residual validity of what such an agent holds",
            "s",
            residual_s,
            _TTL_S - restart_theory.restarted_age(age_s, _RESTART_HZ),
            0.03 * _TTL_S,
            "3 % of the lifetime; without the restarts it would be 5 % less",
        ),
    ]


def _churning(
    engine: Engine,
    agents: int,
    to_s: float,
    seed: int,
    replication: int,
    entry_reload_s: float,
    agent_sync_s: float,
) -> Population:
    checked = scenes.regime(_TTL_S, fraction=_FRACTION)
    issuer = Issuer(
        servers=64,
        service_time_s=scenes.INSTANT_S,
        entry_reload_s=entry_reload_s,
        agent_sync_s=agent_sync_s,
    )
    scene: Scenario = scenes.scenario(checked, agents, to_s, issuer=issuer)
    (workload,) = scene.workloads
    often = {"restarts_per_agent_day": _RESTART_HZ * SECONDS_PER_DAY}
    scene = scene.model_copy(update={"workloads": (workload.model_copy(update=often),)})
    population = engine(scene, checked, seed_key(seed, replication), trace=True)
    population.advance(to_s)
    return population
