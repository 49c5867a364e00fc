"""The stated answers about whom one trusts: issuer key, tenants; the rule is in ``answers``."""

from math import exp

import pytest

from scenarios.spec.defence import Armed
from scenarios.spec.schema import Scenario
from simulator import theory, theory_of_bundles
from tests.verification.answers import (
    Found,
    at_most,
    counts,
    equals,
    mean,
    run,
    scenario,
    share,
    thefts,
)

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0


def test_ca_compromise() -> None:
    """First use 100 s·e^(0.7²/2), forgeries at 12/h of which 47.1 % are read, 300 s of delivery.

    How long until that alert: 40 thieves at a time whose key nobody replaces, in a fleet so large
    that hardly two of them are reported under one identity.
    """
    asked = scenario("ca-compromise")
    unseen_s = theory.forgery_alert(100.0 * exp(0.7**2 / 2), 0.471, 12 / HOUR_S)
    seen_s = unseen_s + 300.0
    never = asked.response.new_issuer.model_copy(update={"prepare_s": asked.horizon_s})
    crowd = scenario("ca-compromise", 4000).model_copy(
        update={
            "threats": asked.threats.model_copy(update={"injected_issuer_compromises": 40}),
            "response": asked.response.model_copy(update={"automatic": True, "new_issuer": never}),
        }
    )
    stolen = thefts(run(crowd, 9, ["x509-svid-24h"]), "x509-svid-24h", "issuer-key")
    whole = [t for t in stolen if t.stolen_s < asked.horizon_s - 10_000]  # who had time to be seen
    alert_s = [t.alert_s - t.stolen_s for t in whole if t.alert_s is not None]
    assert len(alert_s) == len(whole)
    equals(mean(alert_s), seen_s, 0.25 * seen_s)
    # from the decision on nothing is drawn: the hour to the new key and the hour of overlap
    stolen = thefts(run(asked, 24, ["x509-svid-1h"]), "x509-svid-1h", "issuer-key")
    ended = [t for t in stolen if t.revoked_s is not None and t.decided_s is not None]
    assert len(ended) > 12
    for theft in ended:
        assert theft.evicted_s == theft.revoked_s
        assert (theft.revoked_s or 0.0) - (theft.decided_s or 0.0) == pytest.approx(2 * HOUR_S)
    assert seen_s + 900.0 + 2 * HOUR_S == pytest.approx(2.5 * HOUR_S, rel=0.02), "as it says"
    assert {t.permissions for t in stolen} == {4}
    late = overtaken(asked, "x509-svid-24h", 24)
    age_s = theory.polled_age(24 * HOUR_S, 0.5, 0.1, 5.0).mean
    equals(late, theory.overtaken_share(age_s, 1.0, HOUR_S), 0.03)
    new = asked.response.new_issuer.model_copy(update={"reissue_s": 600.0})
    reissuing = asked.response.model_copy(update={"new_issuer": new})
    renewed = asked.model_copy(update={"response": reissuing})
    assert overtaken(renewed, "x509-svid-24h", 9).value == 0.0
    for short in ("x509-svid-1h", "jwt-svid-5m"):
        assert overtaken(asked, short, 9).value == 0.0, "0.55 T < V, or expired by then"


def overtaken(asked: Scenario, regime: str, replications: int) -> Found:
    found = counts(run(asked, replications, [regime]), regime)
    late = sum(c["overtaken_agents"] for c in found)
    return share(int(late), int(sum(c["agents"] * c["issuer_replacements"] for c in found)))


def test_multi_tenant() -> None:
    """M/M/1 at the rate of both, s/(1 − λs): 360 ms with the hurry, 55 ms without."""
    asked = scenario("multi-tenant")
    service_s, bank, hasty = 0.05, 1500, 2000
    rate_hz = bank / 1800 + hasty / (244 / 2)
    delay_s = theory.mean_wait(1, rate_hz, service_s) + service_s
    record = run(asked, 12)
    (regime,) = (r.name for r in asked.regimes)
    found = counts(record, regime)
    for tenant in ("bank", "start-up"):
        each = [
            c[f"tenant:{tenant}:renewal_delay_s"] / c[f"tenant:{tenant}:renewals"] for c in found
        ]
        equals(mean(each), delay_s, 0.1 * delay_s)
        expired_s = sum(c[f"tenant:{tenant}:expired_s"] for c in found)
        sampled_s = sum(c[f"tenant:{tenant}:sampled"] for c in found) * asked.horizon_s
        assert expired_s / sampled_s < 1e-5, "nobody stands without, but for who is replaced"
    patient = tuple(w.model_copy(update={"ttl_s": None}) for w in asked.workloads)
    slow = counts(run(asked.model_copy(update={"workloads": patient}), 6), regime)
    each = [c["tenant:bank:renewal_delay_s"] / c["tenant:bank:renewals"] for c in slow]
    alone_s = theory.mean_wait(1, (bank + hasty) / 1800, service_s) + service_s
    equals(mean(each), alone_s, 0.1 * alone_s)
    stolen = [t for t in thefts(record, regime) if t.stolen_s < asked.horizon_s - 3600]
    of_bank = [t for t in stolen if t.agent < bank]
    caught = sum(t.alert_s is not None and t.alert_s < (t.expires_s or 0.0) for t in of_bank)
    # 95 % are read; a document has 27 min left at least, first use, owner and log take under ten
    equals(share(caught, len(of_bank)), 0.95, 0.05)
    of_hasty = [t for t in stolen if t.agent >= bank]
    assert len(of_hasty) > 250
    assert not any(t.alert_s is not None and t.alert_s < (t.expires_s or 0.0) for t in of_hasty)
    left_s = [(t.expires_s or 0.0) - t.stolen_s for t in of_hasty]
    age = theory.uniform_age(244.0, 0.5, 0.1)
    equals(mean(left_s), theory.residual_validity(244.0, age), 0.05 * 183.0)


