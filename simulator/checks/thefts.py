"""The control plane: what becomes of thefts, and what regimes share."""

from math import inf

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec.defence import OFF
from scenarios.spec.regime import Regime, Renewal
from scenarios.spec.schema import (
    Abuse,
    Detection,
    Foothold,
    Leak,
    NodeAgent,
    Scenario,
    Task,
    Threats,
)
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
from simulator.simulate import Engine

HOUR_S = 3600.0


def _incidents(
    engine: Engine, scene: Scenario, checked: Regime, seed: int, replication: int = 0
) -> list[Incident]:
    key = seed_key(seed, replication)
    return run(scene, checked, key, engine(scene, checked, key))[2]


def notice(engine: Engine) -> list[Finding]:
    """An exponential detector of rate 1/h against expiry at a life of an hour."""
    ttl_s, fraction, mean_s, thefts = HOUR_S, 0.5, HOUR_S, 16_000
    checked = scenes.regime(ttl_s, fraction=fraction)
    scene = scenes.scenario(
        checked,
        agents=8_000,
        horizon_s=3.0 * ttl_s,
        threats=Threats(injected_thefts=thefts),
        detection=scenes.BLIND.model_copy(update={"external_notice_mean_s": mean_s}),
    )
    rows = _incidents(engine, scene, checked, SEED + 60)
    whole = [row for row in rows if row.stolen_s < scene.horizon_s - ttl_s]
    expires_s = np.array([row.expires_s for row in whole], dtype=np.float64)
    stolen_s = np.array([row.stolen_s for row in whole])
    alert_s = np.array([inf if row.alert_s is None else row.alert_s for row in whole])
    return [
        Finding(
            "share of thefts noticed before expiry, exponential detector of rate 1/h, life 1 h",
            "1",
            (alert_s < expires_s).astype(np.float64),
            theory.detected_before_expiry(ttl_s, fraction, 1.0 / mean_s),
            0.04,
            "four points of a hundred",
        ),
        Finding(
            "time from theft to notice or expiry",
            "s",
            np.minimum(alert_s, expires_s) - stolen_s,
            theory.exposure(ttl_s, fraction, 1.0 / mean_s),
            0.05 * theory.exposure(ttl_s, fraction, 1.0 / mean_s),
            "5 %",
        ),
    ]


def superseded(engine: Engine) -> list[Finding]:
    """The superseded-serial detector alone; thief at 1/300 s, owner at 1/100 s, life 10 min."""
    ttl_s, fraction, use_hz, owner_hz, groups = 600.0, 0.5, 1.0 / 300.0, 0.01, 8
    checked = scenes.regime(ttl_s, fraction=fraction)
    scene = scenes.scenario(
        checked,
        agents=1_000,
        horizon_s=1_600.0,
        tasks=(Task(name="work", rate_hz=owner_hz, permissions=("a:a",)),),
        threats=Threats(
            injected_thefts=800,
            abuse=Abuse(first_use_median_s=1e-3, first_use_sigma=0.0, use_rate_hz=use_hz),
        ),
        detection=Detection(two_origins=OFF, new_permission=OFF, delivery_s=0.0),
    )
    detected = []
    for n in range(groups):
        robbed = set()
        for row in sorted(
            _incidents(engine, scene, checked, SEED + 70, n), key=lambda row: row.stolen_s
        ):
            if row.agent not in robbed and row.stolen_s < scene.horizon_s - ttl_s:
                seen_s, expires_s = row.alert_s, row.expires_s
                detected.append(seen_s is not None and expires_s is not None and seen_s < expires_s)
            robbed.add(row.agent)
    return [
        Finding(
            "share of thefts that the superseded serial gives away before expiry",
            "1",
            np.array(detected, dtype=np.float64),
            theory.superseded_detected(ttl_s, fraction, use_hz, owner_hz),
            0.08,
            "eight points of a hundred; without the owner's delay theory says 0.63",
        )
    ]


def foothold(engine: Engine) -> list[Finding]:
    """A thief inside the workload keeps access until evicted, and then for one residual life."""
    ttl_s, fraction, eviction_s = HOUR_S, 0.5, 600.0
    checked = scenes.regime(ttl_s, fraction=fraction)
    scene = scenes.scenario(
        checked,
        agents=8_000,
        horizon_s=6.0 * ttl_s,
        threats=Threats(
            foothold=Foothold(eviction_mean_s=eviction_s),
            injected_footholds=8_000,
            abuse=Abuse(use_rate_hz=1e-4),
        ),
    )
    rows = _incidents(engine, scene, checked, SEED + 80)
    access_s = [
        row.evicted_s - row.stolen_s
        for row in rows
        if row.evicted_s is not None and row.stolen_s < scene.horizon_s - 4.0 * ttl_s
    ]
    expected_s = eviction_s + theory.residual_validity(
        ttl_s, theory.uniform_age(ttl_s, fraction, 0.0)
    )
    return [
        Finding(
            "access of a foothold: eviction, then the residual life of the last document",
            "s",
            np.array(access_s),
            expected_s,
            0.04 * expected_s,
            "4 %",
        )
    ]


