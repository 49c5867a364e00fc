"""Lateral movement: where a stolen credential leads, and what keeps it from leading anywhere."""

from typing import Any

from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec.regime import Regime, RevocationRule
from scenarios.spec.schema import Abuse, Detection, Lateral, Response, Task, Threats, Workload
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, make_regime, make_scenario

BLIND = Detection(superseded_serial=False, two_origins=False, new_permission=False, delivery_s=0.0)
QUICK = Abuse(first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02)
SURE = Lateral(max_depth=1, success=1.0, breakout_mean_s=300.0, breakout_sigma=0.0)
CLERK = Workload(
    name="clerk",
    count=60,
    tasks=(
        Task(name="read", rate_hz=0.05, permissions=("files:read",)),
        Task(name="mail", rate_hz=0.02, permissions=("mail:send",)),
    ),
)
BOT = Workload(
    name="bot", count=40, tasks=(Task(name="send", rate_hz=0.05, permissions=("mail:send",)),)
)
HERMIT = Workload(
    name="hermit", count=20, tasks=(Task(name="own", rate_hz=0.05, permissions=("own:thing",)),)
)


def outcome(
    regime: Regime,
    lateral: Lateral = SURE,
    detection: Detection = BLIND,
    **changes: Any,  # noqa: ANN401
) -> tuple[dict[str, float], list[Incident]]:
    threats = Threats(injected_thefts=20, abuse=QUICK, lateral=lateral)
    changes = {"workloads": (CLERK, BOT, HERMIT), "threats": threats} | changes
    scenario = make_scenario(regime, detection=detection, **changes)
    key = seed_key(2)
    counts, _, thefts, _ = run(scenario, regime, key, ReferencePopulation(scenario, regime, key))
    return counts, thefts


def led_to(thefts: list[Incident]) -> list[Incident]:
    return [theft for theft in thefts if theft.persona == "lateral"]


def test_without_depth_nobody_moves() -> None:
    counts, thefts = outcome(make_regime("never"), lateral=Lateral())
    assert not led_to(thefts)
    assert "lateral_copies" not in counts


def test_every_permission_leads_to_one_who_has_it() -> None:
    counts, thefts = outcome(make_regime("never"))
    roots = [theft for theft in thefts if theft.persona == "leak"]
    moved = [theft for theft in roots if theft.stolen_s + 310.0 < 2 * HOUR_S]
    doors = sum(theft.permissions for theft in moved)
    assert doors - 6 <= len(led_to(thefts)) <= doors, "some lead home, or to one robbed before"
    assert counts["lateral_copies"] == len(roots)
    assert counts["lateral_agents_of_copies"] == len(led_to(thefts))
    moments = {round(theft.stolen_s + 310.0, 6) for theft in moved}
    assert {round(theft.stolen_s, 6) for theft in led_to(thefts)} <= moments


def test_who_shares_no_permission_is_reached_from_his_like_only() -> None:
    _, thefts = outcome(make_regime("never"), lateral=SURE.model_copy(update={"max_depth": 3}))
    before = [theft for theft in thefts if theft.persona == "leak"]
    if not any(theft.agent >= 100 for theft in before):
        assert all(theft.agent < 100 for theft in led_to(thefts))
    from_clerks = [t for t in before if t.agent < 100 and t.stolen_s + 310.0 < 2 * HOUR_S]
    assert from_clerks
    assert len(led_to(thefts)) > len(led_to(outcome(make_regime("never"))[1]))


def test_a_life_shorter_than_the_breakout_ends_it() -> None:
    _, thefts = outcome(make_regime(ttl_s=300.0))
    assert not led_to(thefts)
    _, thefts = outcome(make_regime(ttl_s=300.0, session_overhang_s=400.0))
    assert led_to(thefts), "a session that goes on is access"


def test_revocation_before_the_breakout_ends_it() -> None:
    deny = make_regime("never", revocation=RevocationRule.model_validate({"method": "delete"}))
    seen = Detection(superseded_serial=False, new_permission=False, delivery_s=0.0)
    _, thefts = outcome(deny, detection=seen, response=Response(automatic=True))
    assert len(led_to(thefts)) < len(led_to(outcome(deny)[1])) / 2


def test_a_scope_of_one_task_leaves_fewer_doors() -> None:
    wide = outcome(make_regime("at-use"))[1]
    narrow = outcome(make_regime("at-use", scope="one-task", scope_enforced_by="authoriser"))[1]
    assert 0 < len(led_to(narrow)) < len(led_to(wide))


def test_a_node_bound_copy_leads_nowhere() -> None:
    assert not led_to(outcome(make_regime(binding="node"))[1])


def test_nobody_is_robbed_twice_by_the_same_thief() -> None:
    deep = Lateral(max_depth=10, success=1.0, breakout_mean_s=20.0, breakout_sigma=0.3)
    one = Threats(injected_thefts=1, abuse=QUICK, lateral=deep)
    counts, thefts = outcome(make_regime("never"), threats=one)
    agents = [theft.agent for theft in thefts]
    assert len(agents) == len(set(agents)) > 1
    assert counts["lateral_agents_of_copies"] == len(agents) - 1


def test_what_it_leads_to_is_detected_like_any_theft() -> None:
    _, thefts = outcome(make_regime("never"), detection=Detection(delivery_s=0.0))
    assert any(theft.detector == "two-origins" for theft in led_to(thefts))
    assert {theft.injected for theft in led_to(thefts)} == {True}