def test_noisy_neighbour() -> None:
    """With the quota q at most M/M/1 at λ + q, for a limiter's output is smoother than Poisson.

    Without it 2000 customers of one server in saturation: W = N/X − Z, X what the bank leaves of
    20/s and Z = 30 s from an issue to its renewal. A document lives 60 s of each cycle N/X or N/q.
    """
    asked = scenario("noisy-neighbour")
    service_s, bank_hz, hasty, quota_hz = 0.05, 1500 / 1800, 2000, 12.0
    bound_s = theory.mean_wait(1, bank_hz + quota_hz, service_s) + service_s
    assert bound_s == pytest.approx(0.14, abs=0.005), "as it says"
    left_hz = 1.0 / service_s - bank_hz
    queue_s = hasty / left_hz - 30.0
    assert queue_s == pytest.approx(74.0, abs=1.0), "as it says"
    free = tuple(tenant.model_copy(update={"quota": None}) for tenant in asked.tenants)
    (regime,) = (r.name for r in asked.regimes)

    def told(of: Scenario) -> tuple[Found, Found]:
        found = counts(run(of, 6), regime)
        bank_s = [c["tenant:bank:renewal_delay_s"] / c["tenant:bank:renewals"] for c in found]
        lacking = [
            c["tenant:start-up:expired_s"] / c["tenant:start-up:sampled"] / asked.horizon_s
            for c in found
        ]
        return mean(bank_s), mean(lacking)

    held_s, held = told(asked)
    at_most(held_s, bound_s)
    equals(held, 1.0 - 60.0 * quota_hz / hasty, 0.03)
    free_s, freely = told(asked.model_copy(update={"tenants": free}))
    equals(free_s, queue_s, 4.0)
    equals(freely, 1.0 - 60.0 * left_hz / hasty, 0.03)


def test_nobody_sees_a_forgery_without_an_issue_log() -> None:
    asked = scenario("ca-compromise")
    detection = asked.detection.model_copy(update={"issue_log": Armed(), "coverage": 1.0})
    record = run(asked.model_copy(update={"detection": detection}), 12, ["x509-svid-1h"])
    assert len(record.incidents) == 12
    assert not record.alerts


POISONED = "federation-poisoned-bundle"
SVID = "x509-svid-24h"
ENDED_S = 10 * HOUR_S
"""long enough for a triage of a quarter of an hour in the mean to be over, and all that follows"""


def poisoned(asked: Scenario, replications: int, margin_s: float = ENDED_S) -> list[float]:
    """Return for how long attackers' keys were believed that began long enough before the end."""
    stolen = thefts(run(asked, replications, [SVID]), SVID, "poisoned-bundle")
    whole = [t for t in stolen if t.stolen_s < asked.horizon_s - margin_s]
    assert all(t.evicted_s is not None for t in whole)
    return [(t.evicted_s or 0.0) - t.stolen_s for t in whole]


def refreshed(asked: Scenario, refresh_s: float) -> Scenario:
    (partner,) = asked.federation
    slow = partner.model_copy(update={"bundle_refresh_s": refresh_s})
    return asked.model_copy(update={"federation": (slow,)})


