"""Harmless events: which alerts they raise, and what the response does to healthy credentials."""

from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow
from scenarios.spec.regime import Regime, RevocationRule
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Benign, Detection, Response, Scenario, Task
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, make_regime, make_scenario

OFTEN = Task(name="often", rate_hz=0.02, duration_s=5.0, permissions=("files:read",))
DENY = RevocationRule.model_validate({"method": "deny-list", "delay_s": 5.0})
DELETE = RevocationRule.model_validate({"method": "delete", "delay_s": 5.0})
TWICE = 2.0 / (2 * HOUR_S) * SECONDS_PER_YEAR
"""a rate per year that strikes an agent twice in the two hours of a run"""


def scene(regime: Regime, benign: Benign, **changes: Any) -> Scenario:  # noqa: ANN401
    changes = {"agents": 40, "tasks": (OFTEN,), "benign": benign} | changes
    return make_scenario(regime, **changes)


def outcome(scenario: Scenario, seed: int = 1) -> tuple[dict[str, float], list[AlertRow]]:
    (regime,) = scenario.regimes
    key = seed_key(seed)
    counts, _, _, alerts = run(scenario, regime, key, ReferencePopulation(scenario, regime, key))
    return counts, alerts


def test_without_rates_nothing_is_counted() -> None:
    counts, alerts = outcome(scene(make_regime(), Benign()))
    assert not alerts
    assert "benign_events" not in counts
    assert "healthy_replacements" not in counts


@pytest.mark.parametrize(
    ("benign", "detector"),
    [
        (Benign(reschedules_per_agent_year=TWICE), "two-origins"),
        (Benign(failovers_per_agent_year=TWICE), "two-origins"),
        (Benign(late_reloads_per_agent_year=TWICE), "superseded-serial"),
        (Benign(new_edges_per_agent_year=TWICE), "new-permission"),
    ],
    ids=["reschedule", "failover", "late reload", "new edge"],
)
def test_each_kind_deceives_its_detector_only(benign: Benign, detector: str) -> None:
    counts, alerts = outcome(scene(make_regime(ttl_s=1200.0), benign))
    assert {alert.detector for alert in alerts} == {detector}
    assert all(alert.incident is None for alert in alerts)
    assert all(alert.t_s == pytest.approx(alert.event_s + 1.0) for alert in alerts)
    assert 10 < len(alerts) <= 2 * counts["benign_events"]
    assert counts["watched_identity_s"] == 40 * 2 * HOUR_S
    unarmed = Detection().model_copy(update={detector.replace("-", "_"): False})
    assert not outcome(scene(make_regime(ttl_s=1200.0), benign, detection=unarmed))[1]


def test_an_event_between_two_documents_deceives_nobody() -> None:
    """Each document is used once, so none is ever seen from two addresses."""
    seldom = Task(name="seldom", rate_hz=1 / 3000, permissions=("files:read",))
    benign = Benign(reschedules_per_agent_year=TWICE)
    _, alerts = outcome(scene(make_regime("at-use", ttl_s=60.0), benign, tasks=(seldom,)))
    assert not alerts


def test_a_failover_that_nobody_works_through_deceives_nobody() -> None:
    brief = Benign(failovers_per_agent_year=TWICE, failover_mean_s=0.01)
    assert not outcome(scene(make_regime(), brief))[1]


def test_false_alarms_keep_analysts_busy_and_replace_nothing() -> None:
    benign = Benign(new_edges_per_agent_year=5 * TWICE)
    counts, alerts = outcome(scene(make_regime(revocation=DENY), benign))
    assert len(alerts) > 40
    assert counts["replacements"] == counts["healthy_replacements"] == 0
    slow = Response(analysts=1, triage_mean_s=2 * HOUR_S)
    _, fewer = outcome(scene(make_regime(revocation=DENY), benign, response=slow))
    assert len(fewer) < len(alerts), "one that is still queueing is not reported again"


def test_automatic_response_replaces_healthy_credentials() -> None:
    benign = Benign(new_edges_per_agent_year=TWICE)
    plain = scene(make_regime(revocation=DENY), benign)
    automatic = plain.model_copy(update={"response": Response(automatic=True)})
    counts, alerts = outcome(automatic)
    assert counts["healthy_replacements"] == counts["replacements"] > 0
    assert counts["healthy_replacements"] == pytest.approx(len(alerts), abs=5)
    before, _ = outcome(plain)
    assert counts["issued"] > before["issued"]


def test_a_late_reload_loses_only_the_old_document_to_a_deny_list() -> None:
    benign = Benign(late_reloads_per_agent_year=TWICE)
    automatic = Response(automatic=True)
    deny = make_regime(ttl_s=1200.0, revocation=DENY)
    counts, alerts = outcome(scene(deny, benign, response=automatic))
    assert alerts
    assert counts["healthy_replacements"] == 0
    delete = make_regime(ttl_s=1200.0, revocation=DELETE)
    counts, _ = outcome(scene(delete, benign, response=automatic))
    assert counts["healthy_replacements"] > 0


def test_a_false_alarm_about_a_shared_key_replaces_it_for_the_group() -> None:
    shared = make_regime("never", shared_by=4, revocation=DELETE, attribution="secret")
    benign = Benign(new_edges_per_agent_year=TWICE / 4)
    counts, alerts = outcome(scene(shared, benign, response=Response(automatic=True)))
    assert alerts
    assert counts["healthy_replacements"] % 4 == 0
    assert counts["watched_identity_s"] == 10 * 2 * HOUR_S


def test_coverage_decides_whose_events_are_seen() -> None:
    benign = Benign(new_edges_per_agent_year=TWICE)
    counts, alerts = outcome(scene(make_regime(), benign, detection=Detection(coverage=0.5)))
    seen = {alert.identity for alert in alerts}
    assert 0 < len(seen) < 40
    assert 5 < counts["watched_identity_s"] / (2 * HOUR_S) < 35
