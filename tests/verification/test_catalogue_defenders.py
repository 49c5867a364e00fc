"""The stated answers about defenders: what alerts are worth, what they cost, whom they stop.

The rule by which they are held is in ``answers``; what they are held against was worked out before
any run in ``defenders_theory`` and ``simulator.theory``. Where only the number of harmless events
matters they happen eight times as often, and what is found is divided by eight: they are rare and
independent of each other.
"""

from functools import cache
from math import exp

import pytest

from scenarios.record.record import RunRecord
from scenarios.spec.rules import SECONDS_PER_DAY, SECONDS_PER_YEAR
from scenarios.spec.schema import Benign, Policy, Scenario
from simulator import theory
from simulator.theory_at_use import at_use
from tests.verification import defenders_theory as expected
from tests.verification.answers import (
    Found,
    apart,
    at_least,
    at_most,
    counts,
    equals,
    mean,
    run,
    scenario,
    share,
    thefts,
)

READ = 0.471
TIMES = 8.0
DAYS_PER_YEAR = SECONDS_PER_YEAR / SECONDS_PER_DAY
HELD_S = theory.polled_age(3600.0, 0.5, 0.1, 5.0).mean
"""for which an agent holds an SVID of an hour"""


def altered(asked: Scenario, **changes: object) -> Scenario:
    """Return a scenario without probes, keys of its tables changed: ``threats__leak=…``."""
    whole: dict[str, object] = {"probes": 0}
    for name, value in changes.items():
        table, _, key = name.partition("__")
        before = whole.get(table, getattr(asked, table))
        whole[table] = before.model_copy(update={key: value}) if key else value
    return asked.model_copy(update=whole)


def often(benign: Benign, times: float) -> Benign:
    """Return harmless events so many times as often."""
    names = [name for name in type(benign).model_fields if name.endswith("_per_agent_year")]
    return benign.model_copy(update={name: getattr(benign, name) * times for name in names})


def false_per_day(record: RunRecord, regime: str, detector: str = "") -> Found:
    """Return false alarms per watched identity and day at the ordinary rates."""
    found = counts(record, regime)
    false = [0.0] * len(found)
    for alert in record.alerts:
        if alert.regime == regime and alert.incident is None and detector in ("", alert.detector):
            false[alert.replication] += 1.0
    days = [TIMES * c["watched_identity_s"] / SECONDS_PER_DAY for c in found]
    return mean([n / d for n, d in zip(false, days, strict=True)])


# -- false alarms ----------------------------------------------------------------------------------


RUNS = {"static-key": 15, "x509-svid-1h": 9, "task-svid": 6}
"""each with some three thousand false alarms, known to a twentieth of their number"""


@cache
def ordinary_days(regime: str, thefts_too: bool = True) -> RunRecord:
    """Return days on which harmless events are eight times as frequent, and thefts, too, or not.

    Both for what compares their alerts; harmless ones alone where it counts whether a credential
    is in a thief's hands: of eight times as many stolen keys a seventh of the fleet would be.
    """
    asked = scenario("false-alarms", 2000)
    busy = altered(asked, benign=often(asked.benign, TIMES))
    if thefts_too:
        leak = asked.threats.leak
        leak = leak.model_copy(update={"rate_per_secret_year": TIMES * leak.rate_per_secret_year})
        busy = altered(busy, threats__leak=leak)
    return run(busy, RUNS[regime], [regime])


def events_told(regime: str) -> float:
    """Return false alarms per agent and year: 12 new edges, 12 moves, 2 fail-overs, 12 reloads."""
    use_hz, task_s = 0.011, 10.0
    if regime == "static-key":
        return 12.0  # a key that four share has one origin more or less, and no successor
    if regime == "x509-svid-1h":
        away = expected.moved_by_timer(HELD_S, use_hz, task_s, 3600.0)
        late = theory.late_reload_alert(3600.0, HELD_S / 3600.0, use_hz, 600.0)
        return (
            12.0
            + 12.0 * expected.moved_by_timer(HELD_S, use_hz, task_s)
            + 2.0 * 2.0 * away  # there and back
            + 12.0 * late
        )
    moved = expected.moved_at_use(300.0, 0.5, 0.01, task_s)
    none = at_use(300.0, 0.5, 0.1, 0.01).expired * at_use(300.0, 0.5, 0.1, 0.001).expired
    return 12.0 * (1.0 - none) + (12.0 + 2.0 * 2.0) * moved


