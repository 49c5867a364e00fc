"""What a simulation will cost, said before it starts, and which way it counts private switches."""

from collections.abc import Sequence
from math import inf
from typing import Final, Literal, NamedTuple

import numpy as np
import psutil

from scenarios.errors import UsageError
from scenarios.spec import rules
from scenarios.spec.lifetimes import holders
from scenarios.spec.regime import Regime, regime_row
from scenarios.spec.schema import Scenario, Workload
from simulator.authority import grants
from simulator.layout import Layout

POISSON_RATE_HZ: Final = 1.0
"""candidates per second and agent from which aggregation may pay"""
POISSON_SWITCHES: Final = 1e10
"""candidates of a replication from which the exact path takes minutes"""

_SECOND_PER: Final = {
    "fleet": {"switch": 8e-9, "request": 5e-7, "agent": 2e-7, "start": 2.0},
    "reference": {"switch": 1.5e-5, "request": 4e-5, "agent": 4e-5, "start": 1.0},
}
"""one core of a 2.4 GHz server; the orders of magnitude hold elsewhere"""
_BYTES_PER_SLOT: Final = {"fleet": 90.0, "reference": 4000.0}
_BASE_BYTES: Final = 3e8


class Forecast(NamedTuple):
    """What to expect of one replication of the costliest regime, and of all of them."""

    events: float
    """candidates and requests of one replication"""
    replication_s: float
    total_s: float
    peak_bytes: float


def switch_path(scenario: Scenario, regime: Regime) -> Literal["exact", "poisson"]:
    """Return how the fleet counts switches that touch nothing shared.

    ``exact`` draws each of them at its instant. ``poisson`` draws their number per hour and is
    equal in law; legal only where no switch makes a request. ``engine.switches`` of the scenario
    forces either one; ``auto`` aggregates from ``POISSON_RATE_HZ`` on, if the exact path would have
    to draw more than ``POISSON_SWITCHES``.
    """
    wanted = scenario.engine.switches
    if regime.renewal.at_use or wanted == "exact":
        return "exact"
    rate_hz = _candidates(scenario, 1.0) / scenario.agents
    many = _candidates(scenario, scenario.horizon_s) > POISSON_SWITCHES
    return "poisson" if wanted == "poisson" or (rate_hz >= POISSON_RATE_HZ and many) else "exact"


def forecast(
    scenario: Scenario, engine: str, replications: int, regimes: Sequence[str] = ()
) -> Forecast:
    """Return the expected cost of a run: orders of magnitude, for a decision beforehand.

    Args:
        scenario: the resolved form.
        engine: ``fleet`` or ``reference``.
        replications: of each regime.
        regimes: names of those to run; all when empty.
    """
    chosen = [regime for regime in scenario.regimes if not regimes or regime.name in regimes]
    costs = [_replication(scenario, regime, engine) for regime in chosen]
    worst = max(costs, key=lambda cost: cost.replication_s)
    total_s = replications * sum(cost.replication_s for cost in costs)
    return worst._replace(
        total_s=total_s + _SECOND_PER[engine]["start"],
        peak_bytes=max(cost.peak_bytes for cost in costs),
    )


def refuse_beyond_memory(expected: Forecast, available_bytes: float | None = None) -> None:
    """Raise UsageError when a run would need more memory than this machine has to give."""
    free = psutil.virtual_memory().available if available_bytes is None else available_bytes
    if expected.peak_bytes > free:
        raise UsageError(
            f"agents: needs about {expected.peak_bytes / 1e9:.1f} GB, this machine has "
            f"{free / 1e9:.1f} GB to give; fewer agents, or --yes to try"
        )


def _replication(scenario: Scenario, regime: Regime, engine: str) -> Forecast:
    cost, slots = _SECOND_PER[engine], _slots(scenario, regime)
    switches = _candidates(scenario, scenario.horizon_s)
    requests = _requests(scenario, regime)
    drawn = switches
    if engine == "fleet" and switch_path(scenario, regime) == "poisson":
        drawn = scenario.agents * (scenario.horizon_s / rules.SECONDS_PER_HOUR + 1.0) * 10.0
    spent_s = drawn * cost["switch"] + requests * cost["request"] + slots * cost["agent"]
    peak = _BASE_BYTES + slots * _BYTES_PER_SLOT[engine]
    return Forecast(switches + requests, spent_s, spent_s, peak)


def _candidates(scenario: Scenario, span_s: float) -> float:
    return span_s * sum(w.count * sum(task.rate_hz for task in w.tasks) for w in scenario.workloads)


def _slots(scenario: Scenario, regime: Regime) -> float:
    classes = Layout(scenario, regime).classes
    return float(sum(c.workload.count * c.slots for c in classes))


def _requests(scenario: Scenario, regime: Regime) -> float:
    granted = grants(scenario, regime, np.uint64(0))
    return sum(
        holders(c.workload, regime)
        * c.slots
        * scenario.horizon_s
        / _cycle_s(regime, c.workload, c.slots, g.shortest_s())
        for c, g in zip(Layout(scenario, regime).classes, granted, strict=True)
    )


def _cycle_s(regime: Regime, workload: Workload, slots: int, life_s: float) -> float:
    """Return the mean time between two issues to one slot of documents that live ``life_s``."""
    age_s = regime_row(regime)._replace(jitter=0.0).at(life_s).renewal_age(0.5, 0.5)
    if age_s == inf or not regime.renewal.at_use:
        return age_s
    rate_hz = sum(task.rate_hz for task in workload.tasks) / slots
    return age_s + (1.0 / rate_hz if rate_hz > 0.0 else inf)
