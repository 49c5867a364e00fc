"""Our generator as a tool of the bench, against a server that is always there."""

from pathlib import Path

import pytest

from loadgen.bench.ours import constant_arrivals, run_ours
from loadgen.bench.process import cores
from scenarios.errors import ProcessError
from tests.integration.generator_runs import rogue_server


def test_every_arrival_is_in_the_histogram(tmp_path: Path) -> None:
    pids: list[int] = []
    with rogue_server() as (port, _):
        found = run_ours(
            tmp_path, port, cores()[1], constant_arrivals(200, 1.0), 1.0, on_ready=pids.append
        )
    assert found.latency.get_total_count() == found.result.ok == 200
    assert len(pids) == 1
    assert found.ended_s >= 1.0 - 1 / 200
    assert 0 < found.percentile_s(50) <= found.percentile_s(99)
    assert list(tmp_path.iterdir()) == [tmp_path / "ours.log"]


def test_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="Connection refused"):
        run_ours(tmp_path, 1, cores()[1], constant_arrivals(10, 1.0), 1.0)
