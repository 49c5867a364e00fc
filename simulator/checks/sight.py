"""Detectors that see a share of the lines, late: each against a thinned Poisson process."""

from collections import Counter
from math import inf

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec.defence import Armed, Detection, Response
from scenarios.spec.regime import Regime, Renewal
from scenarios.spec.schema import Abuse, Scenario, Task, Threats
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
from simulator.simulate import Engine

HOUR_S = 3600.0
_LATE_S = 120.0
_SHARE = 0.25


def first_seen(engine: Engine) -> list[Finding]:
    """A key without end, its thief at 1/60 s, a quarter of whose lines are seen, 2 min late.

    Two origins and new permission speak at his first line that is seen: two origins because its
    owner works all the time, new permission because he asks out of need each time.
    """
    use_hz, agents, thefts, hours = 1.0 / 60.0, 6_000, 2_000, 3
    told = Armed(armed=True, sensitivity=_SHARE, delay_s=_LATE_S)
    kinds = (
        ("two origins", {"two_origins": told}, 0.02, 0.0),
        ("a permission out of need", {"new_permission": told}, scenes.RARE_HZ, 1.0),
    )
    checked = scenes.regime(inf, Renewal.NEVER)
    expected_s = theory.first_line_seen(_LATE_S, _SHARE, use_hz)
    found = []
    for place, (words, armed, owner_hz, foreign) in enumerate(kinds):
        scene = _scene(
            checked,
            agents,
            hours * HOUR_S,
            owner_hz,
            thefts,
            Abuse(
                first_use_median_s=1e-3,
                first_use_sigma=0.0,
                use_rate_hz=use_hz,
                foreign_permission_share=foreign,
            ),
            armed,
        )
        rows = _incidents(engine, scene, checked, SEED + 140 + place)
        # fifteen mean times before the end: all but one in three million are told by then
        whole = _robbed_once(rows, scene.horizon_s - 15.0 / (_SHARE * use_hz) - _LATE_S)
        alert_s = [inf if row.alert_s is None else row.alert_s for row in whole]
        found.append(
            Finding(
                f"first use to alert, {words}, a quarter of the lines seen, two minutes late",
                "s",
                np.array(alert_s) - np.array([row.stolen_s for row in whole]),
                expected_s,
                0.25 * expected_s,
                "a quarter; with every line seen theory says two minutes",
            )
        )
    return found


def superseded_seen(engine: Engine) -> list[Finding]:
    """Half the lines of owner and thief are seen; life 20 min, owner at 1/50 s, thief at 1/150 s.

    A task of no length leaves two lines at once, each with a chance of its own.
    """
    ttl_s, fraction, use_hz, owner_hz, share = 1200.0, 0.5, 1.0 / 150.0, 0.02, 0.5
    checked = scenes.regime(ttl_s, fraction=fraction)
    scene = _scene(
        checked,
        agents=12_000,
        horizon_s=4.0 * ttl_s,
        owner_hz=owner_hz,
        thefts=6_000,
        abuse=Abuse(first_use_median_s=1e-3, first_use_sigma=0.0, use_rate_hz=use_hz),
        armed={"superseded_serial": Armed(armed=True, sensitivity=share)},
    )
    rows = _incidents(engine, scene, checked, SEED + 142)
    whole = _robbed_once(rows, scene.horizon_s - ttl_s)
    seen_s = [(inf if row.alert_s is None else row.alert_s, row.expires_s or 0.0) for row in whole]
    both = 1.0 - (1.0 - share) ** 2
    return [
        Finding(
            "share of thefts that the superseded serial gives away, half the lines seen",
            "1",
            np.array([alert_s < expires_s for alert_s, expires_s in seen_s], dtype=np.float64),
            theory.superseded_detected(ttl_s, fraction, share * use_hz, both * owner_hz),
            0.06,
            "six points of a hundred; with every line seen theory says 0.97",
        )
    ]


def _scene(
    checked: Regime,
    agents: int,
    horizon_s: float,
    owner_hz: float,
    thefts: int,
    abuse: Abuse,
    armed: dict[str, Armed],
) -> Scenario:
    """Return a scenario of agents that need one permission of the two that there are."""
    detection: Detection = scenes.BLIND.model_copy(update=armed)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s,
        tasks=(Task(name="work", rate_hz=owner_hz, permissions=("a:a",)),),
        threats=Threats(injected_thefts=thefts, abuse=abuse),
        detection=detection,
    )
    (workload,) = scene.workloads
    wide = workload.model_copy(update={"granted": ("a:a", "b:b")})
    return scene.model_copy(
        update={"workloads": (wide,), "response": Response(triage_mean_s=0.0, analysts=1000)}
    )


def _incidents(engine: Engine, scene: Scenario, checked: Regime, seed: int) -> list[Incident]:
    key = seed_key(seed)
    return run(scene, checked, key, engine(scene, checked, key))[2]


def _robbed_once(rows: list[Incident], until_s: float) -> list[Incident]:
    """Return the thefts of agents with one: of two thieves of one identity only one is told."""
    times = Counter(row.agent for row in rows)
    return [row for row in rows if times[row.agent] == 1 and row.stolen_s < until_s]
