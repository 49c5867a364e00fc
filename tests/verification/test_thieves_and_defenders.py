"""The stated answers of the catalogue's scenarios about thieves and defenders, on intervals.

Scaled down, so that they take seconds; what is asserted is the shape of each stated answer.
"""

from typing import Any

from analysis import estimators
from analysis.summary import Summary, summarise
from scenarios.record.estimate import Estimate
from scenarios.spec import resolve
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Policy, Scenario
from simulator import theory
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


def test_shorter_lives_upon_false_alarms_buy_less_than_a_constant_life_would() -> None:
    asked, name = scenario("risk-adaptive-policy"), "x509-svid-1h"
    plain = asked.model_copy(update={"policy": Policy()})
    guarded, before = (
        summarise(simulate(one, 7, "fleet", replications=6, regimes=[name]))
        for one in (asked, plain)
    )
    relax_s, factor = asked.policy.relax_after_s, asked.policy.ttl_factor
    on = theory.on_guard(4.0 * 400 / SECONDS_PER_YEAR, relax_s)
    # a scan every five hours and a half: 26 in six days, so their number varies by a fifth
    low, high = metric(guarded, name, "tight_share")
    assert on - 0.25 < low < high < on + 0.25
    measured = guarded.regimes[name].metrics["tight_share"].value
    assert measured is not None

    def ratio(of: str) -> tuple[float, float]:
        """Return the least and the largest quotient that both intervals hold."""
        a, b = metric(guarded, name, of), metric(before, name, of)
        return a[0] / b[1], a[1] / b[0]

    issued, exposed = ratio("issuances_per_s"), ratio(guarded.exposure_name)
    # between tightenings much shorter and much longer than a life, at the share of time measured
    quick, slow = 1.0 / (1.0 - measured * (1.0 - factor)), 1.0 + measured * (1.0 / factor - 1.0)
    assert issued[1] > quick
    assert issued[0] < slow
    assert 1.0 - on * (1.0 - factor) - 0.15 < exposed[0] < exposed[1] < 1.0
    assert issued[0] * exposed[0] > 1.0, "a constant life has 1 here"
    used = ratio("accepted_uses_per_theft")
    assert used[1] < exposed[1], "scope and step-up act on what is out already"
    failed = metric(guarded, name, "step_up_failures_per_agent_day")
    expected = 0.02 * 0.0005 * 86_400.0 * on
    assert expected / 2.0 < failed[0] < failed[1] < expected * 2.0
