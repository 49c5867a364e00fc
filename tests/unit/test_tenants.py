"""Tenants of one issuer: their own rules, their own numbers, and what one does to another."""

from typing import Any

import numpy as np
import pytest

from analysis.summary import summarise
from scenarios.demand.streams import seed_key
from scenarios.record.record import RunRecord
from scenarios.spec.regime import Regime
from scenarios.spec.schema import (
    Abuse,
    Detection,
    Foothold,
    Issuer,
    Leak,
    Scenario,
    Tenant,
    Threats,
    Workload,
)
from simulator import theory
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from simulator.simulate import simulate
from tests.scenes import HOUR_S, WORK, make_regime, make_scenario

QUICK = Abuse(first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02)
DETECTION = Detection(superseded_serial=False, new_permission=False, delivery_s=5.0)


def shared(
    regime: Regime,
    bank: dict[str, Any],
    shop: dict[str, Any],
    sizes: tuple[int, int] = (300, 300),
    shop_ttl_s: float | None = None,
    **changes: Any,  # noqa: ANN401
) -> Scenario:
    """Return a scenario of two tenants with a class each."""
    classes = (
        Workload(name="teller", count=sizes[0], tasks=(WORK,)),
        Workload(name="clerk", count=sizes[1], tasks=(WORK,), ttl_s=shop_ttl_s),
    )
    tenants = (
        Tenant.model_validate({"name": "bank", "workloads": ("teller",)} | bank),
        Tenant.model_validate({"name": "shop", "workloads": ("clerk",)} | shop),
    )
    base = {"detection": DETECTION, "workloads": classes, "tenants": tenants}
    return make_scenario(regime, **(base | changes))


def of(record: RunRecord, first: int, beyond: int) -> list[Any]:
    return [theft for theft in record.incidents if first <= theft.agent < beyond]


def counts(record: RunRecord, name: str) -> list[float]:
    return [count.value for count in record.counts if count.name == name]


def test_each_tenant_s_log_is_read_as_it_says() -> None:
    threats = Threats(injected_thefts=120, abuse=QUICK)
    asked = shared(
        make_regime(), {"coverage": 1.0, "delivery_s": 2.0}, {"coverage": 0.0}, threats=threats
    )
    record = simulate(asked, 4, "fleet", 2)
    bank, shop = of(record, 0, 300), of(record, 300, 600)
    assert len(bank) > 80 < len(shop)
    assert not [theft for theft in shop if theft.alert_s is not None]
    alerts = [alert for alert in record.alerts if "/teller/" in alert.identity]
    assert len(alerts) == len(record.alerts) > 60
    assert {round(alert.t_s - alert.event_s, 6) for alert in alerts} == {2.0}


def test_each_tenant_has_its_own_analysts_or_shares_everybody_s() -> None:
    threats = Threats(injected_thefts=150, abuse=QUICK)

    def wait_s(bank: dict[str, Any]) -> float:
        slow = {"triage_mean_s": 900.0, "analysts": 1}
        asked = shared(make_regime(), bank, slow, threats=threats)
        found = of(simulate(asked, 4, "fleet", 2), 0, 300)
        return float(np.mean([t.decided_s - t.alert_s for t in found if t.decided_s and t.alert_s]))

    assert wait_s({"automatic": True}) == 0.0
    own = wait_s({"analysts": 40, "triage_mean_s": 60.0})
    assert own == pytest.approx(60.0, rel=0.35), "n = 130 of mean 60: 99 % is 0.23"


def test_hazards_thin_one_process_of_candidates() -> None:
    """Poisson at each tenant's own rate, and a subset of the thefts under the higher one."""
    hour_rate = 365.25 * 24
    regime = make_regime()
    threats = Threats(
        leak=Leak(rate_per_secret_year=0.1 * hour_rate),
        foothold=Foothold(rate_per_agent_year=0.05 * hour_rate, eviction_mean_s=60.0),
        abuse=QUICK,
    )
    start = {"ages": "synchronised"}
    alike = simulate(shared(regime, {}, {}, threats=threats, start=start), 4, "fleet", 4)
    less = {
        "leak_rate_per_secret_year": 0.025 * hour_rate,
        "foothold_rate_per_agent_year": 0.02 * hour_rate,
    }
    thinned = simulate(shared(regime, {}, less, threats=threats, start=start), 4, "fleet", 4)

    def natural(record: RunRecord, persona: str, first: int) -> set[tuple[float, int]]:
        found = of(record, first, first + 300)
        return {(t.stolen_s, t.agent) for t in found if t.persona == persona}

    for persona, share in (("leak", 0.25), ("foothold", 0.4)):
        assert natural(thinned, persona, 0) == natural(alike, persona, 0)
        fewer, all_ = natural(thinned, persona, 300), natural(alike, persona, 300)
        assert fewer < all_
        half = 2.58 * (share * (1 - share) / len(all_)) ** 0.5
        assert len(fewer) / len(all_) == pytest.approx(share, abs=half)


