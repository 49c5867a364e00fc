"""Permissions that no task needs: who has them, what they open, and that it is said."""

from typing import Any

import pytest

from analysis.summary import summarise
from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec import consistency
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Abuse, Detection, Lateral, Scenario, Task, Threats, Workload
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from simulator.simulate import simulate
from tests.scenes import HOUR_S, make_regime, make_scenario

NEEDED = ("files:read", "mail:send")
GRANTED = (*NEEDED, "jobs:run", "keys:rotate", "users:create")
CLERK = Workload(
    name="clerk",
    count=40,
    granted=GRANTED,
    tasks=(
        Task(name="read", rate_hz=0.05, permissions=("files:read",)),
        Task(name="mail", rate_hz=0.02, permissions=("mail:send",)),
    ),
)
BOT = Workload(
    name="bot", count=40, tasks=(Task(name="run", rate_hz=0.05, permissions=("jobs:run",)),)
)
SCOPED = make_regime("at-use", scope="one-task", scope_enforced_by="authoriser", attribution="task")
KEY = make_regime("never")
QUICK = Abuse(
    first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02, foreign_permission_share=0.5
)


def scenario_of(regime: Regime, clerk: Workload = CLERK, **changes: Any) -> Scenario:  # noqa: ANN401
    threats = Threats(injected_thefts=20, injected_footholds=6, abuse=QUICK)
    detection = Detection(superseded_serial=False, two_origins=False, delivery_s=0.0)
    values = {"workloads": (clerk, BOT), "threats": threats, "detection": detection} | changes
    return make_scenario(regime, **values)


def outcome(regime: Regime, **changes: Any) -> list[Incident]:  # noqa: ANN401
    scenario, key = scenario_of(regime, **changes), seed_key(2)
    found = [
        run(scenario, regime, key, engine(scenario, regime, key))
        for engine in (ReferencePopulation, FleetPopulation)
    ]
    assert found[0][2:] == found[1][2:], "both populations"
    return found[0][2]


def opened(thefts: list[Incident], persona: str) -> set[int]:
    return {theft.permissions for theft in thefts if theft.agent < 40 and theft.persona == persona}


def test_a_credential_for_all_tasks_opens_whatever_was_granted() -> None:
    thefts = outcome(KEY)
    assert opened(thefts, "leak") == opened(thefts, "foothold") == {len(GRANTED)}
    assert {theft.permissions for theft in thefts if theft.agent >= 40} == {1}


def test_a_document_for_a_task_opens_none_of_it() -> None:
    thefts = outcome(SCOPED)
    assert opened(thefts, "leak") == {1}
    assert opened(thefts, "foothold") == {len(NEEDED)}


def test_a_scope_that_nobody_enforces_opens_all_of_it() -> None:
    regime = make_regime("at-use", scope="one-task", scope_enforced_by="nobody")
    assert opened(outcome(regime), "leak") == {len(GRANTED)}


def test_what_was_granted_is_answered_and_seen_all_the_same() -> None:
    """Every permission of the scenario is the clerks', so that none is refused them."""
    thefts = [theft for theft in outcome(KEY) if theft.agent < 40 and theft.persona == "leak"]
    assert sum(theft.uses_refused for theft in thefts) == 0
    assert {theft.detector for theft in thefts} == {"new-permission"}
    least = CLERK.model_copy(update={"granted": None})
    thefts = [t for t in outcome(KEY, clerk=least) if t.agent < 40 and t.persona == "leak"]
    assert sum(theft.uses_refused for theft in thefts) > 0


def test_it_leads_to_those_who_need_it_and_nowhere_else() -> None:
    sure = Lateral(max_depth=1, success=1.0, breakout_mean_s=60.0, breakout_sigma=0.0)
    threats = Threats(injected_thefts=12, abuse=QUICK, lateral=sure)
    detection = Detection(
        superseded_serial=False, two_origins=False, new_permission=False, delivery_s=0.0
    )
    thefts = outcome(KEY, threats=threats, detection=detection)
    roots = [t for t in thefts if t.persona == "leak" and t.stolen_s + 70.0 < 2 * HOUR_S]
    from_clerks = sum(theft.agent < 40 for theft in roots)
    from_bots = len(roots) - from_clerks
    led_to = [theft for theft in thefts if theft.persona == "lateral"]
    bots = sum(theft.agent >= 40 for theft in led_to)
    # three doors of the clerk's five have somebody behind them; some lead home or to one robbed
    assert 0 < bots <= from_clerks + from_bots
    assert len(led_to) <= 3 * from_clerks + from_bots
    assert len(led_to) >= 3 * from_clerks + from_bots - 4


def test_the_summary_gives_the_ratio() -> None:
    found = summarise(simulate(scenario_of(KEY), 3, "fleet", 2)).regimes["tested"].metrics
    ratio = found["over_privilege_ratio"]
    assert ratio.value is not None
    assert 1.0 < ratio.value < len(GRANTED) / len(NEEDED)
    least = CLERK.model_copy(update={"granted": None})
    assert (
        "over_privilege_ratio"
        not in summarise(simulate(scenario_of(KEY, least), 3, "fleet", 2)).regimes["tested"].metrics
    )


@pytest.mark.parametrize(
    ("regime", "says"),
    [
        (KEY, "a stolen credential opens them under tested"),
        (SCOPED, "no regime here has a credential that opens them"),
    ],
    ids=["key", "task"],
)
def test_a_warning_has_the_arithmetic(regime: Regime, says: str) -> None:
    (line,) = [w for w in consistency.warnings(scenario_of(regime)) if w.startswith("clerk")]
    assert (
        line
        == f"clerk: granted 5, tasks need 2: 3 that no task needs, for example jobs:run; {says}"
    )
    least = CLERK.model_copy(update={"granted": NEEDED})
    assert not [w for w in consistency.warnings(scenario_of(regime, least)) if "granted" in w]