@pytest.mark.parametrize(
    ("regime", "stated"), [("static-key", 0.13), ("x509-svid-1h", 0.08), ("task-svid", 0.06)]
)
def test_false_alarms_of_an_ordinary_day(regime: str, stated: float) -> None:
    """Two in a hundred may go astray: late at midnight, or told of an identity in the queue."""
    holders = 4 if regime == "static-key" else 1
    derived = holders * events_told(regime) / DAYS_PER_YEAR
    assert derived == pytest.approx(stated, abs=0.005), "as it says"
    equals(false_per_day(ordinary_days(regime), regime), derived, 0.15 * derived)


def test_false_alarms_outnumber_true_ones_twenty_to_one() -> None:
    records = [ordinary_days(regime) for regime in RUNS]
    assert not any(theft.injected for record in records for theft in record.incidents)
    told = [a for record in records for a in record.alerts if a.detector != "external-notice"]
    for detector in {a.detector for a in told}:
        true = [a.incident is not None for a in told if a.detector == detector]
        at_most(share(sum(true), len(true)), 0.05)


def test_answering_false_alarms_breaks_healthy_agents() -> None:
    """A key is deleted whoever holds it; a document is refused if it is still held 305 s later."""
    later_s = expected.DELIVERY_S + 5.0
    static = 4.0 * 12.0 * 0.8
    hour = 12.0 * (1.0 - later_s / HELD_S) + (12.0 + 2.0 * 2.0) * expected.moved_and_still_held(
        HELD_S, 0.011, 10.0, later_s
    )
    found = {}
    for regime in RUNS:
        rows = counts(ordinary_days(regime, thefts_too=False), regime)
        each = [c["healthy_replacements"] / c["agents"] / TIMES for c in rows]
        found[regime] = mean(each)
    for regime, per_year, words in (("static-key", static, 0.05), ("x509-svid-1h", hour, 0.03)):
        derived = READ * per_year / DAYS_PER_YEAR
        assert derived == pytest.approx(words, abs=0.005), "as it says"
        equals(found[regime], derived, 0.15 * derived)
    at_most(found["task-svid"], 0.005)


# -- moving on -------------------------------------------------------------------------------------

KEPT = {
    "static-key": expected.Kept(None, two_origins=False, revoked=0.8, delay_s=60.0),
    "x509-svid-24h": expected.Kept(86_400.0, two_origins=True, revoked=1.0, delay_s=5.0),
    "x509-svid-1h": expected.Kept(3_600.0, two_origins=True, revoked=1.0, delay_s=5.0),
    "x509-svid-5m": expected.Kept(300.0, two_origins=True, revoked=1.0, delay_s=5.0),
}


def reach(record: RunRecord, regime: str) -> Found:
    rows = counts(record, regime)
    return mean([c["lateral_agents_of_copies"] / c["lateral_copies"] for c in rows])


def test_lateral_movement() -> None:
    """Five times the fleet and the thefts: a theft seldom meets another one's agents.

    The words are of a day; eight hours are run, and held against the same law for eight hours.
    """
    run_s = 8 * 3600.0
    asked = altered(
        scenario("lateral-movement", 2500),
        horizon_s=run_s,
        threats__injected_thefts=500,
        response__analysts=100,
    )
    derived = {regime: expected.lateral_reach(kept) for regime, kept in KEPT.items()}
    whole = derived["static-key"]
    assert whole == pytest.approx(0.5, abs=0.02), "about one in two thefts"
    assert 1.0 - derived["x509-svid-24h"] / whole == pytest.approx(1 / 4, abs=0.03), "a quarter"
    assert 1.0 - derived["x509-svid-1h"] / whole == pytest.approx(1 / 3, abs=0.03), "a third"
    assert derived["x509-svid-5m"] < whole / 30.0
    derived = {regime: expected.lateral_reach(kept, run_s) for regime, kept in KEPT.items()}
    whole = derived["static-key"]
    record = run(asked, 12, ["static-key", "x509-svid-24h", "x509-svid-1h"])
    for regime in ("static-key", "x509-svid-24h", "x509-svid-1h"):
        equals(reach(record, regime), derived[regime], 0.1)
    fewer = {}
    for regime in ("x509-svid-24h", "x509-svid-1h"):
        pairs = zip(counts(record, regime), counts(record, "static-key"), strict=True)
        each = [
            (of["lateral_agents_of_copies"] / of["lateral_copies"])
            / (key["lateral_agents_of_copies"] / key["lateral_copies"])
            for of, key in pairs
        ]
        fewer[regime] = mean(each)
        equals(fewer[regime], derived[regime] / whole, 0.08)
    short = run(asked, 3, ["x509-svid-5m", "task-svid"])
    for regime in ("x509-svid-5m", "task-svid"):
        at_most(reach(short, regime), whole / 10.0)


# -- which detector --------------------------------------------------------------------------------


WATCHED_S = 8 * 3600.0


