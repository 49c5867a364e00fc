"""The control plane: what thieves take, what people do about it, and how it ends."""

from typing import Any

import numpy as np
import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow, Incident
from scenarios.spec.fault_kinds import IssuerOutage
from scenarios.spec.regime import Regime, RevocationRule
from scenarios.spec.schema import (
    Abuse,
    Detection,
    Foothold,
    Leak,
    Response,
    Task,
    Threats,
)
from simulator.control.measures import Series
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, make_regime, make_scenario

DENY = RevocationRule.model_validate({"method": "deny-list", "delay_s": 5.0})
DELETE = RevocationRule.model_validate({"method": "delete", "delay_s": 5.0})
BLIND = Detection(superseded_serial=False, two_origins=False, new_permission=False, delivery_s=0.0)
QUICK = Abuse(first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02)
OFTEN = Task(name="often", rate_hz=0.05, permissions=("files:read",))
OTHER = Task(name="other", rate_hz=0.01, permissions=("mail:send",))


class Outcome:
    """One run, its tables by name."""

    def __init__(self, regime: Regime, seed: int = 1, **changes: Any) -> None:  # noqa: ANN401
        changes = {"tasks": (OFTEN, OTHER), "agents": 80} | changes
        scenario = make_scenario(regime, **changes)
        key = seed_key(seed)
        self.counts: dict[str, float]
        self.series: Series
        self.thefts: list[Incident]
        self.alerts: list[AlertRow]
        population = ReferencePopulation(scenario, regime, key)
        self.counts, self.series, self.thefts, self.alerts = run(scenario, regime, key, population)


def injected(n: int = 20, **changes: Any) -> Threats:  # noqa: ANN401
    return Threats(injected_thefts=n, abuse=QUICK, **changes)


def test_without_detectors_a_leak_lasts_until_it_expires() -> None:
    outcome = Outcome(make_regime(), threats=injected(), detection=BLIND)
    assert len(outcome.thefts) == 20
    assert not outcome.alerts
    for theft in outcome.thefts:
        assert theft.expires_s is not None
        assert theft.end == ("expired" if theft.expires_s < 2 * HOUR_S else "open")
        if theft.last_accepted_s is not None:
            assert theft.last_accepted_s < theft.expires_s
        assert theft.uses_refused <= (theft.end == "expired"), "refused once, he stops"


def test_two_origins_are_seen_at_the_first_use() -> None:
    detection = Detection(superseded_serial=False, new_permission=False, delivery_s=7.0)
    outcome = Outcome(make_regime(), threats=injected(), detection=detection)
    told = [theft for theft in outcome.thefts if theft.alert_s is not None]
    assert len(told) >= 18
    for theft in told:
        assert theft.detector == "two-origins"
        assert theft.alert_s is not None
        assert theft.first_use_s is not None
        assert theft.alert_s >= theft.first_use_s + 7.0
    for alert in outcome.alerts:
        assert alert.t_s == pytest.approx(alert.event_s + 7.0)
        assert alert.incident is not None
        assert outcome.thefts[alert.incident].agent == int(alert.identity.rsplit("/", 1)[1])


def test_an_analyst_decides_then_the_verifiers_refuse() -> None:
    outcome = Outcome(
        make_regime(revocation=DENY), threats=injected(), response=Response(triage_mean_s=60.0)
    )
    revoked = [theft for theft in outcome.thefts if theft.end == "revoked"]
    assert len(revoked) > 10
    for theft in revoked:
        assert theft.alert_s is not None
        assert theft.decided_s is not None
        assert theft.revoked_s is not None
        assert theft.stolen_s < theft.alert_s < theft.decided_s
        assert theft.revoked_s == pytest.approx(theft.decided_s + 5.0)
        assert theft.last_accepted_s is None or theft.last_accepted_s < theft.revoked_s
        assert theft.uses_refused >= 0


def test_automatic_response_decides_at_the_alert() -> None:
    outcome = Outcome(
        make_regime(revocation=DENY), threats=injected(), response=Response(automatic=True)
    )
    told = [theft for theft in outcome.thefts if theft.alert_s is not None]
    assert told
    assert all(theft.decided_s == theft.alert_s for theft in told)


