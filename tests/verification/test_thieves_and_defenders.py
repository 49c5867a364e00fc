"""The stated answers of the catalogue's scenarios about thieves and defenders, on intervals.

Scaled down, so that they take seconds; what is asserted is the shape of each stated answer.
"""

from typing import Any

from analysis import estimators
from analysis.summary import Summary, summarise
from scenarios.record.estimate import Estimate
from scenarios.spec import resolve
from scenarios.spec.schema import Scenario
from simulator.simulate import simulate


def scenario(name: str, **changes: Any) -> Scenario:  # noqa: ANN401
    found = resolve.load(resolve.catalog()[name]).scenario
    return found.model_copy(update={"probes": 0} | changes)


def ends(of: Estimate) -> tuple[float, float]:
    assert of.low is not None
    assert of.high is not None
    return of.low, of.high


def metric(summary: Summary, regime: str, name: str) -> tuple[float, float]:
    return ends(summary.regimes[regime].metrics[name])


def test_on_an_ordinary_day_alerts_are_false_and_answering_them_breaks_healthy_agents() -> None:
    asked = scenario("false-alarms")
    (workload,) = asked.workloads
    fewer = asked.model_copy(
        update={"workloads": (workload.model_copy(update={"count": 300}),), "horizon_s": 86400.0}
    )
    found = summarise(simulate(fewer, 7, "fleet", replications=6))
    for regime in found.regimes:
        low, high = metric(found, regime, "false_alarms_per_identity_day")
        assert 0.03 < low < high < 0.25
    replaced = "healthy_replacements_per_agent_day"
    assert metric(found, "static-key", replaced)[0] > metric(found, "task-svid", replaced)[1]
    assert metric(found, "x509-svid-1h", replaced)[0] > metric(found, "task-svid", replaced)[1]


def test_on_an_ordinary_day_not_one_alert_in_twenty_is_true() -> None:
    """Wilson's upper end of none in n is z²/(n + z²): it can lie below 1/20 from n = 73 on."""
    asked = scenario("false-alarms")
    found = summarise(simulate(asked, 7, "fleet", replications=6, regimes=["x509-svid-1h"]))
    precision = found.regimes["x509-svid-1h"].metrics["two_origins_precision"]
    assert precision.n >= 73, "too few alerts to decide"
    assert ends(precision)[1] < 0.05


def test_only_a_life_shorter_than_the_breakout_keeps_a_thief_from_moving_on() -> None:
    names = ["static-key", "x509-svid-1h", "x509-svid-5m", "task-svid"]
    asked = scenario("lateral-movement")
    found = summarise(simulate(asked, 7, "fleet", replications=8, regimes=names))
    reach = {regime: metric(found, regime, "lateral_reach") for regime in found.regimes}
    for short in ("x509-svid-5m", "task-svid"):
        assert reach[short][1] < reach["x509-svid-1h"][0] / 4
    assert reach["x509-svid-1h"][0] > reach["static-key"][1] / 3


def test_a_lifetime_hardly_shortens_what_a_stolen_agent_key_gives() -> None:
    asked = scenario("stolen-agent-key")
    names = ["x509-svid-24h", "jwt-svid-5m"]
    found = summarise(simulate(asked, 7, "fleet", replications=2, regimes=names))
    name = found.exposure_name.replace("exposure", "agent_key")
    long, short = (metric(found, regime, name) for regime in names)
    assert short[0] > 6 * 86_400.0
    assert long[0] < short[1] + 86_400.0, "a day more at most"


def test_a_new_address_gives_most_thieves_away_and_costs_the_most() -> None:
    names = ["static-key", "x509-svid-1h"]
    record = simulate(scenario("which-detector"), 7, "fleet", replications=4, regimes=names)
    found = summarise(record)
    per_day = "false_alarms_per_identity_day"
    for regime in names:
        of = found.regimes[regime]
        assert ("two-origins" in {a.detector for a in record.alerts if a.regime == regime}) == (
            regime == "x509-svid-1h"
        )
        assert of.detectors["new-origin"] > 0.5 * sum(of.detectors.values())
        assert of.detectors.get("rate-change", 0) < 0.1 * sum(of.detectors.values())
    moves = metric(found, "x509-svid-1h", f"new_origin_{per_day}")
    # 38 moves a year; some sixty alerts know the rate to a quarter, so a factor of 1.5 holds it
    assert 38 / 365.25 / 1.5 < moves[0] < moves[1] < 38 / 365.25 * 1.5
    assert metric(found, "x509-svid-1h", f"canary_{per_day}")[1] < moves[0]
    told = {a.incident for a in record.alerts if a.detector == "new-origin"}
    used = [
        row
        for row, theft in enumerate(record.incidents)
        if theft.regime == "x509-svid-1h" and theft.first_use_s is not None
    ]
    low, high = ends(estimators.share(sum(row in told for row in used), len(used)))
    # read and not at home: 0.471 of 0.8; a hundred thefts give ten points to either side
    assert 0.377 - 0.2 < low < 0.377 < high < 0.377 + 0.2