@cache
def told_thefts(regime: str) -> RunRecord:
    """Return runs of many thefts and no harmless events."""
    asked = scenario("which-detector", 1000)
    asked = altered(
        asked,
        horizon_s=WATCHED_S,
        threats__injected_thefts=250,
        benign=often(asked.benign, 0.0),
        response__analysts=40,
    )
    return run(asked, 12, [regime])


SCANS = 40.0
"""times as often as on an ordinary day scanners touch a canary, or else they would be too few"""


@cache
def harmless_days() -> RunRecord:
    """Return days without thefts; so many analysts that no alert hides behind one in the queue."""
    asked = scenario("which-detector", 1000)
    scans = SCANS * asked.benign.canary_scans_per_agent_year
    asked = altered(
        asked,
        threats__injected_thefts=0,
        benign=often(asked.benign, TIMES),
        benign__canary_scans_per_agent_year=scans,
        response__analysts=1000,
    )
    return run(asked, 9, ["x509-svid-1h"])


def told_by(record: RunRecord, regime: str, detector: str) -> Found:
    """Return the share of thieves who acted that a detector told of, by replication."""
    rows = {a.incident for a in record.alerts if a.detector == detector and a.regime == regime}
    until_s = WATCHED_S - expected.DELIVERY_S  # whose line would arrive in the run
    used: dict[int, list[bool]] = {}
    for row, theft in enumerate(record.incidents):
        if theft.regime == regime and theft.injected and (theft.first_use_s or 1e9) < until_s:
            used.setdefault(theft.replication, []).append(row in rows)
    return mean([sum(told) / len(told) for told in used.values()])


def told_already(per_secret: float, never_revoked: float) -> float:
    """Return P(an identity is reported and not yet replaced when it is robbed again in the run).

    It is not told of again until its credential has been replaced: after log, triage and
    revocation, or never. Thefts of a secret are Poisson, four in five are told of if one is.
    """
    told = 0.8 * per_secret
    pending = told * (expected.DELIVERY_S + 900.0 + 60.0) / WATCHED_S
    for_good = never_revoked * told
    kept = 1.0 if for_good == 0.0 else (1.0 - exp(-for_good)) / for_good
    return 1.0 - kept * (1.0 - pending)


def test_which_detector_gives_whom_away() -> None:
    stated = READ * (1.0 - 0.2)
    assert stated == pytest.approx(0.38, abs=0.005), "38 of a hundred"
    # 250 thefts of 250 keys, of which a fifth is never revoked, or of 1,000 identities
    for regime, per_secret, never in (("static-key", 1.0, 0.2), ("x509-svid-1h", 0.25, 0.0)):
        record = told_thefts(regime)
        found = told_by(record, regime, "new-origin")
        equals(found, stated * (1.0 - told_already(per_secret, never)), 0.05)
        apart(told_by(record, regime, "canary"), found)
        at_most(told_by(record, regime, "rate-change"), 0.05)
    assert "two-origins" not in {a.detector for a in told_thefts("static-key").alerts}
    assert theory.cusum_run_length(20.0, 2.0) > 2.0 * 1000.0, "two lines of a task start"
    starts = 0.0035 * 3600.0
    assert starts == pytest.approx(12.0, abs=1.0), "a document lasts a dozen"


def test_which_detector_costs_what() -> None:
    record, regime = harmless_days(), "x509-svid-1h"
    use_hz, there_s = 0.0035, 3600.0
    used = use_hz / (use_hz + 1.0 / there_s)  # before the address is one's own again
    moves = 12.0 + 2.0 * used + 12.0 * used * (1.0 - 20.0 / 2000.0) + 12.0
    moved = moves / DAYS_PER_YEAR
    assert moved == pytest.approx(0.1, abs=0.005), "as it says"
    equals(false_per_day(record, regime, "new-origin"), moved, 0.1 * moved)
    batches = 52.0 * expected.batch_noticed(20.0, 2.0, 2.0 * use_hz, 0.1, 600.0) / DAYS_PER_YEAR
    assert batches * DAYS_PER_YEAR / 52.0 == pytest.approx(0.7, abs=0.02), "seven in ten"
    assert batches == pytest.approx(0.1, abs=0.005), "as it says"
    equals(false_per_day(record, regime, "rate-change"), batches, 0.1 * batches)
    canary = 4.0 / DAYS_PER_YEAR
    assert canary == pytest.approx(0.011, abs=0.0005), "as it says"
    times = SCANS / TIMES
    equals(false_per_day(record, regime, "canary"), times * canary, 0.2 * times * canary)
    for dearer in ("two-origins", "new-origin", "rate-change"):
        at_least(false_per_day(record, regime, dearer), canary)


# -- policy ----------------------------------------------------------------------------------------

