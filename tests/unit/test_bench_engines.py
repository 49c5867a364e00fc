"""The engines' bench: one model for all, what it prints, and no comparison of unlike machines."""

from pathlib import Path

import msgspec
import pytest

from midas import baseline
from midas.baseline import Baseline, Stored
from midas.cli import main
from midas.provenance import machine
from scenarios.errors import UsageError
from simulator.bench import engines, model_m1, peer_numbers, scaling
from simulator.bench.engines import EngineTable, Ratio, bench_engines

HERE = {"cpu": "one", "cores": "2", "python": "3.11.7", "system": "Linux 6.1", "memory_gib": "8"}
AGENTS = 1000


def stored(of: dict[str, str], agents: int = AGENTS) -> Baseline:
    return Baseline(of, {"fleet_over_reference": Stored(1500.0, 1400.0, 1600.0)}, agents)


def test_a_short_bench_gives_its_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    table = bench_engines(rounds=2, agents=500)
    assert {case.tool for case in table.cases} == {"fleet", "reference"}
    assert all(len(case.runs) == 2 and min(case.runs) > 0 for case in table.cases)
    assert table.ratios["fleet_over_reference"].value > 5
    assert table.missing == [engines.HOW_TO_GET]
    assert table.agents == 500


def test_scaling_runs_every_size_up_to_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "SIZES", (1000, 2000, 4000))
    monkeypatch.setattr(scaling, "_apart", scaling.measure)
    table = scaling.bench_engines(rounds=2, agents=2000)
    assert [case.name for case in table.cases[::4]] == ["1,000 agents", "2,000 agents"]
    assert {case.metric: case.unit for case in table.cases} == {
        "wall": "s",
        "CPU": "s",
        "events": "1/s",
        "peak memory per agent": "B",
    }
    assert list(table.ratios) == ["time_per_agent_2k_over_1k"]
    ratio = table.ratios["time_per_agent_2k_over_1k"]
    assert 0 < ratio.low <= ratio.value <= ratio.high


def test_a_size_counts_the_events_of_the_hour() -> None:
    # 60 switches, 2 renewals of 2 events; the outage's refusals come on top, at most one in 30 s
    size = scaling.measure(2000, 3600.0)
    assert 64 * 0.98 < size.events / 2000 < 64 + 2 * 600 / 30
    assert size.cpu_s > 0


def test_a_peer_runs_the_model_of_the_catalogue() -> None:
    of = model_m1.scenario(AGENTS, 3600.0)
    (regime,), (workload,), (fault,) = of.regimes, of.workloads, of.faults
    assert pytest.approx(1 / sum(t.rate_hz for t in workload.tasks)) == peer_numbers.SWITCH_GAP_S
    assert regime.renewal.fraction * regime.ttl_s == peer_numbers.AGE_S
    assert regime.renewal.jitter == peer_numbers.AGE_JITTER
    assert of.issuer.servers == peer_numbers.SERVERS
    backoff = of.issuer.backoff
    assert backoff.base_s == peer_numbers.BACKOFF_BASE_S
    assert backoff.factor == peer_numbers.BACKOFF_FACTOR
    assert backoff.cap_s == peer_numbers.BACKOFF_CAP_S
    assert backoff.jitter == peer_numbers.BACKOFF_JITTER
    assert (fault.kind, fault.start_s) == ("issuer-outage", peer_numbers.OUTAGE_BEGINS_S)
    assert (fault.duration_s, fault.every_s) == (
        peer_numbers.OUTAGE_S,
        peer_numbers.OUTAGE_EVERY_S,
    )


def test_cimba_executes_as_many_events_as_the_law_says() -> None:
    """10 switches and a third of a renewal (two events) an agent in ten minutes before the outage.

    The number of 2,000 agents has a standard deviation of at most √(2000·(10 + 4/3)) = 151: five of
    them are 3.5 %.
    """
    pytest.importorskip("cimba", reason="the extra [bench] is not installed")
    from simulator.bench import peer_cimba

    service_time_s = model_m1.scenario(2000, 600.0).issuer.service_time_s
    events, wall_s = peer_cimba.run_apart(2000, 600.0, service_time_s, seed=1)
    assert events == pytest.approx(2000 * (10 + 2 / 3), rel=0.035)
    assert wall_s > 0


def test_only_what_decides_a_ratio_must_be_equal() -> None:
    elsewhere = {**HERE, "system": "Linux 7.0", "memory_gib": "64", "python": "3.11.9"}
    baseline.refuse_unlike(stored(elsewhere), HERE, AGENTS)
    for key, other in {"cpu": "another", "cores": "4", "python": "3.13.0"}.items():
        with pytest.raises(UsageError, match=f"measured with {key} "):
            baseline.refuse_unlike(stored({**HERE, key: other}), HERE, AGENTS)
    with pytest.raises(UsageError, match="agents 1000; this is agents 2000"):
        baseline.refuse_unlike(stored(HERE), HERE, 2000)


def test_a_ratio_is_worse_when_its_whole_interval_is() -> None:
    def held(*ends: float) -> baseline.Comparison:
        return baseline.compare(
            stored(HERE), {"fleet_over_reference": Ratio(*ends), "new": Ratio(1, 1, 1)}
        )

    same = held(1500.0, 1400.0, 1600.0)
    assert same.changes["fleet_over_reference"] == Stored(1.0, 1400 / 1600, 1600 / 1400)
    assert same.worse == []
    assert held(1200.0, 1100.0, 1270.0).worse == []  # 1270/1400 = 0.907
    assert held(1200.0, 1100.0, 1250.0).worse == ["fleet_over_reference"]  # 1250/1400 = 0.893


def test_the_command_refuses_before_it_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "engines.json"
    command = ["bench", "engines", "--agents", str(AGENTS), "--baseline", str(file)]
    assert main(command) == 2
    assert "No such file" in capsys.readouterr().err
    file.write_text("[]")
    assert main(command) == 2
    assert "not what `midas bench engines --json` prints" in capsys.readouterr().err
    file.write_bytes(msgspec.json.encode(stored(HERE)))
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("midas: baseline: measured with cpu one")
    assert line.endswith("not comparable")


@pytest.mark.parametrize(("value", "code"), [(1500.0, 0), (1000.0, 1)])
def test_the_command_answers_no_when_a_ratio_fell(
    value: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = EngineTable([], {"fleet_over_reference": Ratio(value, value, value)}, [], AGENTS)
    monkeypatch.setattr(engines, "bench_engines", lambda **_: table)
    file = tmp_path / "engines.json"
    file.write_bytes(msgspec.json.encode(stored(machine())))
    command = ["bench", "engines", "--agents", str(AGENTS), "--baseline", str(file), "--json"]
    assert main(command) == code
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["baseline"]["worse"] == ["fleet_over_reference"] * code
    assert document["agents"] == AGENTS
