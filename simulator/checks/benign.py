"""False alarms of harmless events."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import seed_key
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Benign, Detection, Response, Task
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
from simulator.simulate import Engine

_TTL_S: Final = 1200.0
_FRACTION: Final = 0.5
_OWNER_HZ: Final = 0.005
_LATE_S: Final = 400.0


def false_alarms(engine: Engine) -> list[Finding]:
    """Share of each kind of harmless event that raises an alert; life 20 min, owner at 1/200 s.

    Alerts of the last two of 3½ lifetimes count: by then the log knows the documents, and what
    alerts has happened less than a lifetime before. An agent meets 0.2 events in a lifetime, so
    that hardly two are told by the same use.
    """
    agents, per_life = 16_000, 0.2
    per_year = per_life / _TTL_S * SECONDS_PER_YEAR
    kinds = (
        (
            "an agent goes on at another address: its document is seen from both",
            Benign(reschedules_per_agent_year=per_year),
            theory.moved_alert(_FRACTION * _TTL_S, _OWNER_HZ),
        ),
        (
            "a late reload, 400 s on average: the old document is seen after the new one",
            Benign(late_reloads_per_agent_year=per_year, late_reload_mean_s=_LATE_S),
            theory.late_reload_alert(_TTL_S, _FRACTION, _OWNER_HZ, _LATE_S),
        ),
        (
            "a deployment uses a permission that nobody declared",
            Benign(new_edges_per_agent_year=per_year),
            1.0,
        ),
    )
    return [
        Finding(
            f"alerts ÷ events, {words}",
            "1",
            _alerts(engine, benign, agents, SEED + 110 + place) / (2.0 * per_life),
            expected,
            0.10,
            "ten points of a hundred",
        )
        for place, (words, benign, expected) in enumerate(kinds)
    ]


def _alerts(engine: Engine, benign: Benign, agents: int, seed: int) -> NDArray[np.float64]:
    """Return the alerts of each agent in the last two lifetimes."""
    checked = scenes.regime(_TTL_S, fraction=_FRACTION)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s=3.5 * _TTL_S,
        tasks=(Task(name="work", rate_hz=_OWNER_HZ, permissions=("a:a",)),),
        detection=Detection(delivery_s=0.0),
    ).model_copy(update={"benign": benign, "response": Response(triage_mean_s=0.0)})
    key = seed_key(seed)
    alerts = run(scene, checked, key, engine(scene, checked, key))[3]
    late = [alert for alert in alerts if alert.t_s >= 1.5 * _TTL_S]
    numbers = [int(alert.identity.rsplit("/", 1)[1]) for alert in late]
    return np.bincount(numbers, minlength=agents).astype(np.float64)
