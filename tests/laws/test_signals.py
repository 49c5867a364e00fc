"""New origin, canary and rate change raise the alerts that reading every line raises."""

from heapq import merge
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import seed_key
from scenarios.detection.audit import AuditEvent
from scenarios.detection.detector import Detector
from scenarios.detection.rates import RateChange
from scenarios.detection.suite import detectors
from scenarios.spec.defence import Armed
from scenarios.spec.defence import RateChange as Asked
from scenarios.spec.regime import Regime, RevocationRule
from scenarios.spec.schema import Abuse, Detection, Foothold, Response, Scenario, Task, Threats
from simulator.control.case import Case
from simulator.control.feed import Feed, identity_of, node_address
from simulator.control.owner import Access, Owner
from simulator.control.rates import Lines
from simulator.control.response import Response as People
from simulator.control.run import run
from simulator.control.signals import made
from simulator.control.threats import Threats as Thieves
from simulator.control.world import World
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.scenes import make_regime, make_scenario

TASKS = (
    Task(name="often", rate_hz=1 / 120, duration_s=30.0, permissions=("files:read",)),
    Task(name="day", rate_hz=1 / 200, permissions=("mail:send",), active_hours=((0, 1),)),
)
REGIMES = [
    make_regime("fraction", ttl_s=900.0),
    make_regime("never", shared_by=3, attribution="secret"),
]
NAMES = ["new-origin", "canary", "rate-change"]
SILENT = Detection(superseded_serial=False, two_origins=False, new_permission=False, delivery_s=0.0)
ARMED = {
    "new-origin": {"new_origin": Armed(armed=True)},
    "canary": {"canary": Armed(armed=True)},
    "rate-change": {"rate_change": Asked(armed=True, reference=1.5, threshold=18.0)},
}


def scenario_of(regime: Regime, name: str) -> Scenario:
    return make_scenario(
        regime,
        agents=40,
        tasks=TASKS,
        threats=Threats(
            abuse=Abuse(
                first_use_median_s=20.0,
                use_rate_hz=1 / 30,
                canary_share=0.1,
                known_address_share=0.3,
            ),
            foothold=Foothold(eviction_mean_s=900.0),
            injected_thefts=5,
            injected_footholds=2,
        ),
        detection=SILENT.model_copy(update=ARMED[name]),
        response=Response(analysts=1000, triage_mean_s=0.0),
    )


def log(world: World, case: Case) -> list[AuditEvent]:
    """Every line of an identity with one thief, his life being over."""
    feed, documents = Feed(world, case.owner), world.documents(case.owner)
    documents.update(world.population)
    held = world.population.read(case.owner)[0]
    owners = [
        feed.line(Access(t_s, 0, held), origin=node_address(world, agent))
        for agent in world.layout.group(case.owner)
        for t_s, _ in Owner(world, agent, documents).moments(0.0, world.horizon_s)
    ]
    thief = [feed.thief_line(case, use, held, "denied") for use in made(world, case)]
    lines = merge(
        sorted(owners, key=lambda line: line.occurred_s), thief, key=lambda line: line.occurred_s
    )
    return list(lines)


def fresh(world: World, case: Case) -> Detector:
    (detector,) = detectors(world.scenario, world.regime)
    if detector.name == "new-origin":
        addresses = {node_address(world, agent) for agent in world.layout.group(case.owner)}
        detector.know(identity_of(world, case.owner), addresses)  # type: ignore[attr-defined]
    return detector


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("regime", REGIMES, ids=lambda r: r.renewal.rule.keyword)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_alert_is_that_of_reading_every_line(regime: Regime, name: str, seed: int) -> None:
    scenario, key = scenario_of(regime, name), seed_key(seed)
    world = World(scenario, regime, key, ReferencePopulation(scenario, regime, key))
    thieves = Thieves(world, People(world))
    world.clock.advance(world.horizon_s)
    owners = [case.owner for case in thieves.cases]
    for case in thieves.cases:
        if owners.count(case.owner) > 1:
            continue
        detector = fresh(world, case)
        if isinstance(detector, RateChange) and thieves.signals.lines.false_crossings(case.owner):
            continue  # an alert by chance comes first and is told apart
        raised = [alert for line in log(world, case) if (alert := detector.update(line))]
        expected = min((alert.alert_s for alert in raised), default=inf)
        if isinstance(detector, RateChange) and expected < case.stolen_s:
            continue
        assert (inf if case.alert_s is None else case.alert_s) == expected


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_alerts_by_chance_are_those_of_reading_every_line(seed: int) -> None:
    (regime, _), key = REGIMES, seed_key(seed)
    scenario = scenario_of(regime, "rate-change")
    often = Asked(armed=True, reference=1.2, threshold=5.5)
    scenario = scenario.model_copy(update={"detection": Detection(rate_change=often)})
    world = World(scenario, regime, key, ReferencePopulation(scenario, regime, key))
    lines, total = Lines(world), 0
    for owner in range(20):
        documents = world.documents(owner)
        times_s = [t_s for t_s, _ in Owner(world, owner, documents).moments(0.0, world.horizon_s)]
        assert lines.own(owner).tolist() == times_s
        detector, feed = fresh_rate(scenario, regime), Feed(world, owner)
        (held,) = world.population.read(owner)
        expected = []
        for t_s in times_s:
            if detector.update(feed.line(Access(t_s, 0, held))) is not None:
                expected.append(t_s)
                detector.forget(feed.identity)
        assert [t_s for t_s, _ in lines.false_crossings(owner)] == expected
        total += len(expected)
    assert total > 0


def fresh_rate(scenario: Scenario, regime: Regime) -> RateChange:
    (found,) = (d for d in detectors(scenario, regime) if isinstance(d, RateChange))
    return found


@pytest.mark.parametrize("regime", REGIMES, ids=lambda r: r.renewal.rule.keyword)
def test_both_populations_tell_the_same(regime: Regime) -> None:
    armed = {key: value for armed in ARMED.values() for key, value in armed.items()}
    scenario = scenario_of(regime, "canary").model_copy(
        update={"detection": Detection().model_copy(update=armed), "response": Response()}
    )
    deny = RevocationRule.model_validate({"method": "deny-list", "delay_s": 5.0})
    regime = regime.model_copy(update={"revocation": deny})

    key = seed_key(11)
    reference, fleet = (
        run(scenario, regime, key, engine(scenario, regime, key))
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert reference[2:] == fleet[2:]
    assert {"new-origin", "canary"} <= {alert.detector for alert in reference[3]}


def test_the_share_of_lines_seen_thins_the_owners_lines() -> None:
    regime = REGIMES[0]
    half = Asked(armed=True, sensitivity=0.5)
    scenario = make_scenario(regime, agents=40, tasks=TASKS, detection=Detection(rate_change=half))
    world = World(scenario, regime, seed_key(1), ReferencePopulation(scenario, regime, seed_key(1)))
    whole = make_scenario(
        regime, agents=40, tasks=TASKS, detection=Detection(rate_change=Asked(armed=True))
    )
    other = World(whole, regime, seed_key(1), ReferencePopulation(whole, regime, seed_key(1)))
    seen, all_ = (sum(len(Lines(w).own(owner)) for owner in range(40)) for w in (world, other))
    # binomial: three standard deviations about a half
    assert abs(seen - all_ / 2) < 3 * np.sqrt(all_ / 4)
