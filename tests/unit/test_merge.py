"""Result files of several workers are added, never averaged."""

from pathlib import Path

import msgspec
import pytest

from loadgen.histogram import decode, empty, encode
from loadgen.merge import arrivals_only, read_rows
from scenarios.errors import ProcessError
from scenarios.record.tables import OperationRow


def row(op: str, values_us: list[int], batch: int = 0, code: str = "ok") -> OperationRow:
    histogram = empty()
    for value in values_us:
        histogram.record_value(value)
    return OperationRow("0", "r", 0, batch, op, code, len(values_us), encode(histogram))


def write(folder: Path, worker: int, rows: list[OperationRow]) -> None:
    (folder / f"operations-{worker}.msgpack").write_bytes(msgspec.msgpack.encode(rows))


def test_histograms_of_one_key_are_added(tmp_path: Path) -> None:
    write(tmp_path, 0, [row("issue-x509", [100] * 90), row("authorize", [50], batch=1)])
    write(tmp_path, 1, [row("issue-x509", [9000] * 10), row("issue-x509", [7], code="timeout")])
    found = {(one.op, one.batch, one.code): one for one in read_rows(tmp_path, "operations")}
    merged = found["issue-x509", 0, "ok"]
    assert merged.count == 100
    histogram = decode(merged.histogram)
    assert histogram.get_total_count() == 100
    assert histogram.get_value_at_percentile(89.0) == pytest.approx(100, rel=0.001)
    assert histogram.get_value_at_percentile(91.0) == pytest.approx(9000, rel=0.001)
    assert len(found) == 3


def test_counts_without_latency_stay_without(tmp_path: Path) -> None:
    unsent = OperationRow("0", "r", 0, 0, "authorize", "unsent", 7, b"")
    for worker in range(2):
        write(tmp_path, worker, [unsent])
    (merged,) = read_rows(tmp_path, "operations")
    assert (merged.count, merged.histogram) == (14, b"")


def test_the_generators_own_rows_are_no_arrivals() -> None:
    rows = [row("lag", [1]), row("authorize", [1]), row("tls-handshake", [1])]
    assert [one.op for one in arrivals_only(rows)] == ["authorize"]


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "operations-0.msgpack").write_bytes(b"\xff not msgpack")
    with pytest.raises(ProcessError, match=r"operations-0\.msgpack"):
        read_rows(tmp_path, "operations")


def test_no_file_is_no_row(tmp_path: Path) -> None:
    assert read_rows(tmp_path, "operations") == []
