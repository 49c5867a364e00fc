"""simulate() is a pure function of its arguments."""

import pytest

from scenarios.errors import UsageError
from scenarios.record.parts import concatenate
from scenarios.record.record import RunRecord
from scenarios.spec.schema import Scenario, Threats
from simulator.simulate import plan, replicate, simulate
from tests.scenes import make_regime, make_scenario


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    regimes = (make_regime(name="svid"), make_regime("never", name="key"))
    return make_scenario(regimes[0], regimes=regimes, threats=Threats(injected_thefts=5), probes=50)


def tables(record: RunRecord) -> tuple[object, ...]:
    return record.counts, record.series, record.incidents, record.alerts


def test_equal_arguments_give_equal_records(scenario: Scenario) -> None:
    first, again = simulate(scenario, 7, replications=2), simulate(scenario, 7, replications=2)
    assert tables(first) == tables(again)
    assert first.manifest == again.manifest


def test_another_seed_gives_another_record(scenario: Scenario) -> None:
    assert tables(simulate(scenario, 7, replications=1)) != tables(
        simulate(scenario, 8, replications=1)
    )


def test_replications_differ_and_carry_their_numbers(scenario: Scenario) -> None:
    record = simulate(scenario, 7, replications=2, regimes=["svid"])
    assert {row.regime for row in record.counts} == {"svid"}
    switches = [row.value for row in record.counts if row.name == "switches"]
    assert len(set(switches)) == 2
    assert {row.replication for row in record.incidents} == {0, 1}


def test_finished_replications_make_the_same_record(scenario: Scenario) -> None:
    whole = simulate(scenario, 7, replications=2)
    manifest = plan(scenario, 7, "reference", 2)
    parts = [replicate(scenario, manifest, name, n) for name in manifest.regimes for n in range(2)]
    assert tables(concatenate(manifest, parts)) == tables(whole)


def test_regimes_see_the_same_switches_and_thefts(scenario: Scenario) -> None:
    record = simulate(scenario, 7, replications=1)
    switches = {row.regime: row.value for row in record.counts if row.name == "switches"}
    assert switches["svid"] == switches["key"]
    stolen = {
        name: [(row.stolen_s, row.agent) for row in record.incidents if row.regime == name]
        for name in ("svid", "key")
    }
    assert stolen["svid"] == stolen["key"]


def test_progress_counts_every_replication(scenario: Scenario) -> None:
    seen: list[tuple[int, int]] = []
    simulate(scenario, 7, replications=2, on_progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "abacus"}, "engine: found 'abacus', must be one of reference, fleet"),
        ({"replications": 0}, "replications: found 0, must be at least 1"),
        ({"regimes": ["sivd"]}, "regime: found 'sivd', must be one of svid, key"),
    ],
)
def test_bad_arguments_are_named(
    scenario: Scenario, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        simulate(scenario, 7, **arguments)  # type: ignore[arg-type]


def test_the_run_id_follows_what_decides_the_result(scenario: Scenario) -> None:
    ids = {
        plan(scenario, 7, "reference", 2).run_id,
        plan(scenario, 8, "reference", 2).run_id,
        plan(scenario, 7, "reference", 3).run_id,
        plan(scenario, 7, "fleet", 2).run_id,
        plan(scenario, 7, "reference", 2, ["key"]).run_id,
        plan(scenario.model_copy(update={"probes": 51}), 7, "reference", 2).run_id,
    }
    assert len(ids) == 6
