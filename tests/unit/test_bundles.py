"""A poisoned bundle: when it is believed, who resists, who is refused, and how it ends."""

from math import ceil
from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow, Incident
from scenarios.spec import consistency
from scenarios.spec.authority import Federation, PoisonedBundle
from scenarios.spec.defence import Armed, BundleRepair
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Abuse, Detection, IssuerKey, Response, Threats, Workload
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, NIGHT, WORK, make_regime, make_scenario

REFRESH_S = 600.0
PARTNER = "partner.example"
ABUSE = Abuse(
    first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02, foreign_permission_share=0.0
)
WATCHED = Detection(
    superseded_serial=False,
    two_origins=False,
    new_permission=False,
    delivery_s=7.0,
    bundle_change=Armed(armed=True, delay_s=30.0),
)
ANSWER = Response(automatic=True, bundle=BundleRepair(remove_s=900.0))
FASTER = make_regime("fraction", ttl_s=1200.0)


class Outcome:
    def __init__(
        self,
        regime: Regime = FASTER,
        engine: Any = FleetPopulation,  # noqa: ANN401
        seed: int = 3,
        profile: str = "https_web",
        poisonings: int = 1,
        bundle: dict[str, Any] | None = None,
        threats: dict[str, Any] | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> None:
        law = PoisonedBundle.model_validate({"trust_domain": PARTNER} | (bundle or {}))
        base: dict[str, Any] = {
            "detection": WATCHED,
            "response": ANSWER,
            "threats": Threats.model_validate(
                {"injected_bundle_poisonings": poisonings, "abuse": ABUSE, "bundle": law}
                | (threats or {})
            ),
            "workloads": (
                Workload(name="clerk", count=20, tasks=(NIGHT,)),
                Workload(name="bot", count=10, tasks=(WORK,)),
            ),
            "federation": (
                Federation(
                    trust_domain=PARTNER,
                    workloads=("bot",),
                    bundle_refresh_s=REFRESH_S,
                    bundle_profile=profile,
                ),
            ),
            "horizon_s": 3 * HOUR_S,
        }
        self.scenario = make_scenario(regime, **(base | changes))
        key = seed_key(seed)
        self.counts: dict[str, float]
        self.thefts: list[Incident]
        self.alerts: list[AlertRow]
        self.counts, _, self.thefts, self.alerts = run(
            self.scenario, regime, key, engine(self.scenario, regime, key)
        )

    @property
    def poisoned(self) -> list[Incident]:
        return [theft for theft in self.thefts if theft.persona == "poisoned-bundle"]


def test_it_is_believed_from_the_first_fetch_to_the_one_after_its_removal() -> None:
    ended = 0
    for seed in range(8):
        for theft in Outcome(seed=seed).poisoned:
            assert theft.agent >= 20, "he forges for the partner's classes, not for ours"
            assert theft.permissions == len(WORK.permissions)
            assert theft.detector == "bundle-change"
            assert theft.alert_s == pytest.approx(theft.stolen_s + 7.0 + 30.0)
            assert theft.first_use_s == pytest.approx(theft.stolen_s + 10.0)
            if theft.end == "revoked":
                fetches = ceil((37.0 + 900.0) / REFRESH_S)
                assert theft.evicted_s == pytest.approx(theft.stolen_s + fetches * REFRESH_S)
                assert theft.revoked_s == theft.evicted_s
                assert theft.uses_refused == 1, "refused once, he stops"
                ended += 1
    assert ended > 4


def test_no_fetch_no_harm() -> None:
    """Of poisonings that last a second hardly one in six hundred is there when it is fetched."""
    outcome = Outcome(poisonings=50, bundle={"lasts_mean_s": 1.0})
    assert outcome.counts["bundles_missed"] >= 45
    assert outcome.counts["bundles_poisoned"] + outcome.counts["bundles_missed"] <= 50


def test_what_ends_by_itself_ends_at_a_fetch_and_unseen() -> None:
    blind = WATCHED.model_copy(update={"bundle_change": Armed()})
    outcome = Outcome(poisonings=20, bundle={"lasts_mean_s": 900.0}, detection=blind)
    assert not outcome.alerts
    over = [t for t in outcome.poisoned if t.evicted_s is not None]
    assert over
    for theft in over:
        assert theft.end == "evicted"
        assert theft.revoked_s is None
        fetches = ((theft.evicted_s or 0.0) - theft.stolen_s) / REFRESH_S
        assert fetches == pytest.approx(round(fetches))
        assert round(fetches) >= 1


@pytest.mark.parametrize(("share", "passes"), [(0.0, 0), (1.0, 1)])
def test_who_answers_in_the_endpoint_s_place_cannot_prove_itself_to_https_spiffe(
    share: float, passes: int
) -> None:
    outcome = Outcome(profile="https_spiffe", bundle={"endpoint_share": share})
    assert outcome.counts["bundles_poisoned"] == passes
    assert outcome.counts["bundles_resisted"] == 1 - passes
    web = Outcome(bundle={"endpoint_share": share})
    assert web.counts["bundles_poisoned"] == 1


def test_a_thief_with_the_domain_s_key_can() -> None:
    """Thirty keys are stolen and none is replaced, so one is out when the bundle is poisoned."""
    stolen = {"injected_issuer_compromises": 30, "issuer": IssuerKey(trust_domain=PARTNER)}
    outcome = Outcome(profile="https_spiffe", threats=stolen)
    assert outcome.counts["bundles_poisoned"] == 1


def test_a_bundle_without_the_domain_s_own_keys_refuses_its_agents() -> None:
    outcome = Outcome(bundle={"replaces": True})
    (theft,) = outcome.poisoned
    assert theft.evicted_s is not None
    refused = 10 * WORK.rate_hz * (theft.evicted_s - theft.stolen_s)
    assert outcome.counts["refused_by_poison"] == pytest.approx(refused)
    assert outcome.counts["poisoned_s"] == pytest.approx(theft.evicted_s - theft.stolen_s)
    assert theft.uses_accepted > 10
    assert Outcome().counts["refused_by_poison"] == 0.0


@pytest.mark.parametrize("rule", ["at-use", "per-request", "fraction"])
def test_refusals_are_counted_alike_under_every_renewal(rule: str) -> None:
    """Whoever asks for a document when he needs it is refused with what he gets."""
    outcome = Outcome(make_regime(rule, ttl_s=600.0), bundle={"replaces": True})
    (theft,) = outcome.poisoned
    assert theft.evicted_s is not None
    refused = 10 * WORK.rate_hz * (theft.evicted_s - theft.stolen_s)
    assert outcome.counts["refused_by_poison"] == pytest.approx(refused)


def test_a_copy_is_refused_as_its_owner_s_document_is() -> None:
    """Uses once a minute: of forty thieves some come while the key is missing, and are refused."""
    threats = {
        "injected_thefts": 40,
        "abuse": ABUSE.model_copy(update={"use_rate_hz": 1 / 60}),
    }
    blind = WATCHED.model_copy(update={"bundle_change": Armed()})
    regime = make_regime("fraction", ttl_s=6 * HOUR_S)

    def refused_early(bundle: dict[str, Any]) -> int:
        outcome = Outcome(regime, bundle=bundle, threats=threats, detection=blind)
        copies = [t for t in outcome.thefts if t.persona == "leak" and t.agent >= 20]
        assert len(copies) > 5
        return sum(t.uses_refused for t in copies)

    assert refused_early({}) == 0
    assert refused_early({"replaces": True}) > 0


def test_keys_replaced_under_https_spiffe_take_a_hand() -> None:
    """The true endpoint cannot prove itself by a bundle that holds the attacker's key alone."""
    inside = {"endpoint_share": 1.0, "replaces": True}
    (stays,) = Outcome(profile="https_spiffe", bundle=inside).poisoned
    assert stays.decided_s is not None
    assert stays.end == "open"
    by_hand = Response(automatic=True, bundle=BundleRepair(remove_s=60.0, by_hand_s=1234.0))
    (ended,) = Outcome(profile="https_spiffe", bundle=inside, response=by_hand).poisoned
    assert ended.decided_s is not None
    assert ended.evicted_s == pytest.approx(ended.decided_s + 1234.0)
    # beside the domain's own key a fetch does it
    (beside,) = Outcome(profile="https_spiffe", bundle={"endpoint_share": 1.0}).poisoned
    assert beside.end == "revoked"


def test_a_hand_may_be_faster_than_the_next_fetch() -> None:
    by_hand = Response(automatic=True, bundle=BundleRepair(remove_s=900.0, by_hand_s=100.0))
    (theft,) = Outcome(response=by_hand).poisoned
    assert theft.decided_s is not None
    assert theft.evicted_s == pytest.approx(theft.decided_s + 100.0)


def test_the_foreign_issue_log_and_somebody_outside_tell_too() -> None:
    log = WATCHED.model_copy(update={"bundle_change": Armed(), "issue_log": Armed(armed=True)})
    (theft,) = Outcome(detection=log).poisoned
    assert theft.detector == "unknown-serial"
    assert theft.alert_s == pytest.approx(theft.stolen_s + 10.0 + 7.0)
    told = WATCHED.model_copy(update={"bundle_change": Armed(), "external_notice_mean_s": 60.0})
    (theft,) = Outcome(detection=told).poisoned
    assert theft.detector == "external-notice"
    unseen = WATCHED.model_copy(update={"bundle_change": Armed(armed=True, sensitivity=0.0)})
    assert not Outcome(detection=unseen).alerts


def test_keys_that_are_handed_out_stand_in_no_bundle() -> None:
    assert not Outcome(make_regime("never")).thefts


@pytest.mark.parametrize("rule", ["fraction-polled", "at-use"])
def test_both_populations_agree(rule: str) -> None:
    regime = make_regime(rule, ttl_s=900.0)
    threats = {
        "bundle": PoisonedBundle(
            trust_domain=PARTNER, rate_per_year=2e4, replaces=True, lasts_mean_s=1500.0
        ),
        "injected_thefts": 10,
        "injected_footholds": 5,
    }
    one, other = (
        Outcome(
            regime,
            engine,
            poisonings=3,
            threats=threats,
            detection=Detection(issue_log=True, coverage=0.5, external_notice_mean_s=2000.0),
        )
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert one.thefts == other.thefts
    assert one.alerts == other.alerts
    assert {"poisoned-bundle", "leak"} <= {theft.persona for theft in one.thefts}
    for name in ("bundles_poisoned", "bundles_missed", "poisoned_s", "refused_by_poison"):
        assert one.counts[name] == other.counts[name]
    assert one.counts["refused_by_poison"] > 0


def test_what_is_legal_and_odd_is_warned_of() -> None:
    def warned(**of: Any) -> str:  # noqa: ANN401
        return "\n".join(consistency.warnings(Outcome(**of).scenario))

    assert "no bundle is ever poisoned" in warned(profile="https_spiffe")
    inside = {"endpoint_share": 1.0, "replaces": True}
    assert "stays" in warned(profile="https_spiffe", bundle=inside)
    assert "https_spiffe" not in warned()
    stolen = {"injected_issuer_compromises": 1, "issuer": IssuerKey(trust_domain=PARTNER)}
    soon = ANSWER.model_copy(
        update={"new_issuer": ANSWER.new_issuer.model_copy(update={"prepare_s": 100.0})}
    )
    assert "refused for up to 500 s" in warned(threats=stolen, response=soon)
