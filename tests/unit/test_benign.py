"""Harmless events: which alerts they raise, and what the response does to healthy credentials."""

from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow
from scenarios.spec.defence import Armed, Priority, RateChange
from scenarios.spec.regime import Regime, RevocationRule
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Benign, Detection, Response, Scenario, Task
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, make_regime, make_scenario

OFTEN = Task(name="often", rate_hz=0.02, duration_s=5.0, permissions=("files:read",))
DENY = RevocationRule.model_validate({"method": "deny-list", "delay_s": 5.0})
DELETE = RevocationRule.model_validate({"method": "delete", "delay_s": 5.0})
BLIND = Detection(superseded_serial=False, two_origins=False, new_permission=False)
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
    unarmed = Detection.model_validate({detector.replace("-", "_"): False})
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


WATCHFUL = Detection(
    new_origin=Armed(armed=True),
    canary=Armed(armed=True),
    rate_change=RateChange(armed=True, threshold=30.0),
)


@pytest.mark.parametrize(
    ("benign", "deceived"),
    [
        (Benign(reschedules_per_agent_year=TWICE), {"two-origins", "new-origin"}),
        (Benign(address_reuses_per_agent_year=TWICE), {"two-origins", "new-origin"}),
        (Benign(shared_documents_per_agent_year=TWICE), {"two-origins", "new-origin"}),
        (Benign(canary_scans_per_agent_year=TWICE), {"canary", "new-permission"}),
        (Benign(batch_jobs_per_agent_year=TWICE, batch_job_rate_hz=0.5), {"rate-change"}),
    ],
    ids=["reschedule", "address reuse", "shared document", "scan", "batch job"],
)
def test_each_kind_deceives_those_that_it_can(benign: Benign, deceived: set[str]) -> None:
    automatic = Response(automatic=True)
    regime = make_regime(ttl_s=1200.0, revocation=DENY)
    counts, alerts = outcome(scene(regime, benign, detection=WATCHFUL, response=automatic))
    assert {alert.detector for alert in alerts} == deceived
    assert all(alert.incident is None for alert in alerts)
    assert len(alerts) > 20
    assert counts["healthy_replacements"] > 0, "healthy ones are answered like thefts"
    assert not outcome(scene(regime, benign, detection=BLIND))[1]


def test_an_address_handed_to_the_agent_of_the_same_node_deceives_nobody() -> None:
    """All agents sit on one node, so that whoever's address it is, it is known."""
    benign = Benign(address_reuses_per_agent_year=TWICE)
    plain = scene(make_regime(ttl_s=1200.0), benign, detection=WATCHFUL)
    (workload,) = plain.workloads
    together = workload.model_copy(update={"agents_per_node": 40})
    assert not outcome(plain.model_copy(update={"workloads": (together,)}))[1]


def test_what_is_urgent_goes_first() -> None:
    """One busy analyst: whichever kind is the urgent one waits less than the other."""
    benign = Benign(canary_scans_per_agent_year=TWICE, late_reloads_per_agent_year=4 * TWICE)
    watched = Detection(canary=Armed(armed=True), new_permission=False)
    waits = {}
    for urgent, other in (("canary", "superseded_serial"), ("superseded_serial", "canary")):
        priority = Priority.model_validate({urgent: 0, other: 1})
        slow = Response(analysts=1, triage_mean_s=60.0, priority=priority)
        counts, _ = outcome(
            scene(make_regime(ttl_s=1200.0), benign, detection=watched, response=slow)
        )
        waits[urgent] = counts[f"triage_wait_{urgent}_s"] / counts[f"triaged_{urgent}"]
        waits[f"not {other}"] = counts[f"triage_wait_{other}_s"] / counts[f"triaged_{other}"]
    assert waits["canary"] < waits["not canary"]
    assert waits["superseded_serial"] < waits["not superseded_serial"]
