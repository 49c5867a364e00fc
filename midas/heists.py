"""The simulator's word on a theft of node identities that was measured: the same rule and thief."""

from typing import TYPE_CHECKING

import msgspec

from scenarios.record.estimate import Estimate

if TYPE_CHECKING:
    from loadgen.swarm.theft_report import Heist
    from scenarios.record.record import RunRecord

REPLICATIONS = 20
AGENTS_PER_THEFT = 20
"""so many that hardly two simulated thieves rob one agent, as no two measured ones do"""
HORIZON_TTLS, FOLLOWED_TTLS = 5.0, 1.5
"""length of the window, and how long before its end the last theft may be, in lifetimes"""


class Prediction(msgspec.Struct, frozen=True):
    """What the simulator says of the time from first use to the alert that is responded to."""

    median_s: Estimate
    """over all simulated thefts"""
    p90_s: Estimate
    run_median_low_s: float
    run_median_high_s: float
    """95 % of runs with as many thefts as were measured have their median between these"""
    detected_share: Estimate
    note: str


def predict(asked: "Heist") -> Prediction:
    """Simulate a heist: the same documents, rule of renewal, thieves and response."""
    from analysis.estimators import median, quantile, share, spread_of_median
    from loadgen.swarm.window import theft_window
    from simulator.simulate import simulate

    horizon_s = HORIZON_TTLS * asked.agent_ttl_s
    scenario = theft_window(asked, horizon_s)
    (agents,) = scenario.workloads
    many = agents.model_copy(update={"count": AGENTS_PER_THEFT * asked.victims})
    quick = {"workloads": (many,), "probes": 0, "series_interval_s": horizon_s}
    scenario = scenario.model_copy(update=quick)
    record = simulate(scenario, asked.seed, "fleet", REPLICATIONS)
    times, n = _times(record, horizon_s - FOLLOWED_TTLS * asked.agent_ttl_s)
    low_s, high_s = spread_of_median(times, asked.victims)
    return Prediction(
        median_s=median(times, "s"),
        p90_s=quantile(times, 0.9, "s"),
        run_median_low_s=low_s,
        run_median_high_s=high_s,
        detected_share=share(len(times), n),
        note=f"{n} simulated thefts in {REPLICATIONS} replications; calls of a simulated thief are "
        "a Poisson process of the same pace",
    )


def _times(record: "RunRecord", until_s: float) -> tuple[list[float], int]:
    """Return first use to alert of the thefts before ``until_s``, and how many those were.

    Each of them was followed to the end of what was stolen, so none is cut short.
    """
    inside = [theft for theft in record.incidents if theft.stolen_s < until_s]
    found = [
        theft.alert_s - theft.first_use_s
        for theft in inside
        if theft.alert_s is not None and theft.first_use_s is not None
    ]
    return found, len(inside)
