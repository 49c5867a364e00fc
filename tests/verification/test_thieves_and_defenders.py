"""The stated answers of the catalogue's scenarios about thieves and defenders, on intervals.

Scaled down, so that they take seconds; what is asserted is the shape of each stated answer.
"""

from typing import Any

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
    # one in twenty needs the 150 alerts of the scenario's own size; these are some 40
    assert metric(found, "x509-svid-1h", "two_origins_precision")[1] < 0.1
    for regime in found.regimes:
        low, high = metric(found, regime, "false_alarms_per_identity_day")
        assert 0.03 < low < high < 0.25
    replaced = "healthy_replacements_per_agent_day"
    assert metric(found, "static-key", replaced)[0] > metric(found, "task-svid", replaced)[1]
    assert metric(found, "x509-svid-1h", replaced)[0] > metric(found, "task-svid", replaced)[1]


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
