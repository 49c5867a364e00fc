"""The verdict follows from the data and from nothing else."""

import msgspec

from analysis.headline import baseline, resolved
from analysis.summary import summarise
from analysis.verdict import Finding, Verdict, verdict
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord
from scenarios.record.tables import Incident
from tests.records import competing, manifest, measured, simulated, theft


def of(record: RunRecord) -> Verdict:
    return verdict(summarise(record), None)


def with_thefts(thefts: list[Incident]) -> RunRecord:
    record = simulated(n=0)
    record.incidents = thefts
    return record


def test_the_regime_that_ends_thefts_sooner_is_named_with_both_intervals() -> None:
    headline = of(simulated()).headline
    assert headline.startswith("svid limits a theft most: ")
    assert "under static-key" in headline
    assert "times shorter" in headline


def test_the_verdict_turns_when_the_data_turn() -> None:
    swapped = simulated()
    swapped.incidents = [
        msgspec.structs.replace(t, regime="svid" if t.regime == "static-key" else "static-key")
        for t in swapped.incidents
    ]
    assert of(swapped).headline.startswith("Not decided: no regime ends")


def test_equal_regimes_are_not_decided() -> None:
    same = competing("static-key", 100, 5, 2000, None) + competing("svid", 100, 6, 2000, None)
    said = of(with_thefts(same))
    assert said.headline.startswith("Not decided")
    assert any("Detected while usable" in finding.evidence for finding in said.unresolved)


def test_few_thefts_decide_nothing() -> None:
    two = [theft("static-key", stolen_s=10.0), theft("svid", stolen_s=10.0)]
    assert of(with_thefts(two)).headline.startswith("Not decided")


def test_a_record_without_thefts_tells_what_happened_to_the_fleet() -> None:
    headline = of(with_thefts([])).headline
    assert headline.startswith("Nothing was stolen. Failed authentications per agent and day: ")
    assert "svid 0.133 (" in headline
    empty = with_thefts([])
    empty.counts = []
    assert of(empty).headline == "This record holds no regime."


def test_one_regime_alone_still_has_an_answer() -> None:
    record = simulated()
    record.manifest = manifest(regimes=["svid"], scenario=record.manifest.scenario)
    headline = of(record).headline
    assert headline.startswith("svid alone, so nothing is compared. Copy usable after the theft")
    assert "The price" not in headline


def test_two_regimes_that_cannot_be_told_apart_are_both_named() -> None:
    record = simulated()
    record.manifest = manifest(
        regimes=["static-key", "svid", "other"],
        scenario=record.manifest.scenario,
    )
    record.incidents += competing("other", 200, 9, 9000, 1000)
    headline = of(record).headline
    assert "cannot be told from it." in headline
    assert "svid" in headline
    assert "other" in headline


def test_what_a_regime_costs_is_said_when_it_is_resolved_and_only_then() -> None:
    assert "More authentications fail" in [f.claim for f in of(simulated()).losses]
    assert "The price: " in of(simulated()).headline
    assert "more authentications fail" in of(simulated()).headline
    without = of(simulated(svid_failures=0.0))
    assert "more authentications fail" not in without.headline
    assert "More authentications fail" not in [f.claim for f in without.losses]
    assert not any("Failed authentications" in f.evidence for f in without.unresolved)


def test_a_loss_of_the_baseline_is_a_gain_of_the_others() -> None:
    record = simulated()
    record.counts = [
        msgspec.structs.replace(row, value=50.0)
        if (row.regime, row.name) == ("static-key", "auth_failures")
        else row
        for row in record.counts
    ]
    assert "Fewer authentications fail" in [f.claim for f in of(record).gains]


def test_no_loss_is_said_in_so_many_words() -> None:
    record = with_thefts(competing("static-key", 200, 1, 9000, None))
    record.incidents += [msgspec.structs.replace(t, regime="svid") for t in record.incidents]
    record.counts = []
    assert of(record).losses[0].claim == "Nothing that this record counts"


def test_the_baseline_is_the_regime_without_end() -> None:
    summary = summarise(simulated())
    assert baseline(summary) == "static-key"
    bounded = manifest(scenario=summary.manifest.scenario | {"regimes": []})
    assert baseline(msgspec.structs.replace(summary, manifest=bounded)) == "static-key"
    alone = summarise(measured())
    assert baseline(alone) == "svid"


def test_a_difference_is_resolved_by_its_interval() -> None:
    low, high = Estimate(1.0, 0.9, 1.1, 5, "s"), Estimate(2.0, 1.8, 2.2, 5, "s")
    wide, without = Estimate(1.0, 0.0, 3.0, 5, "s"), Estimate(1.0, None, None, 1, "s")
    endless = Estimate(None, None, None, 5, "s", infinite=True)
    assert (resolved(low, high), resolved(high, low), resolved(wide, high)) == (-1, 1, 0)
    assert (resolved(low, endless), resolved(endless, low), resolved(endless, endless)) == (
        -1,
        1,
        0,
    )
    assert resolved(low, without) is None
    assert resolved(None, low) is None


def test_what_was_measured_and_what_went_wrong_is_said() -> None:
    said = verdict(None, summarise(measured()))
    claims = [finding.claim for finding in said.measured]
    assert "3 of 4 thefts came out as designed" in claims
    assert any("thief-3: expected two-origins" in f.evidence for f in said.measured)
    assert "3 of 4" in said.headline


def test_an_invalid_run_says_so_first() -> None:
    record = measured()
    record.manifest = msgspec.structs.replace(record.manifest, valid=False, reason="too slow")
    said = verdict(None, summarise(record))
    assert said.headline == "The measured run is not valid: too slow."
    assert said.measured[0].evidence == "too slow."


def test_limits_are_told() -> None:
    record = simulated()
    record.manifest = manifest(
        replications=1,
        complete=False,
        sources={"threats.abuse.use_rate_hz": "abuse.use_rate"},
        not_observable={"operations": "no network"},
    )
    claims = [finding.claim for finding in of(record).cannot_say]
    assert claims == [
        "Whether it holds for other inputs",
        "How often credentials are stolen",
        "What an outage of the issuer costs",
        "Only one replication",
        "The run was interrupted",
        "What this simulated run could not see",
        "Nothing was measured",
        "Whether it pays",
    ]


def test_a_difference_too_small_to_matter_is_no_cost() -> None:
    record = simulated()
    record.counts = [
        msgspec.structs.replace(row, value=row.value / 1000)
        if row.name == "expired_agent_s"
        else row
        for row in record.counts
    ]
    said = of(record)
    assert "Agents sit with an expired credential" not in [f.claim for f in said.losses]
    assert any("Seconds with an expired credential" in f.evidence for f in said.unresolved)
    claims = [f.claim for f in of(simulated()).losses]
    assert "Agents sit with an expired credential" in claims


def test_operations_of_several_regimes_are_told_apart() -> None:
    record = measured()
    record.manifest = msgspec.structs.replace(record.manifest, regimes=["svid", "static-key"])
    record.operations += [
        msgspec.structs.replace(row, regime="static-key") for row in record.operations
    ]
    claims = [f.claim for f in verdict(None, summarise(record)).measured]
    assert any(claim.startswith("svid: authorize: p99") for claim in claims)
    assert any(claim.startswith("static-key: authorize: p99") for claim in claims)


def test_a_finding_is_one_sentence_for_a_terminal() -> None:
    assert str(Finding("It costs", "a 1; b 2")) == "It costs. a 1; b 2"
    assert str(Finding("", "a 1; b 2")) == "a 1; b 2"
