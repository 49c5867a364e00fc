"""The engines' bench: both of ours on one model, and no comparison of unlike machines."""

import pytest

from scenarios.errors import UsageError
from simulator.bench import engines
from simulator.bench.engines import EngineTable, Ratio, bench_engines, compare

HERE = {"cpu": "one", "cores": "2"}


def test_a_short_bench_gives_its_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    table = bench_engines(rounds=2, agents=500)
    assert {case.tool for case in table.cases} == {"fleet", "reference"}
    assert all(len(case.runs) == 2 and min(case.runs) > 0 for case in table.cases)
    assert table.ratios["fleet_over_reference"].value > 5
    assert table.missing == [engines.HOW_TO_GET]


def test_a_baseline_of_another_machine_is_refused() -> None:
    table = EngineTable([], {"fleet_over_reference": Ratio(1500.0, 1400.0, 1600.0)}, [])
    assert compare(table, HERE, table, HERE) == {"fleet_over_reference": 1.0}
    with pytest.raises(UsageError, match="cores 4"):
        compare(table, HERE, table, {**HERE, "cores": "4"})
