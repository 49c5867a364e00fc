"""A policy that tightens with alerts: when, what it changes, what it costs, and that it relaxes."""

from math import inf
from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec.regime import Regime
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import (
    Abuse,
    Benign,
    Detection,
    Policy,
    Response,
    Scenario,
    Task,
    Tenant,
    Threats,
)
from simulator.control.run import run
from simulator.control.world import World
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, make_regime, make_scenario

WORK = Task(name="work", rate_hz=1 / 60, permissions=("files:read",))
PAY = Task(
    name="pay",
    rate_hz=1 / 600,
    permissions=("money:send",),
    sensitivity="high",  # type: ignore[arg-type]
    active_hours=((0, 1),),
)
KEY = seed_key(3)


def scene(policy: Policy, regime: Regime | None = None, **changes: Any) -> Scenario:  # noqa: ANN401
    regime = regime or make_regime(ttl_s=1200.0, scope_enforced_by="authoriser")
    return make_scenario(regime, agents=40, tasks=(WORK, PAY), policy=policy, **changes)


def world(policy: Policy) -> World:
    scenario = scene(policy)
    (regime,) = scenario.regimes
    return World(scenario, regime, KEY, ReferencePopulation(scenario, regime, KEY))


def alerts_at(of: World, *times_s: float) -> None:
    for t_s in times_s:
        of.clock.advance(t_s)
        of.guard(0).alert()


def test_enough_alerts_within_the_window_tighten_and_quiet_relaxes() -> None:
    of = world(Policy(alerts=2, window_s=10.0, relax_after_s=100.0))
    alerts_at(of, 0.0, 20.0, 25.0, 60.0, 65.0)
    of.clock.advance(400.0)
    on = [t_s for t_s in range(0, 400, 5) if of.guard(0).on(float(t_s))]
    assert on == list(range(25, 165, 5)), "from the second of a pair until 100 s after the last"
    counts = of.guards.counts()
    assert (counts["tightenings"], counts["tight_s"]) == (1.0, 140.0)
    alerts_at(of, 500.0, 509.0)
    assert of.guard(0).on(509.0)
    assert of.guards.counts()["tight_s"] == 140.0 + of.horizon_s - 509.0


def test_a_tenant_with_a_policy_of_its_own_is_on_guard_by_its_own_alerts_alone() -> None:
    """Its fleet's documents are shortened and renewed, nobody else's; and the other way round."""
    common, own = (
        Policy(alerts=1, relax_after_s=100.0, ttl_factor=factor, renew_within_s=10.0)
        for factor in (0.5, 0.25)
    )
    scenario = scene(common)
    (clerk,), (regime,) = scenario.workloads, scenario.regimes
    classes = tuple(
        clerk.model_copy(update={"name": name}) for name in ("teller", "cook", "porter")
    )
    tenants = (
        Tenant(name="bank", workloads=("teller",), policy=own),
        Tenant(name="inn", workloads=("cook", "porter")),
    )
    scenario = scenario.model_copy(update={"workloads": classes, "tenants": tenants})
    of = World(scenario, regime, KEY, ReferencePopulation(scenario, regime, KEY))

    def lives_s() -> list[set[float]]:
        held = [of.population.read(agent)[0] for agent in range(120)]
        lives = [round(view.expires_s - view.issued_s) for view in held]
        return [set(lives[first : first + 40]) for first in (0, 40, 80)]

    of.clock.advance(1.0)
    of.guard(0).alert()
    of.clock.advance(20.0)
    assert lives_s() == [{300}, {1200}, {1200}]
    assert of.guard(39).on(20.0)
    assert not of.guard(40).on(20.0)
    of.clock.advance(201.0)
    of.guard(119).alert()
    of.clock.advance(220.0)
    assert lives_s()[1:] == [{600}, {600}]
    of.clock.advance(of.horizon_s)
    counts = of.guards.counts()
    assert counts["tenant:bank:tight_s"] == 100.0
    assert counts["tight_s"] == pytest.approx(100.0), "each for its part of the agents"
    assert lives_s() == [{1200}, {1200}, {1200}]


def test_without_a_policy_alerts_change_nothing() -> None:
    of = world(Policy())
    alerts_at(of, 0.0, 1.0)
    assert not of.guard(0).in_force
    assert not of.guard(0).on(1.0)


