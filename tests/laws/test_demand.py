"""Windows and arrivals: the wanted rate, the right order, nothing late, no time stretched."""

from pathlib import Path

import numpy as np
import pytest

from scenarios.demand.schedule import AUTHORIZE, ISSUE, arrivals
from scenarios.demand.window import issuances_hz, window
from scenarios.errors import UsageError
from scenarios.spec.resolve import load
from scenarios.spec.schema import Scenario

SCENARIO = load(Path("customer-service")).scenario
REGIMES = [regime.name for regime in SCENARIO.regimes]


@pytest.mark.parametrize("regime", REGIMES)
def test_a_window_offers_the_wanted_rate(regime: str) -> None:
    demand = arrivals(window(SCENARIO, regime, 200.0, 20.0), 7)
    assert len(demand) / 20.0 == pytest.approx(200.0, rel=4 / (200 * 20) ** 0.5)


@pytest.mark.parametrize("regime", REGIMES)
def test_arrivals_are_ordered_and_inside_the_window(regime: str) -> None:
    small = window(SCENARIO, regime, 100.0, 10.0)
    demand = arrivals(small, 1)
    assert np.all(np.diff(demand.t_s) >= 0)
    assert demand.t_s[0] >= 0
    assert demand.t_s[-1] < 10.0
    assert demand.agent.max() < small.agents
    assert set(demand.op) <= {AUTHORIZE, ISSUE}


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others() -> None:
    small = window(SCENARIO, "jwt-svid-5m", 50.0, 10.0)
    first, again, other = arrivals(small, 5), arrivals(small, 5), arrivals(small, 6)
    assert first.t_s.tolist() == again.t_s.tolist()
    assert first.t_s.tolist() != other.t_s.tolist()


def test_task_starts_are_the_same_under_every_regime() -> None:
    def starts(regime: str) -> list[tuple[float, int]]:
        small = window(SCENARIO, regime, 100.0, 10.0).model_copy(update={"workloads": workloads})
        demand = arrivals(small, 3)
        kept = demand.op == AUTHORIZE
        return list(zip(demand.t_s[kept].tolist(), demand.agent[kept].tolist(), strict=True))

    workloads = window(SCENARIO, "static-key", 20.0, 10.0).workloads
    assert starts("static-key") == starts("x509-svid-1h") == starts("task-svid")


@pytest.mark.parametrize("regime", ["x509-svid-1h", "jwt-svid-5m"])
def test_the_stationary_start_has_no_transient(regime: str) -> None:
    small = window(SCENARIO, regime, 400.0, 30.0)
    demand = arrivals(small, 2)
    issues = demand.t_s[demand.op == ISSUE]
    thirds = np.histogram(issues, bins=3, range=(0.0, 30.0))[0]
    assert np.ptp(thirds) < 5 * (len(issues) / 3) ** 0.5


def test_pull_through_issues_before_the_use_that_needs_it() -> None:
    demand = arrivals(window(SCENARIO, "task-svid", 100.0, 10.0), 4)
    for i in np.flatnonzero(demand.op == ISSUE):
        after = demand.op[i + 1 :][demand.t_s[i + 1 :] == demand.t_s[i]]
        assert AUTHORIZE in after


def test_a_window_keeps_time_and_overrides_the_lifetime() -> None:
    small = window(SCENARIO, "x509-svid-1h", 100.0, 20.0)
    assert small.horizon_s == 20.0
    assert small.regimes[0].ttl_s == 20.0
    assert [t.rate_hz for w in small.workloads for t in w.tasks] == [
        t.rate_hz for w in SCENARIO.workloads for t in w.tasks
    ]
    assert small.faults == ()
    assert issuances_hz(small.regimes[0], (0.1,)) > 0
    assert window(SCENARIO, "static-key", 100.0, 20.0).regimes[0].ttl_s == float("inf")


def test_a_window_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="must be one of static-key"):
        window(SCENARIO, "nothing", 1.0, 1.0)
    asleep = Scenario.model_validate(
        SCENARIO.model_dump()
        | {"start": {"hour_of_day": 3.0}, "workloads": (_only_by_day(SCENARIO),)}
    )
    with pytest.raises(UsageError, match="hour 3"):
        window(asleep, "static-key", 1.0, 1.0)


def _only_by_day(scenario: Scenario) -> dict[str, object]:
    workload = scenario.workloads[1].model_dump()
    return workload | {"tasks": tuple(t for t in workload["tasks"])}
