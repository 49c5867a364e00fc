"""A stolen issuer key: what gives its thief away, how it is replaced, and what that costs."""

from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow, Incident
from scenarios.spec.defence import Armed
from scenarios.spec.regime import Regime
from scenarios.spec.schema import (
    Abuse,
    Detection,
    IssuerKey,
    NewIssuer,
    Response,
    Threats,
    Workload,
)
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, NIGHT, WORK, make_regime, make_scenario

QUICK = Abuse(first_use_median_s=10.0, first_use_sigma=0.0, use_rate_hz=0.02)
HONEST = QUICK.model_copy(update={"foreign_permission_share": 0.0})
LOG = Detection(
    superseded_serial=False,
    two_origins=False,
    new_permission=False,
    issue_log=True,
    delivery_s=7.0,
)
NO_LOG = Detection(delivery_s=0.0)
AT_ONCE = Response(automatic=True, new_issuer=NewIssuer(prepare_s=300.0, overlap_s=200.0))
FASTER = make_regime("fraction", ttl_s=1200.0)


class Outcome:
    def __init__(
        self,
        regime: Regime = FASTER,
        engine: Any = ReferencePopulation,  # noqa: ANN401
        seed: int = 3,
        thieves: int = 1,
        abuse: Abuse = HONEST,
        threats: dict[str, Any] | None = None,
        **changes: Any,  # noqa: ANN401
    ) -> None:
        law = {"injected_issuer_compromises": thieves, "abuse": abuse} | (threats or {})
        base = {"detection": LOG, "response": AT_ONCE, "threats": Threats.model_validate(law)}
        self.scenario = scenario = make_scenario(regime, **(base | changes))
        key = seed_key(seed)
        self.counts: dict[str, float]
        self.thefts: list[Incident]
        self.alerts: list[AlertRow]
        self.counts, _, self.thefts, self.alerts = run(
            scenario, regime, key, engine(scenario, regime, key)
        )


def only(outcome: Outcome) -> Incident:
    (theft,) = [theft for theft in outcome.thefts if theft.persona == "issuer-key"]
    return theft


def test_the_issue_log_sees_the_first_forgery_and_access_ends_with_trust() -> None:
    theft = only(Outcome())
    assert theft.first_use_s == pytest.approx(theft.stolen_s + 10.0)
    assert theft.detector == "unknown-serial"
    assert theft.alert_s == pytest.approx(theft.stolen_s + 10.0 + 7.0)
    assert theft.decided_s == theft.alert_s
    assert theft.revoked_s == pytest.approx(theft.stolen_s + 17.0 + 300.0 + 200.0)
    assert theft.end == "revoked"
    assert theft.evicted_s == theft.revoked_s
    assert theft.last_accepted_s is not None
    assert theft.last_accepted_s < theft.revoked_s
    assert theft.uses_refused == 1, "refused once, he stops"


def test_it_opens_whatever_anybody_may_do() -> None:
    assert only(Outcome()).permissions == len({*WORK.permissions, *NIGHT.permissions})
    scoped = make_regime(
        "at-use", ttl_s=600.0, scope="one-task", scope_enforced_by="authoriser", attribution="task"
    )
    assert only(Outcome(scoped)).permissions == 2


def test_without_an_issue_log_a_forgery_of_its_own_serial_looks_like_any_document() -> None:
    outcome = Outcome(detection=NO_LOG)
    assert not outcome.alerts
    assert only(outcome).end == "open"
    assert outcome.counts["issuer_replacements"] == 0


def test_a_copied_serial_is_known_to_the_issuer_but_is_used_in_two_places() -> None:
    copied = {"issuer": IssuerKey(forgery="copied-serial")}
    assert not Outcome(threats=copied).alerts
    told = [only(Outcome(threats=copied, detection=NO_LOG, seed=seed)) for seed in range(6)]
    assert {theft.detector for theft in told} == {"two-origins"}