def test_what_is_issued_meanwhile_lives_shorter() -> None:
    of = world(Policy(alerts=1, relax_after_s=2000.0, ttl_factor=0.25))
    documents = [of.documents(agent) for agent in range(40)]
    alerts_at(of, 1000.0)
    of.clock.advance(7000.0)
    for one in documents:
        one.update(of.population)
        for view in one.of(0):
            if view.issued_s > 0.0:
                tight = 1000.0 <= view.issued_s < 3000.0
                assert view.expires_s - view.issued_s == pytest.approx(300.0 if tight else 1200.0)
    assert sum(len(one.of(0)) for one in documents) > 40 * 4


def test_owners_are_renewed_at_once_where_the_policy_says_so() -> None:
    of = world(Policy(alerts=1, ttl_factor=0.5, renew_within_s=30.0))
    documents = [of.documents(agent) for agent in range(40)]
    alerts_at(of, 1000.0)
    of.clock.advance(1031.0)
    for one in documents:
        one.update(of.population)
        assert one.of(0)[-1].issued_s >= 1000.0


def thefts(policy: Policy, regime: Regime | None = None) -> tuple[dict[str, float], list[Incident]]:
    """Footholds that try everything, noticed by nobody; a deployment's edges raise the alerts."""
    threats = Threats(
        injected_footholds=10,
        abuse=Abuse(first_use_median_s=1.0, use_rate_hz=0.05, foreign_permission_share=0.5),
    )
    scenario = scene(
        policy,
        regime,
        threats=threats,
        detection=Detection(delivery_s=0.0),
        response=Response(triage_mean_s=0.0),
        benign=Benign(new_edges_per_agent_year=20.0 / 40 / (2 * HOUR_S) * SECONDS_PER_YEAR),
    )
    (of,) = scenario.regimes
    counts, _, rows, _ = run(scenario, of, KEY, FleetPopulation(scenario, of, KEY))
    return counts, rows


def accepted(rows: list[Incident]) -> int:
    return sum(row.uses_accepted for row in rows)


def test_a_narrow_scope_leaves_a_thief_what_the_task_at_hand_needs() -> None:
    always = Policy(alerts=1, relax_after_s=1e6, narrow_scope=True)
    plain = accepted(thefts(Policy())[1])
    counts, rows = thefts(always)
    # half of the uses are foreign; the first alert of twenty in two hours comes early
    assert 0.4 < accepted(rows) / plain < 0.75
    assert counts["refused_edges"] >= 10
    nobody = make_regime(ttl_s=1200.0)
    assert accepted(thefts(always, nobody)[1]) == accepted(thefts(Policy(), nobody)[1])


def test_a_step_up_stops_thieves_and_costs_healthy_agents() -> None:
    policy = Policy(alerts=1, relax_after_s=1e6, step_up_refuses=1.0, step_up_fails=0.1)
    counts, rows = thefts(policy)
    assert accepted(rows) < accepted(thefts(Policy())[1])
    # the sensitive task is active in the first of the two hours
    tight_s = HOUR_S - (2 * HOUR_S - counts["tight_s"])
    assert counts["step_ups"] == pytest.approx(40 * tight_s / 600.0)
    assert counts["step_up_failures"] == pytest.approx(0.1 * counts["step_ups"])


def test_both_populations_keep_the_same_guard() -> None:
    policy = Policy(
        alerts=2, window_s=1200.0, relax_after_s=600.0, ttl_factor=0.5, renew_within_s=60.0
    )
    scenario = scene(
        policy,
        benign=Benign(new_edges_per_agent_year=20.0 / 40 / (2 * HOUR_S) * SECONDS_PER_YEAR),
        threats=Threats(injected_thefts=5),
    )
    (regime,) = scenario.regimes
    reference, fleet = (
        run(scenario, regime, KEY, engine(scenario, regime, KEY))
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert reference[2:] == fleet[2:]
    assert reference[0]["tight_s"] == fleet[0]["tight_s"] > 0.0
    assert reference[0]["issued"] == fleet[0]["issued"]
    assert inf > fleet[0]["tightenings"] >= 2.0