HASTY = "x509-svid-1h"
SCANS_HZ = 4.0 * 400.0 / SECONDS_PER_YEAR


def tight_share(relax_s: float, horizon_s: float) -> float:
    """Return the mean share of a day on guard that begins calm: ∫ 1 − e^{−a·min(t, τ)} dt / H."""
    seen_s = horizon_s - expected.DELIVERY_S
    rising_s = relax_s - theory.on_guard(SCANS_HZ, relax_s) / SCANS_HZ
    return (rising_s + theory.on_guard(SCANS_HZ, relax_s) * (seen_s - relax_s)) / horizon_s


def test_risk_adaptive_policy_is_on_guard_half_the_day() -> None:
    many, few = scenario("risk-adaptive-policy"), scenario("risk-adaptive-policy", 20)
    # as many scans of a twentieth of the fleet: only their number puts it on its guard
    asked = altered(
        few, threats__injected_thefts=0, benign=often(many.benign, many.agents / few.agents)
    )
    relax_s = asked.policy.relax_after_s
    on = theory.on_guard(SCANS_HZ, relax_s)
    assert on == pytest.approx(0.52, abs=0.005), "as it says"
    stated = tight_share(relax_s, asked.horizon_s)
    assert stated == pytest.approx(0.48, abs=0.005), "as it says"
    found = counts(run(asked, 450, [HASTY]), HASTY)
    equals(mean([c["tight_s"] / c["horizon_s"] for c in found]), stated, 0.05)
    # healthy starts of the sensitive task while on guard, of which one in fifty fails its step-up
    for c in found:
        starts = 20.0 * 0.0005 * c["tight_s"]
        assert c["step_up_failures"] == pytest.approx(0.02 * starts, rel=1e-6)
    assert 0.02 * 0.0005 * SECONDS_PER_DAY * on == pytest.approx(0.5, abs=0.06), "in two days"


def test_risk_adaptive_policy_buys_less_than_a_constant_life() -> None:
    """Of each run, since how long the fleet was on its guard is chance: p of its day, s times.

    Agents go on with what they hold for half a life when it begins, and a quarter of that when it
    ends, so that short documents are issued for p − sR/2H + s′R/8H of the day.
    """
    asked = scenario("risk-adaptive-policy")
    asked = asked.model_copy(update={"probes": 4000})
    plain = asked.model_copy(update={"policy": Policy()})
    guarded, before = (counts(run(one, 18, [HASTY]), HASTY) for one in (asked, plain))
    issued, exposed, product = [], [], []
    for tight, free in zip(guarded, before, strict=True):
        begun = tight["tightenings"]
        lag = (begun * HELD_S / 2.0 - max(0.0, begun - 0.5) * HELD_S / 8.0) / tight["horizon_s"]
        short = tight["tight_s"] / tight["horizon_s"] - lag
        more = tight["issued"] / free["issued"]
        left = (tight["residual_validity_sum_s"] / tight["probes"]) / (
            free["residual_validity_sum_s"] / free["probes"]
        )
        issued.append(more - (1.0 + 3.0 * short))
        exposed.append(left - (1.0 - 0.75 * short))
        product.append(more * left)
    equals(mean(issued), 0.0, 0.1)
    equals(mean(exposed), 0.0, 0.05)
    at_least(mean(product), 1.1)
    on = theory.on_guard(SCANS_HZ, asked.policy.relax_after_s)
    assert 1.0 + 3.0 * on == pytest.approx(2.6, abs=0.05), "as it says"
    assert 1.0 - 0.75 * on == pytest.approx(0.61, abs=0.005), "as it says"
    assert 1.0 / (1.0 + 3.0 * on) == pytest.approx(0.39, abs=0.005), "as it says"


def test_risk_adaptive_policy_stops_what_is_stolen_already() -> None:
    """On guard all day: 6/7 of the copies are of the task without step-up, 1/7 of the other."""
    asked = scenario("risk-adaptive-policy")
    asked = altered(
        asked,
        threats__injected_thefts=400,
        benign__canary_scans_per_agent_year=1e4,
    )
    record = run(asked, 6, [HASTY])
    stated = 6 / 7 * 0.5 + 1 / 7 * 0.5 * 0.1
    assert stated == pytest.approx(0.44, abs=0.005), "as it says"
    shares = []
    for n in range(6):
        copies = [
            t
            for t in thefts(record, HASTY)
            if t.replication == n and 900.0 < t.stolen_s < asked.horizon_s - 3600.0
        ]
        accepted = sum(t.uses_accepted for t in copies)
        # the last use of each finds the document expired
        refused = sum(t.uses_refused - 1 for t in copies)
        shares.append(accepted / (accepted + refused))
    equals(mean(shares), stated, 0.03)