def test_thefts_open_at_the_start_follow_each_tenant_s_notice() -> None:
    """M/G/∞: h·E[D], and E[D] is a tenant's own mean time to notice."""
    month_s = 30 * 86_400.0
    notice = DETECTION.model_copy(update={"external_notice_mean_s": month_s, "coverage": 0.0})
    never = make_regime("never")
    threats = Threats(leak=Leak(rate_per_secret_year=2.0), abuse=QUICK)
    asked = shared(
        never, {}, {"external_notice_mean_s": month_s / 5}, threats=threats, detection=notice
    )
    record = simulate(asked.model_copy(update={"horizon_s": 60.0}), 4, "fleet", 12)
    for first, mean_s in ((0, month_s), (300, month_s / 5)):
        found = [t for t in of(record, first, first + 300) if t.stolen_s < 0]
        expected = 12 * 300 * 2.0 * mean_s / (365.25 * 86_400.0)
        assert len(found) == pytest.approx(expected, abs=2.58 * expected**0.5)


def test_a_neighbour_s_short_lifetime_delays_everybody_s_renewals() -> None:
    """M/M/1: both wait as long as the load of both together makes them, mean 1/(μ − λ)."""
    regime = make_regime("fraction", ttl_s=HOUR_S, renewal={"rule": "fraction", "jitter": 0.3})
    service_s, agents = 0.05, 1000

    def delay_s(shop_ttl_s: float | None) -> tuple[float, float, float]:
        asked = shared(
            regime,
            {},
            {},
            (agents, agents),
            shop_ttl_s,
            issuer=Issuer(servers=1, service_time_s=service_s),
            horizon_s=3 * HOUR_S,
        )
        record = simulate(asked, 9, "fleet", 6)
        found = []
        for name in ("bank", "shop"):
            total = sum(counts(record, f"tenant:{name}:renewal_delay_s"))
            found.append(total / sum(counts(record, f"tenant:{name}:renewals")))
        rate_hz = agents / 1800 + agents / ((shop_ttl_s or HOUR_S) / 2)
        return found[0], found[1], theory.mean_wait(1, rate_hz, service_s) + service_s

    for ttl_s in (None, 130.0):
        bank_s, shop_s, expected_s = delay_s(ttl_s)
        # 15 %: waits of one busy period are alike, so 1,200 of the bank's tell less than they seem
        assert bank_s == pytest.approx(expected_s, rel=0.15)
        assert shop_s == pytest.approx(expected_s, rel=0.15)


def test_a_quota_keeps_a_neighbour_s_load_away_from_the_others() -> None:
    """The shop asks for 15 times what the issuer can sign; what gets through is its quota.

    Bank: M/M/1 at λ + q as an upper bound, for the limiter's output is smoother than Poisson.
    Shop: documents come at the rate of its quota, whatever it asks for.
    """
    regime = make_regime("fraction", ttl_s=HOUR_S, renewal={"rule": "fraction", "jitter": 0.3})
    service_s, agents, quota_hz = 0.1, 600, 4.0

    def run_with(shop: dict[str, Any]) -> dict[str, float]:
        issuer = Issuer(servers=1, service_time_s=service_s)
        asked = shared(regime, {}, shop, (agents, agents), 8.0, issuer=issuer, horizon_s=2 * HOUR_S)
        record = simulate(asked, 9, "fleet", 2)
        names = {count.name for count in record.counts}
        return {name: float(np.mean(counts(record, name))) for name in names}

    free, held = run_with({}), run_with({"quota": {"rate_hz": quota_hz}})

    def bank_s(of: dict[str, float]) -> float:
        return of["tenant:bank:renewal_delay_s"] / of["tenant:bank:renewals"]

    bound_s = theory.mean_wait(1, agents / 1800 + quota_hz, service_s) + service_s
    assert bank_s(held) <= bound_s
    assert bank_s(free) > 100.0 * bound_s
    shop_hz = held["tenant:shop:issued"] / 200 * agents / (2 * HOUR_S)
    assert shop_hz == pytest.approx(quota_hz, rel=0.05)
    assert "limited" not in free
    assert held["limited"] > 0.9 * quota_hz * 2 * HOUR_S