def test_a_permission_out_of_need_gives_away_who_asks_for_it() -> None:
    eager = QUICK.model_copy(update={"foreign_permission_share": 1.0})
    regime = make_regime(
        "at-use", ttl_s=600.0, scope="one-task", scope_enforced_by="authoriser", attribution="task"
    )
    theft = only(Outcome(regime, abuse=eager, detection=NO_LOG))
    assert theft.detector == "new-permission"
    assert theft.alert_s == theft.first_use_s


def test_somebody_outside_may_tell() -> None:
    detection = Detection(
        superseded_serial=False,
        two_origins=False,
        new_permission=False,
        external_notice_mean_s=60.0,
    )
    theft = only(Outcome(detection=detection))
    assert theft.detector == "external-notice"
    assert theft.alert_s is not None
    assert theft.revoked_s == pytest.approx(theft.alert_s + 500.0)


def test_no_key_of_an_issuer_signs_keys_that_are_handed_out() -> None:
    outcome = Outcome(make_regime("never"))
    assert not outcome.thefts


def test_distrust_ends_every_copy_of_the_old_key_and_no_foothold() -> None:
    others = {"injected_thefts": 30, "injected_footholds": 10}
    outcome = Outcome(threats=others, agents=60)
    distrusted_s = only(outcome).revoked_s
    assert distrusted_s is not None
    active_s = distrusted_s - 200.0
    copies = [t for t in outcome.thefts if t.persona == "leak" and t.stolen_s < active_s]
    alive = [t for t in copies if t.expires_s is not None and t.expires_s > distrusted_s]
    assert alive
    assert all(t.revoked_s == distrusted_s for t in alive)
    residents = [t for t in outcome.thefts if t.persona == "foothold"]
    assert all(t.revoked_s is None for t in residents)


@pytest.mark.parametrize("overlap_s", [0.0, 200.0, 450.0, 700.0])
def test_who_has_not_renewed_within_the_overlap_is_overtaken(overlap_s: float) -> None:
    """Renewals at age fT fall uniformly over fT = 600 s: a share 1 − V/(fT) is late."""
    regime = make_regime("fraction", ttl_s=1200.0, renewal={"rule": "fraction"})
    new = NewIssuer(prepare_s=60.0, overlap_s=overlap_s)
    outcome = Outcome(
        regime,
        FleetPopulation,
        agents=2000,
        response=Response(automatic=True, new_issuer=new),
        horizon_s=HOUR_S,
        seed=5,
    )
    assert outcome.counts["issuer_replacements"] == 1
    late = outcome.counts["overtaken_agents"] / 2000
    expected = max(0.0, 1.0 - overlap_s / 600.0)
    assert late == pytest.approx(expected, abs=2.58 * (expected * (1 - expected) / 2000) ** 0.5)


def test_a_mass_renewal_leaves_nobody_behind_who_is_given_the_time() -> None:
    """Late: turn in the window W and own renewal both come after V, (1 − V/W)(1 − V/fT)."""
    regime = make_regime("fraction", ttl_s=86_400.0, renewal={"rule": "fraction"})

    def late(overlap_s: float) -> Outcome:
        new = NewIssuer(prepare_s=60.0, overlap_s=overlap_s, reissue_s=300.0)
        answer = Response(automatic=True, new_issuer=new)
        return Outcome(
            regime, FleetPopulation, agents=2000, response=answer, horizon_s=HOUR_S, seed=5
        )

    assert late(301.0).counts["overtaken_agents"] == 0
    expected = (1.0 - 100.0 / 300.0) * (1.0 - 100.0 / 43_200.0)
    share = late(100.0).counts["overtaken_agents"] / 2000
    assert share == pytest.approx(expected, abs=2.58 * (expected * (1 - expected) / 2000) ** 0.5)


