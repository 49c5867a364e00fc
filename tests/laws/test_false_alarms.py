"""Harmless events raise the alerts that reading every line of every identity raises."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import Stream, seed_key
from scenarios.demand.switches import gap
from scenarios.detection.origins import TwoOrigins
from scenarios.spec.defence import Armed
from scenarios.spec.regime import Regime
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Benign, Detection, Response, Scenario, Task
from simulator.control.benign import Benign as Events
from simulator.control.feed import Feed
from simulator.control.owner import Owner
from simulator.control.response import Response as People
from simulator.control.run import run
from simulator.control.sight import TWO_ORIGINS, seen
from simulator.control.threats import Threats
from simulator.control.world import RESCHEDULE, World
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.scenes import make_regime, make_scenario

TASKS = (
    Task(name="often", rate_hz=1 / 200, duration_s=30.0, permissions=("files:read",)),
    Task(name="rare", rate_hz=1 / 900, permissions=("mail:send",)),
)
REGIMES = [
    make_regime("fraction", ttl_s=600.0),
    make_regime("fraction-polled", ttl_s=900.0),
    make_regime("at-use", ttl_s=600.0, attribution="task", scope="one-task"),
    make_regime("never"),
]
PER_YEAR = 2500.0


WHOLE = Detection(delivery_s=0.0)
THINNED = Detection(two_origins=Armed(armed=True, sensitivity=0.3, delay_s=45.0), delivery_s=0.0)


def scenario_of(regime: Regime, detection: Detection = WHOLE) -> Scenario:
    return make_scenario(
        regime,
        agents=20,
        tasks=TASKS,
        benign=Benign(reschedules_per_agent_year=PER_YEAR),
        detection=detection,
        response=Response(analysts=1000, triage_mean_s=0.0),
    )


def moves(world: World) -> list[tuple[float, int]]:
    """Return (instant, agent) of every event, from the draws."""
    agents, t_s, n = world.layout.agents, 0.0, 0
    found: list[tuple[float, int]] = []
    while True:
        u = world.uniform(RESCHEDULE, Stream.BENIGN_TIME, n)
        t_s += gap(u, PER_YEAR * agents / SECONDS_PER_YEAR)
        if t_s >= world.horizon_s:
            return found
        found.append((t_s, int(world.uniform(RESCHEDULE, Stream.BENIGN_AGENT, n) * agents)))
        n += 1


def first_alert_s(world: World, agent: int, moved_s: float) -> float:
    """Return when the detector speaks that reads every line of an agent which moves once."""
    documents = world.documents(agent)
    documents.update(world.population)
    asked = world.scenario.detection.two_origins
    feed, detector = Feed(world, agent), TwoOrigins(asked.delay_s)
    for access in Owner(world, agent, documents).accesses(0.0, world.horizon_s):
        if not seen(world, agent, access.agent, access.line, TWO_ORIGINS):
            continue
        origin = "elsewhere" if access.t_s >= moved_s else ""
        alert = detector.update(feed.line(access, origin=origin))
        if alert is not None:
            return alert.alert_s
    return inf


@pytest.mark.parametrize("detection", [WHOLE, THINNED], ids=["every line", "a share"])
@pytest.mark.parametrize("regime", REGIMES, ids=lambda r: r.renewal.rule.keyword)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_move_alerts_as_reading_every_line_does(
    regime: Regime, detection: Detection, seed: int
) -> None:
    scenario, key = scenario_of(regime, detection), seed_key(seed)
    world = World(scenario, regime, key, ReferencePopulation(scenario, regime, key))
    for agent in range(world.layout.agents):
        world.documents(agent)
    people = People(world)
    Events(world, Threats(world, people), people)
    world.clock.advance(world.horizon_s)
    found = {first_alert_s(world, agent, t_s) for t_s, agent in moves(world)}
    expected = {alert_s for alert_s in found if alert_s < world.horizon_s}
    assert {alarm.t_s for alarm in people.false_alarms} == expected


@pytest.mark.parametrize("regime", REGIMES, ids=lambda r: r.renewal.rule.keyword)
def test_both_populations_raise_the_same_false_alarms(regime: Regime) -> None:
    benign = Benign(
        reschedules_per_agent_year=PER_YEAR,
        failovers_per_agent_year=PER_YEAR,
        late_reloads_per_agent_year=PER_YEAR,
        new_edges_per_agent_year=PER_YEAR,
    )
    scenario = scenario_of(regime).model_copy(
        update={"benign": benign, "response": Response(automatic=True)}
    )
    key = seed_key(5)
    reference, fleet = (
        run(scenario, regime, key, engine(scenario, regime, key))
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert reference[3] == fleet[3]
    assert len(reference[3]) > 5