def test_federation_poisoned_bundle() -> None:
    """Noticed after 300 + 900 s, decided Exp(900) later, out 3600 s later, then the next fetch."""
    asked = scenario(POISONED, 24)
    (partner,) = asked.federation
    assert partner.bundle_refresh_s == 300.0
    fixed_s = 300.0 + 900.0 + HOUR_S
    believed_s = theory_of_bundles.poisoned_until_repaired(300.0, fixed_s, 900.0)
    assert round(believed_s / HOUR_S, 1) == 1.6, "as it says"
    equals(mean(poisoned(asked, 120)), believed_s, 0.1 * believed_s)
    for regime in ("x509-svid-24h", "jwt-svid-5m"):
        stolen = thefts(run(asked, 6, [regime]), regime, "poisoned-bundle")
        assert {t.permissions for t in stolen} == {3}
        assert {t.detector for t in stolen if t.alert_s is not None} <= {"bundle-change"}
        partners = {w.name: w.count for w in asked.workloads}["partner"]
        assert all(t.agent < partners for t in stolen), "never one of ours"


def test_a_poisoned_bundle_copied_once_a_day_stays_a_day() -> None:
    """B·E⌈(4800 + Exp(900))/B⌉ is B, but for a triage of a day."""
    asked = refreshed(scenario(POISONED, 24), DAY_S).model_copy(update={"horizon_s": 4 * DAY_S})
    assert theory_of_bundles.poisoned_until_repaired(DAY_S, 4800.0, 900.0) == pytest.approx(DAY_S)
    equals(mean(poisoned(asked, 12, 2 * DAY_S)), DAY_S, 0.01 * DAY_S)


@pytest.mark.parametrize("refresh_s", [300.0, DAY_S])
def test_a_bundle_set_by_hand_ends_it_whatever_the_interval(refresh_s: float) -> None:
    """300 + 900 + Exp(900) + 600 s, where no fetch brings the true one before."""
    asked = refreshed(scenario(POISONED, 24), refresh_s)
    hand = asked.response.bundle.model_copy(update={"by_hand_s": 600.0})
    answer = asked.response.model_copy(update={"bundle": hand})
    found = poisoned(asked.model_copy(update={"response": answer}), 120)
    equals(mean(found), 45 * MINUTE_S, 0.15 * 45 * MINUTE_S)


@pytest.mark.parametrize(("refresh_s", "caught"), [(300.0, 0.96), (DAY_S, 0.04)])
def test_of_a_brief_hijack_the_interval_changes_how_often_and_not_how_much(
    refresh_s: float, caught: float
) -> None:
    """(H/B)(1 − e^{−B/H}) are fetched; each poisoning is believed for H in the mean, whatever B.

    Many in one long run, so that few are cut off by its end; nobody looks, so none ends another.
    """
    hijacks, days = 400, 100
    assert round(theory_of_bundles.fetched_share(refresh_s, HOUR_S), 2) == caught, "as it says"
    asked = refreshed(scenario(POISONED, 4), refresh_s)
    law = asked.threats.bundle.model_copy(update={"lasts_mean_s": HOUR_S})
    threats = asked.threats.model_copy(
        update={"bundle": law, "injected_bundle_poisonings": hijacks}
    )
    blind = asked.detection.model_copy(
        update={"bundle_change": asked.detection.bundle_change.model_copy(update={"armed": False})}
    )
    brief = asked.model_copy(
        update={
            "threats": threats,
            "detection": blind,
            "horizon_s": days * DAY_S,
            "series_interval_s": HOUR_S,
            "probes": 0,
        }
    )
    found = counts(run(brief, 30, [SVID]), SVID)
    equals(mean([c["bundles_poisoned"] / hijacks for c in found]), caught, 0.015)
    each_s = mean([c["poisoned_s"] / hijacks for c in found])
    equals(each_s, HOUR_S, 0.15 * HOUR_S)


def test_a_bundle_without_the_partner_s_keys_refuses_him() -> None:
    """59 starts of each agent: 0.01/s for as long as the poison is believed."""
    asked = scenario(POISONED, 24)
    law = asked.threats.bundle.model_copy(update={"replaces": True})
    threats = asked.threats.model_copy(update={"bundle": law})
    record = run(asked.model_copy(update={"threats": threats}), 120, [SVID])
    partners = {w.name: w.count for w in asked.workloads}["partner"]
    whole = {t.replication for t in record.incidents if t.stolen_s < asked.horizon_s - ENDED_S}
    each = [
        c["refused_by_poison"] / partners
        for replication, c in enumerate(counts(record, SVID))
        if replication in whole
    ]
    equals(mean(each), 59.0, 5.9)


def test_who_merely_answers_in_its_place_does_not_pass_https_spiffe() -> None:
    asked = scenario(POISONED, 24)
    (partner,) = asked.federation
    spiffe = partner.model_copy(update={"bundle_profile": "https_spiffe"})
    found = counts(run(asked.model_copy(update={"federation": (spiffe,)}), 12, [SVID]), SVID)
    assert all(c["bundles_poisoned"] == 0.0 for c in found)
    assert sum(c["bundles_resisted"] for c in found) >= 11
