"""``midas bench catalog``: verdicts, repeated runs, and what it prints."""

import pytest

from midas import catalog_bench
from midas.catalog_bench import BOUND_S, BUSY, COLD_SCENARIO, LARGE_BOUND_S, bench_catalog, chosen
from midas.render import catalog_bench as render
from scenarios.errors import ProcessError, UsageError
from scenarios.spec import resolve
from tests.command_line import conforms, midas

LARGE = "ten-million-agents"
OTHER = "partition"


def took(wall_s: float, others: float = 0.0, compiled: int = 0) -> catalog_bench._Process:
    return catalog_bench._Process(wall_s, wall_s, 10**8, 8, others, compiled)


def measured(monkeypatch: pytest.MonkeyPatch, *runs: catalog_bench._Process) -> list[str]:
    """Let runs have taken so long, in order; return the names that are asked for."""
    asked, waiting = list[str](), list(runs)

    def simulate(name: str, _cache: object = None) -> catalog_bench._Process:
        asked.append(name)
        return waiting.pop(0)

    monkeypatch.setattr(catalog_bench, "_simulate", simulate)
    return asked


def test_the_bound_is_a_minute_and_four_for_ten_million(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, took(BOUND_S + 1.0), took(BOUND_S + 1.0))
    table = bench_catalog([OTHER, LARGE])
    assert [row.bound_s for row in table.scenarios] == [60.0, LARGE_BOUND_S]
    assert [row.verdict for row in table.scenarios] == ["not kept", "kept"]
    assert not table.kept


def test_a_bound_missed_beside_others_is_undecided() -> None:
    assert catalog_bench.verdict(61.0, 60.0, 2.0 * BUSY) == "undecided"
    assert catalog_bench.verdict(61.0, 60.0, 0.0) == "not kept"
    assert catalog_bench.verdict(60.0, 60.0, 1.0) == "kept"


def test_a_run_that_compiled_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = measured(monkeypatch, took(30.0, compiled=9), took(2.0))
    (row,) = bench_catalog([OTHER]).scenarios
    assert asked == [OTHER, OTHER]
    assert (row.wall_s, row.compiled) == (2.0, 0)


def test_the_cold_figure_stands_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, took(30.0, compiled=9), took(2.0), took(3.0))
    table = bench_catalog([COLD_SCENARIO])
    assert table.cold is not None
    assert (table.cold.wall_s, table.cold.warm_wall_s, table.cold.compiled) == (30.0, 2.0, 9)
    assert [row.wall_s for row in table.scenarios] == [3.0]


def test_all_scenarios_when_none_is_named() -> None:
    assert chosen([]) == list(resolve.catalog())
    assert chosen([LARGE, OTHER]) == [OTHER, LARGE]
    with pytest.raises(UsageError, match="--only: found 'nothing'"):
        chosen(["nothing"])


def test_a_failed_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_bench.sys, "executable", "false")
    with pytest.raises(ProcessError, match=OTHER):
        bench_catalog([OTHER])


def test_people_and_scripts_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, took(70.0, others=0.5))
    table = bench_catalog([OTHER])
    document = render.document(table)
    assert document["ratios"][OTHER]["value"] == pytest.approx(70.0 / 60.0)
    assert {case["metric"] for case in document["cases"]} == {"wall", "CPU", "peak memory"}
    assert any("0 of 1 within 60 s" in str(line) for line in render.lines(table))


def test_a_real_scenario() -> None:
    name = "metastable-overload-bounded"
    done = midas("bench", "catalog", "--only", name, "--json")
    document = conforms("bench-catalog", done)
    (row,) = document["scenarios"]
    assert (row["scenario"], row["regimes"], document["cold"]) == (name, 1, None)
    assert done.returncode == (0 if row["verdict"] == "kept" else 1)
    assert "1 of 1" in done.stderr
