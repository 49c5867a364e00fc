"""Verifiers who fetch a bundle now and then, when an issuer's key is lost and a new one made."""

from typing import Any

import pytest

from scenarios.spec import consistency
from scenarios.spec.authority import Federation
from scenarios.spec.regime import Regime
from scenarios.spec.schema import IssuerKey, NewIssuer, Response, Workload
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, NIGHT, WORK, make_regime
from tests.unit.test_issuer_key import HONEST, LOG, Outcome, only

REFRESH_S = 900.0
SHARE = 0.4
OVERLAP_S = 200.0
CLASSES = (
    Workload(name="clerk", count=20, tasks=(WORK,)),
    Workload(name="bot", count=10, tasks=(NIGHT,)),
)


def partner(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    base = Federation(
        trust_domain="partner.example",
        workloads=("bot",),
        bundle_refresh_s=REFRESH_S,
        our_bundle_refresh_s=REFRESH_S,
        our_access_share=SHARE,
    )
    return {"federation": (base.model_copy(update=changes),), "workloads": CLASSES}


def prepared(prepare_s: float) -> Response:
    new = NewIssuer(prepare_s=prepare_s, overlap_s=OVERLAP_S)
    return Response(automatic=True, new_issuer=new)


def outcome(prepare_s: float = 100.0, seed: int = 3, **changes: Any) -> Outcome:  # noqa: ANN401
    base = partner() | {"response": prepared(prepare_s), "horizon_s": 3 * HOUR_S}
    return Outcome(seed=seed, **(base | changes))


def test_a_lost_key_is_believed_abroad_until_the_next_fetch() -> None:
    later_s, abroad = [], 0
    for seed in range(12):
        theft = only(outcome(seed=seed))
        if theft.end != "revoked" or theft.evicted_s is None or theft.revoked_s is None:
            continue
        later_s.append(theft.evicted_s - theft.revoked_s)
        assert theft.last_accepted_s is not None
        assert theft.last_accepted_s < theft.evicted_s
        abroad += theft.last_accepted_s >= theft.revoked_s
        assert theft.uses_refused >= 1, "at home, while he is believed abroad, or in the end"
    assert len(later_s) > 6
    assert all(0.0 <= later <= REFRESH_S for later in later_s)
    assert len({round(later) for later in later_s}) > 4, "a phase of its own each time"
    assert abroad > 0


def test_what_he_does_abroad_leaves_no_line_with_us() -> None:
    """Only a share 1 − s of his uses is read, so he is seen later: each use is a trial."""
    seen_s = []
    for seed in range(40):
        theft = only(outcome(seed=seed, **partner(our_access_share=0.9)))
        if theft.alert_s is not None and theft.stolen_s < 2 * HOUR_S:
            seen_s.append(theft.alert_s - theft.stolen_s - 10.0 - 7.0)
    assert len(seen_s) > 20
    assert sum(late > 1.0 for late in seen_s) > len(seen_s) / 2


def test_a_key_published_a_refresh_ahead_is_refused_by_nobody() -> None:
    assert outcome(prepare_s=REFRESH_S).counts["refused_new_key"] == 0.0
    assert any(outcome(seed=seed).counts["refused_new_key"] > 0.0 for seed in range(4))


@pytest.mark.parametrize("rule", ["fraction", "at-use"])
def test_who_holds_a_document_of_the_new_key_too_early_is_refused(rule: str) -> None:
    """Nobody lies between the least and the most: all agents from the first day, or none."""
    regime = make_regime(rule, ttl_s=600.0)
    found = 0
    for seed in range(6):
        theft = only(result := outcome(seed=seed, regime=regime))
        if theft.end != "revoked" or theft.decided_s is None:
            continue
        refused = result.counts["refused_new_key"]
        assert 0.0 <= refused <= 20 * WORK.rate_hz * SHARE * (REFRESH_S - 100.0)
        found += refused > 0.0
    assert found > 1


def test_ours_refuse_a_partner_s_new_key_until_they_have_fetched_it() -> None:
    foreign = {"issuer": IssuerKey(trust_domain="partner.example")}
    classes = {"workloads": (CLASSES[0], CLASSES[1].model_copy(update={"tasks": (WORK,)}))}
    found = [outcome(seed=seed, threats=foreign, **classes) for seed in range(4)]
    assert any(each.counts["refused_new_key"] > 0.0 for each in found)
    early = outcome(prepare_s=REFRESH_S, threats=foreign, **classes)
    assert early.counts["refused_new_key"] == 0.0


def test_without_verifiers_elsewhere_nothing_is_counted_and_nothing_drawn() -> None:
    nobody = partner(our_bundle_refresh_s=None, our_access_share=0.0)
    theft = only(result := outcome(**nobody))
    assert "refused_new_key" not in result.counts
    assert theft.evicted_s == theft.revoked_s


def test_leases_stand_in_no_bundle() -> None:
    lease = make_regime("fraction", ttl_s=1200.0, artifact="static-key")
    theft = only(result := outcome(regime=lease))
    assert "refused_new_key" not in result.counts
    assert theft.evicted_s == theft.revoked_s


@pytest.mark.parametrize("rule", ["fraction-polled", "at-use"])
def test_both_populations_agree(rule: str) -> None:
    regime: Regime = make_regime(rule, ttl_s=900.0)
    one, other = (
        outcome(
            regime=regime,
            engine=engine,
            thieves=3,
            abuse=HONEST,
            detection=LOG.model_copy(update={"coverage": 0.5}),
            threats={"injected_thefts": 10},
        )
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert one.thefts == other.thefts
    assert one.alerts == other.alerts
    assert one.counts["refused_new_key"] == other.counts["refused_new_key"] > 0


def test_a_new_key_that_signs_too_soon_is_warned_of() -> None:
    def warned(prepare_s: float) -> str:
        scenario = outcome(prepare_s=prepare_s).scenario
        return "\n".join(consistency.warnings(scenario))

    assert "refused for up to 800 s" in warned(100.0)
    assert "fetched every 900 s" not in warned(900.0)