def test_one_analyst_makes_alerts_wait_longer_than_many() -> None:
    def delay(analysts: int) -> float:
        response = Response(analysts=analysts, triage_mean_s=300.0)
        thefts = Outcome(
            make_regime(revocation=DENY), threats=injected(60), response=response
        ).thefts
        return float(
            np.mean([t.decided_s - t.alert_s for t in thefts if t.decided_s and t.alert_s])
        )

    assert delay(1) > 2 * delay(50)


def test_a_deny_list_leaves_an_owner_alone_who_has_moved_on() -> None:
    late = Detection(two_origins=False, new_permission=False, delivery_s=0.0)
    regime = make_regime(ttl_s=600.0, revocation=DENY)
    deny = Outcome(regime, threats=injected(), detection=late, response=Response(automatic=True))
    assert any(theft.detector == "superseded-serial" for theft in deny.thefts)
    assert deny.counts["replacements"] == 0
    delete = Outcome(
        make_regime(ttl_s=600.0, revocation=DELETE),
        threats=injected(),
        detection=late,
        response=Response(automatic=True),
    )
    assert delete.counts["replacements"] > 0


def test_a_shared_key_is_replaced_for_its_whole_group() -> None:
    regime = make_regime("never", shared_by=4, revocation=DELETE, attribution="secret")
    detection = BLIND.model_copy(update={"external_notice_mean_s": 600.0})
    outcome = Outcome(regime, threats=injected(5), detection=detection)
    revoked = [theft for theft in outcome.thefts if theft.end == "revoked"]
    assert revoked
    assert outcome.counts["replacements"] == outcome.counts["issued"]
    assert outcome.counts["replacements"] % 4 == 0
    assert outcome.counts["secrets"] == 20
    assert all(alert.identity.startswith("key://clerk/") for alert in outcome.alerts)


def test_revocation_that_never_happens_leaves_a_key_open() -> None:
    never = RevocationRule.model_validate({"method": "delete", "probability": 0.0})
    detection = BLIND.model_copy(update={"external_notice_mean_s": 60.0})
    outcome = Outcome(
        make_regime("never", revocation=never), threats=injected(), detection=detection
    )
    assert any(theft.decided_s is not None for theft in outcome.thefts)
    assert {theft.end for theft in outcome.thefts} == {"open"}


def test_a_foothold_goes_on_with_the_next_document() -> None:
    threats = Threats(
        injected_footholds=10, abuse=QUICK, foothold=Foothold(eviction_mean_s=2 * HOUR_S)
    )
    outcome = Outcome(make_regime(ttl_s=300.0), threats=threats, detection=BLIND)
    for theft in outcome.thefts:
        assert theft.persona == "foothold"
        if theft.evicted_s is not None:
            assert theft.end == "evicted"
            assert theft.last_accepted_s is None or theft.last_accepted_s < theft.evicted_s
    assert any(theft.uses_accepted > 0.02 * 1200 for theft in outcome.thefts)


def test_a_node_bound_copy_is_refused_at_its_first_use() -> None:
    outcome = Outcome(make_regime(binding="node"), threats=injected(), detection=BLIND)
    used = [theft for theft in outcome.thefts if theft.first_use_s is not None]
    assert used
    assert {theft.end for theft in used} == {"refused"}
    assert all(theft.uses_accepted == 0 for theft in outcome.thefts)


def test_a_session_outlives_its_credential() -> None:
    plain = Outcome(make_regime(ttl_s=300.0), threats=injected(), detection=BLIND)
    longer = Outcome(
        make_regime(ttl_s=300.0, session_overhang_s=200.0), threats=injected(), detection=BLIND
    )
    for before, after in zip(plain.thefts, longer.thefts, strict=True):
        assert before.evicted_s is None
        assert after.uses_accepted >= before.uses_accepted
        if after.evicted_s is not None:
            assert after.expires_s is not None
            assert after.evicted_s == pytest.approx(after.expires_s + 200.0)
    assert sum(t.uses_accepted for t in longer.thefts) > sum(t.uses_accepted for t in plain.thefts)


