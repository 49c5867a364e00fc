"""A stolen key of a node's agent: what it is worth until it is banned, and after."""

from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Abuse, Detection, NodeAgent, Task, Threats
from simulator.control.run import run
from simulator.layout import Layout
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, make_regime, make_scenario

BLIND = Detection(superseded_serial=False, two_origins=False, new_permission=False, delivery_s=0.0)
MODEST = Abuse(
    first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02, foreign_permission_share=0.0
)
OFTEN = Task(name="often", rate_hz=0.02, permissions=("files:read",))


def thefts(
    regime: Regime,
    detection: Detection = BLIND,
    **changes: Any,  # noqa: ANN401
) -> list[Incident]:
    law = NodeAgent(ban_mean_s=900.0)
    threats = Threats(node_agent=law, injected_agent_keys=20, abuse=MODEST)
    changes = {"agents": 42, "tasks": (OFTEN,), "threats": threats} | changes
    scenario = make_scenario(regime, detection=detection, **changes)
    key = seed_key(4)
    return run(scenario, regime, key, ReferencePopulation(scenario, regime, key))[2]


def test_nodes_hold_every_agent_once() -> None:
    regime = make_regime()
    layout = Layout(make_scenario(regime, agents=42), regime)
    assert layout.nodes == 11
    members = [agent for node in range(layout.nodes) for agent in layout.on_node(node)]
    assert members == list(range(42))
    assert all(layout.node(agent) == 10 for agent in layout.on_node(10))
    with pytest.raises(IndexError):
        layout.on_node(11)


def test_access_ends_a_whole_life_after_the_ban() -> None:
    short, long = thefts(make_regime(ttl_s=600.0)), thefts(make_regime(ttl_s=1200.0))
    assert {theft.persona for theft in short} == {"agent-key"}
    pairs = [(a, b) for a, b in zip(short, long, strict=True) if a.evicted_s and b.evicted_s]
    assert len(pairs) > 5
    for a, b in pairs:
        assert a.evicted_s is not None
        assert b.evicted_s is not None
        assert b.evicted_s - a.evicted_s == pytest.approx(600.0)
        assert a.evicted_s > a.stolen_s + 600.0
        assert a.end == "evicted"


def test_a_key_that_nobody_issues_has_no_agent() -> None:
    assert not thefts(make_regime("never"))


def test_the_owner_gives_away_who_had_a_newer_document_signed() -> None:
    detection = Detection(two_origins=False, new_permission=False, delivery_s=0.0)
    found = thefts(make_regime(), detection)
    told = [theft for theft in found if theft.alert_s is not None]
    assert len(told) > 5
    assert {theft.detector for theft in told} == {"superseded-serial"}


def test_a_stationary_run_begins_with_keys_that_nobody_banned_yet() -> None:
    law = NodeAgent(rate_per_node_year=1000.0, ban_mean_s=8 * HOUR_S)
    threats = Threats(node_agent=law, abuse=MODEST)
    before = [theft for theft in thefts(make_regime(), threats=threats) if theft.stolen_s < 0]
    assert len(before) == pytest.approx(11 * 1000 * 8 / 8766, rel=0.6)
