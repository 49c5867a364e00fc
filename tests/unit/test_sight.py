"""What a detector sees of a theft, and which of several speaks first."""

import pytest

from analysis.summary import summarise
from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow, Incident
from scenarios.spec.defence import Armed
from scenarios.spec.schema import Abuse, Benign, Detection, Response, Task, Threats
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from simulator.simulate import simulate
from tests.scenes import make_regime, make_scenario

OFF = Armed()
TASK = Task(name="work", rate_hz=1 / 20, permissions=("files:read",))
OTHER = Task(name="other", rate_hz=1 / 500, permissions=("mail:send",))
TRIES = Abuse(
    first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.05, foreign_permission_share=0.5
)


def outcome(detection: Detection) -> tuple[list[Incident], list[AlertRow]]:
    """Thefts of keys whose task is named, by thieves who try what it does not need."""
    regime = make_regime("never", attribution="task")
    scenario = make_scenario(
        regime,
        agents=60,
        tasks=(TASK, OTHER),
        threats=Threats(injected_thefts=20, abuse=TRIES),
        detection=detection,
        response=Response(automatic=True),
    )
    key = seed_key(4)
    found = [
        run(scenario, regime, key, engine(scenario, regime, key))[2:]
        for engine in (ReferencePopulation, FleetPopulation)
    ]
    assert found[0] == found[1]
    return found[0]


def told(
    two_origins: Armed = OFF, new_permission: Armed = OFF
) -> dict[tuple[int, float], tuple[str | None, float]]:
    """Return who told of each theft, and how long after the first use."""
    thefts, _ = outcome(
        Detection(
            superseded_serial=OFF,
            two_origins=two_origins,
            new_permission=new_permission,
            delivery_s=5.0,
        )
    )
    return {
        (t.agent, t.stolen_s): (t.detector, (t.alert_s or 0.0) - (t.first_use_s or 0.0))
        for t in thefts
        if t.stolen_s < 5000.0
    }


def test_a_delay_comes_on_top_of_delivery() -> None:
    for delay_s in (0.0, 70.0):
        found = told(two_origins=Armed(armed=True, delay_s=delay_s))
        assert {name for name, _ in found.values()} == {"two-origins"}
        assert min(late for _, late in found.values()) == pytest.approx(5.0 + delay_s)


def test_a_quick_detector_overtakes_a_slow_one_that_saw_him_before() -> None:
    quick, slow = Armed(armed=True), Armed(armed=True, delay_s=600.0)
    alone = told(new_permission=quick)
    both = told(two_origins=slow, new_permission=quick)
    for theft, (name, late_s) in both.items():
        assert name == "new-permission", theft
        assert late_s == pytest.approx(alone[theft][1])
    other = told(two_origins=quick, new_permission=slow)
    assert {name for name, _ in other.values()} == {"two-origins"}


def test_a_detector_that_sees_nothing_says_nothing() -> None:
    blind = told(two_origins=Armed(armed=True, sensitivity=0.0))
    assert {name for name, _ in blind.values()} == {None}


def test_a_word_stands_for_a_table() -> None:
    asked = Detection.model_validate({"two_origins": False, "canary": True})
    assert asked == Detection(two_origins=OFF, canary=Armed(armed=True))
    assert asked.superseded_serial.armed, "unless it says otherwise"


def test_a_detector_that_was_armed_and_silent_has_a_rate_of_false_alarms() -> None:
    regime = make_regime(ttl_s=1200.0)
    benign = Benign(new_edges_per_agent_year=3000.0)
    asked = make_scenario(regime, benign=benign, detection=Detection(canary=Armed(armed=True)))
    found = summarise(simulate(asked, 3, "fleet", 2)).regimes["tested"].metrics
    per_day = "false_alarms_per_identity_day"
    edges, canary = found[f"new_permission_{per_day}"], found[f"canary_{per_day}"]
    assert edges.value is not None
    assert edges.value > 0.0
    assert (canary.value, canary.low) == (0.0, 0.0)
    assert canary.high is not None
    assert canary.high > 0.0
    assert "canary_precision" not in found