def test_scope_decides_what_a_document_opens() -> None:
    def opened(**changes: Any) -> set[int]:  # noqa: ANN401
        regime = make_regime("at-use", ttl_s=600.0, **changes)
        outcome = Outcome(regime, threats=injected(), detection=BLIND)
        return {theft.permissions for theft in outcome.thefts}

    assert opened() == {2}
    assert opened(scope="one-task") == {2}, "nobody enforces the scope"
    assert opened(scope="one-task", scope_enforced_by="authoriser") == {1}


def test_coverage_decides_whose_log_is_read() -> None:
    none = Outcome(make_regime(), threats=injected(), detection=Detection(coverage=0.0))
    assert not none.alerts
    half = Outcome(make_regime(), threats=injected(60), detection=Detection(coverage=0.5))
    assert 15 < len(half.alerts) < 45


def test_regimes_share_their_thefts() -> None:
    threats = Threats(leak=Leak(rate_per_secret_year=5000.0), abuse=QUICK)
    often = Outcome(make_regime(ttl_s=600.0), threats=threats, detection=BLIND)
    rarely = Outcome(make_regime(leak_ratio=0.3), threats=threats, detection=BLIND)
    moments = {(theft.stolen_s, theft.agent) for theft in often.thefts if theft.stolen_s > 0}
    fewer = {(theft.stolen_s, theft.agent) for theft in rarely.thefts if theft.stolen_s > 0}
    assert fewer < moments


def test_a_stationary_run_begins_with_open_thefts() -> None:
    threats = Threats(leak=Leak(rate_per_secret_year=50.0), abuse=QUICK)
    detection = BLIND.model_copy(update={"external_notice_mean_s": 90 * 86400.0})
    key = Outcome(make_regime("never"), threats=threats, detection=detection)
    before = [theft for theft in key.thefts if theft.stolen_s < 0]
    assert len(before) == pytest.approx(50 * 80 * 90 / 365.25, rel=0.2)
    svid = Outcome(make_regime(), threats=threats, detection=detection)
    for theft in svid.thefts:
        if theft.stolen_s < 0:
            assert theft.stolen_s > -HOUR_S
            assert theft.expires_s is not None
            assert theft.expires_s > 0
    synchronised = Outcome(
        make_regime("never"), threats=threats, detection=detection, start={"ages": "synchronised"}
    )
    assert all(theft.stolen_s >= 0 for theft in synchronised.thefts)


def test_a_leak_of_nothing_usable_is_in_vain() -> None:
    regime = make_regime("at-use", ttl_s=30.0)
    outcome = Outcome(regime, threats=injected(40), tasks=(OTHER,), detection=BLIND)
    assert outcome.counts["thefts_in_vain"] > 0
    assert outcome.counts["thefts_in_vain"] + len(outcome.thefts) == 40


def test_overlapping_outages_end_with_the_last() -> None:
    faults = (
        IssuerOutage(kind="issuer-outage", start_s=1000.0, duration_s=2000.0),
        IssuerOutage(kind="issuer-outage", start_s=2000.0, duration_s=2500.0),
    )
    outcome = Outcome(make_regime(ttl_s=600.0), faults=faults)
    issued = {t_s: n for t_s, name, n in outcome.series if name == "issued"}
    assert sum(n for t_s, n in issued.items() if 1060 <= t_s < 4440) == 0
    assert sum(n for t_s, n in issued.items() if t_s >= 4500) > 0
    expired = {t_s: n for t_s, name, n in outcome.series if name == "expired_agents"}
    assert max(expired.values()) == 80
    assert sum(issued.values()) == outcome.counts["issued"]


def test_periodic_outages_repeat() -> None:
    fault = IssuerOutage(kind="issuer-outage", start_s=600.0, duration_s=60.0, every_s=600.0)
    outcome = Outcome(make_regime(ttl_s=300.0), faults=(fault,))
    refused = {t_s for t_s, name, n in outcome.series if name == "refusals" and n > 0}
    assert refused == {600.0 * k for k in range(1, 12)}