def agent_key(engine: Engine) -> list[Finding]:
    """The key of a node's agent gives access until it is banned, and then for one whole life."""
    ttl_s, ban_s = HOUR_S, 600.0
    checked = scenes.regime(ttl_s)
    scene = scenes.scenario(
        checked,
        agents=2_000,
        horizon_s=6.0 * ttl_s,
        threats=Threats(
            node_agent=NodeAgent(ban_mean_s=ban_s),
            injected_agent_keys=2_500,
            abuse=Abuse(use_rate_hz=1e-4),
        ),
    )
    rows = _incidents(engine, scene, checked, SEED + 85)
    access_s = [
        row.evicted_s - row.stolen_s
        for row in rows
        if row.evicted_s is not None and row.stolen_s < scene.horizon_s - 4.0 * ttl_s
    ]
    return [
        Finding(
            "access with a node agent's key: ban, then the life of a document signed just before",
            "s",
            np.array(access_s),
            ban_s + ttl_s,
            0.05 * (ban_s + ttl_s),
            "5 %; with the residual life of a document held it were 20 % less",
        )
    ]


def open_at_start(engine: Engine) -> list[Finding]:
    """Leaks open at t = 0: M/G/∞ in its stationary state."""
    agents, mean_s, groups = 200, 30 * 86_400.0, 150
    checked = scenes.regime(inf, Renewal.NEVER)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s=60.0,
        threats=Threats(leak=Leak(rate_per_secret_year=2.0)),
        detection=scenes.BLIND.model_copy(update={"external_notice_mean_s": mean_s}),
    )
    open_, age_s = [], []
    for n in range(groups):
        rows = [r for r in _incidents(engine, scene, checked, SEED + 90, n) if r.stolen_s < 0]
        open_.append(float(len(rows)))
        age_s += [-row.stolen_s for row in rows]
    expected = 2.0 / (365.25 * 86_400.0) * agents * mean_s
    return [
        Finding(
            "leaks of keys without end that are open at the start (M/G/∞), mean number",
            "1",
            np.array(open_),
            expected,
            0.12 * expected,
            "12 %",
        ),
        Finding(
            "age of a leak that is open at the start",
            "d",
            np.array(age_s) / 86_400.0,
            mean_s / 86_400.0,
            0.12 * mean_s / 86_400.0,
            "12 %",
        ),
    ]


def noticed_after_start(engine: Engine) -> list[Finding]:
    """Leaks open at t = 0 are noticed as late from then on as others from the theft on."""
    agents, mean_s, groups = 100, HOUR_S, 80
    checked = scenes.regime(inf, Renewal.NEVER)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s=12.0 * mean_s,
        threats=Threats(leak=Leak(rate_per_secret_year=2_000.0), abuse=Abuse(use_rate_hz=1e-9)),
        detection=scenes.BLIND.model_copy(update={"external_notice_mean_s": mean_s}),
    )
    notice_s = []
    for n in range(groups):
        rows = [r for r in _incidents(engine, scene, checked, SEED + 95, n) if r.stolen_s < 0]
        notice_s += [row.alert_s for row in rows if row.alert_s is not None]
    return [
        Finding(
            "time from the start until a leak that is open then is noticed: memoryless",
            "s",
            np.array(notice_s),
            mean_s,
            0.25 * mean_s,
            "a quarter; counted from the theft on it were half",
        )
    ]


def common_random_numbers(engine: Engine) -> list[Finding]:
    """A regime that leaks half as often suffers a subset of the other's thefts, to the instant."""
    often, rarely = scenes.regime(HOUR_S), scenes.regime(HOUR_S, Renewal.FRACTION_POLLED)
    rarely = rarely.model_copy(update={"leak_ratio": 0.5})
    stolen = []
    for checked in (often, rarely):
        scene = scenes.scenario(
            checked,
            agents=200,
            horizon_s=4.0 * HOUR_S,
            threats=Threats(leak=Leak(rate_per_secret_year=20_000.0)),
        )
        rows = _incidents(engine, scene, checked, SEED + 100)
        stolen.append({(row.stolen_s, row.agent) for row in rows if row.stolen_s >= 0.0})
    return [
        Finding(
            "thefts under half the leak ratio that happen at the same instant to the same agent "
            "under the full one",
            "1",
            np.array([float(theft in stolen[0]) for theft in stolen[1]]),
            1.0,
            0.0,
            "none: common random numbers are exact",
        ),
        Finding(
            "share of leak candidates that half the leak ratio accepts",
            "1",
            np.array([float(theft in stolen[1]) for theft in stolen[0]]),
            0.5,
            0.1,
            "ten points of a hundred",
        ),
    ]