def test_what_is_under_way_is_not_begun_again() -> None:
    outcome = Outcome(thieves=12)
    ended = [t for t in outcome.thefts if t.end == "revoked"]
    assert len(ended) >= 6
    assert outcome.counts["issuer_replacements"] < len(ended)
    for theft in ended:
        assert theft.revoked_s is not None
        assert theft.alert_s is None or theft.revoked_s <= theft.alert_s + 500.0 + 1e-6


@pytest.mark.parametrize("forgery", ["new-serial", "copied-serial"])
@pytest.mark.parametrize("rule", ["fraction-polled", "at-use"])
def test_both_populations_agree(rule: str, forgery: str) -> None:
    regime = make_regime(rule, ttl_s=900.0)
    threats = {"issuer": IssuerKey(rate_per_year=3e4, forgery=forgery), "injected_thefts": 10}
    detection = Detection(issue_log=True, coverage=0.6)
    one, other = (
        Outcome(regime, engine, threats=threats, detection=detection, abuse=QUICK, thieves=3)
        for engine in (ReferencePopulation, FleetPopulation)
    )
    assert one.thefts == other.thefts
    assert one.alerts == other.alerts
    assert one.counts["overtaken_agents"] == other.counts["overtaken_agents"] > 0


def test_a_foreign_key_is_refused_from_the_next_fetch_of_its_bundle_on() -> None:
    """Revocation falls uniformly between two fetches: half a period more in the mean."""
    refresh_s = 900.0
    federation = (
        {"trust_domain": "partner.example", "workloads": ("bot",), "bundle_refresh_s": refresh_s},
    )
    classes = (
        Workload(name="clerk", count=20, tasks=(NIGHT,)),
        Workload(name="bot", count=10, tasks=(WORK,)),
    )
    foreign = {"issuer": IssuerKey(trust_domain="partner.example")}
    late_s = []
    for seed in range(60):
        theft = only(
            Outcome(
                seed=seed,
                threats=foreign,
                federation=federation,
                workloads=classes,
                start={"ages": "synchronised"},
                horizon_s=3 * HOUR_S,
            )
        )
        assert theft.agent >= 20, "it signs for agents of its own domain"
        assert theft.permissions == len(WORK.permissions)
        if theft.revoked_s is not None and theft.alert_s is not None:
            late_s.append(theft.revoked_s - theft.alert_s - 500.0)
    assert len(late_s) > 40
    assert all(-1e-6 <= late <= refresh_s for late in late_s)
    half = 2.6 * refresh_s / 12**0.5 / len(late_s) ** 0.5
    assert sum(late_s) / len(late_s) == pytest.approx(refresh_s / 2, abs=half)


def test_an_hour_is_enough_for_a_fleet_at_rest() -> None:
    assert (
        Outcome(response=Response(automatic=True), horizon_s=6 * HOUR_S).counts["overtaken_agents"]
        == 0
    )


def test_a_copied_serial_from_an_unknown_address_is_seen_where_addresses_are_known() -> None:
    """Nothing else tells: the serial was issued, and the agent's own use may never come."""
    told = Detection(
        superseded_serial=False,
        two_origins=False,
        new_permission=False,
        delivery_s=7.0,
        new_origin=Armed(armed=True, delay_s=30.0),
    )
    copied = {"issuer": IssuerKey.model_validate({"forgery": "copied-serial"})}
    theft = only(Outcome(detection=told, threats=copied))
    assert theft.detector == "new-origin"
    assert theft.alert_s == pytest.approx(theft.stolen_s + 10.0 + 7.0 + 30.0)
    at_home = HONEST.model_copy(update={"known_address_share": 1.0})
    assert only(Outcome(detection=told, threats=copied, abuse=at_home)).alert_s is None
    touching = at_home.model_copy(update={"canary_share": 1.0})
    canary = told.model_copy(update={"canary": Armed(armed=True)})
    assert only(Outcome(detection=canary, threats=copied, abuse=touching)).detector == "canary"