def test_a_tenant_arms_its_own_detectors() -> None:
    """Each sees what its own detectors see, as early as they do."""
    threats = Threats(injected_thefts=120, abuse=QUICK)
    blind = {"detection": {"two_origins": False}}
    late = {"detection": {"two_origins": {"armed": True, "delay_s": 40.0}}}
    record = simulate(shared(make_regime(), blind, late, threats=threats), 4, "fleet", 2)
    assert not [theft for theft in of(record, 0, 300) if theft.alert_s is not None]
    assert {round(alert.t_s - alert.event_s, 6) for alert in record.alerts} == {45.0}
    assert len(record.alerts) > 60
    other = {"detection": {"superseded_serial": True, "two_origins": False}}
    record = simulate(shared(make_regime(), blind, other, threats=threats), 4, "fleet", 2)
    assert {alert.detector for alert in record.alerts} == {"superseded-serial"}
    assert all("/clerk/" in alert.identity for alert in record.alerts)


def test_expired_seconds_of_a_tenant_are_those_of_its_agents() -> None:
    regime = make_regime("fraction", ttl_s=600.0)
    outage = {"kind": "issuer-outage", "start_s": 1000.0, "duration_s": 900.0}
    asked = shared(regime, {}, {}, (60, 40), faults=(outage,))
    record = simulate(asked, 4, "fleet", 1)
    (all_s,) = counts(record, "expired_agent_s")
    parts = [counts(record, f"tenant:{name}:expired_s")[0] for name in ("bank", "shop")]
    assert sum(parts) == pytest.approx(all_s)
    assert counts(record, "tenant:bank:sampled") == [60.0]
    issued = sum(counts(record, f"tenant:{name}:issued")[0] for name in ("bank", "shop"))
    assert issued == counts(record, "issued")[0]


def test_a_large_tenant_is_sampled_without_repetition() -> None:
    record = simulate(shared(make_regime(), {}, {}, (500, 40)), 4, "fleet", 1)
    assert counts(record, "tenant:bank:sampled") == [200.0]
    assert counts(record, "tenant:shop:sampled") == [40.0]


def test_both_populations_count_alike() -> None:
    regime = make_regime("fraction-polled", ttl_s=600.0)
    threats = Threats(injected_thefts=10, leak=Leak(rate_per_secret_year=5000.0), abuse=QUICK)
    asked = shared(regime, {"automatic": True}, {"coverage": 0.5}, (30, 25), 200.0, threats=threats)
    key = seed_key(3)
    one, other = (
        run(asked, regime, key, engine(asked, regime, key))
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert one[2:] == other[2:]
    mine = [{k: v for k, v in c.items() if k.startswith("tenant:")} for c in (one[0], other[0])]
    assert mine[0] == mine[1]
    assert mine[0]["tenant:shop:renewals"] > 100


def test_the_summary_tells_tenants_apart() -> None:
    threats = Threats(injected_thefts=60, abuse=QUICK)
    # replaced at once: a detector reports an identity again only after that
    deny = make_regime(revocation={"method": "deny-list"})
    bank_rules = {"coverage": 1.0, "automatic": True}
    asked = shared(deny, bank_rules, {"coverage": 0.0}, threats=threats)
    (found,) = summarise(simulate(asked, 4, "fleet", 3)).regimes.values()
    bank, shop = found.tenants["bank"], found.tenants["shop"]
    assert bank.agents == shop.agents == 300
    assert bank.thefts + shop.thefts == found.thefts
    assert bank.time_to_detection.detected_share.value == pytest.approx(1.0)
    assert shop.time_to_detection.detected_share.value == 0.0
    whole = found.metrics["issuances_per_s"].value
    parts = [one.metrics["issuances_per_s"].value for one in (bank, shop)]
    assert sum(part for part in parts if part) == pytest.approx(whole, rel=0.05)


def test_a_scenario_without_tenants_counts_none() -> None:
    regime = make_regime()
    record = simulate(make_scenario(regime), 4, "fleet", 1)
    assert not [count for count in record.counts if count.name.startswith("tenant:")]
    assert not summarise(record).regimes["tested"].tenants
