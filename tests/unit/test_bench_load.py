"""What the load bench computes by itself: truth, wire times, and how it reads its peers."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from loadgen.bench import load
from loadgen.bench.nginx import nginx
from loadgen.bench.peers import PeerRun, _k6_script, _read_k6, _read_locust, _read_wrk
from loadgen.bench.table import case, ratio
from loadgen.bench.wire_time import request_times
from scenarios.errors import ProcessError


def test_truth_of_a_stall_is_the_rest_of_it() -> None:
    intended = np.array([0.0, 1.0, 1.25, 1.999, 2.0, 3.0])
    truth = load.true_latency_s(intended, [(1.0, 2.0)])
    assert truth == pytest.approx([0.0, 1.0, 0.75, 0.001, 0.0, 0.0])


def test_one_second_in_ten_at_constant_rate_has_its_known_percentiles() -> None:
    intended = np.arange(10_000) / 500
    truth = load.true_latency_s(intended, [(5.0, 6.0), (15.0, 16.0)])
    assert np.percentile(truth, 95) == pytest.approx(0.5, abs=0.01)
    assert np.percentile(truth, 99) == pytest.approx(0.9, abs=0.01)


def _frame(source: int, target: int, payload: bytes, padding: int = 0) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", source, target, 1, 1, 5 << 4, 0x18, 512, 0, 0)
    total = 20 + len(tcp) + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 1, 0, 64, 6, 0, bytes(4), bytes(4))
    return bytes(12) + b"\x08\x00" + ip + tcp + payload + bytes(padding)


def _pcap(path: Path, frames: list[tuple[float, bytes]]) -> Path:
    data = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 96, 1)
    for at_s, frame in frames:
        whole = int(at_s)
        size = len(frame)
        data += struct.pack("<IIII", whole, round((at_s - whole) * 1e9), size, size) + frame
    path.write_bytes(data)
    return path


def test_wire_times_pair_requests_with_answers_by_connection(tmp_path: Path) -> None:
    file = _pcap(
        tmp_path / "x.pcap",
        [
            (1.000, _frame(5001, 80, b"GET")),
            (1.001, _frame(5002, 80, b"GET")),
            (1.0015, _frame(80, 5001, b"", padding=6)),  # an ACK alone, padded by Ethernet
            (1.002, _frame(80, 5001, b"200")),
            (1.002, _frame(5001, 80, b"")),
            (1.005, _frame(80, 5002, b"200")),
            (1.006, _frame(80, 5002, b"more of it")),
            (1.007, b"too short"),
            (2.000, _frame(5001, 80, b"GET")),
            (2.003, _frame(80, 5001, b"200")),
        ],
    )
    assert request_times(file, 80) == pytest.approx([0.002, 0.004, 0.003])


def test_what_is_no_capture_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"tcpdump: you don't have permission")
    with pytest.raises(ProcessError, match="no capture"):
        request_times(tmp_path / "x", 80)


def test_peers_are_read_in_their_own_words() -> None:
    k6 = {"http_reqs": {"count": 5001}, "http_req_duration": {"p(95)": 750.0, "p(99)": 950.0}}
    assert _read_k6({"metrics": k6}, 10.0) == PeerRun(5001, 500.1, 0.75, 0.95)
    entry = {
        "num_requests": 100,
        "start_time": 10.0,
        "last_request_timestamp": 20.0,
        "response_times": {"1": 94, "7": 5, "900": 1},
    }
    locust = _read_locust([entry])
    assert (locust.sent, locust.rps, locust.p95_s, locust.p99_s) == (100, 10.0, 0.007, 0.007)
    wrk = _read_wrk("  Latency Distribution\n     99%  938.93ms\n  904108 requests in 10s", 10.0)
    assert (wrk.sent, wrk.p95_s, wrk.p99_s) == (904108, None, pytest.approx(0.93893))


def test_k6_scripts_say_open_or_closed() -> None:
    def scenario(options: dict[str, int]) -> dict[str, object]:
        script = _k6_script("http://127.0.0.1:1/", 20.0, options)
        settings = script.split("export const options = ")[1].split(";\n")[0]
        loaded: dict[str, object] = json.loads(settings)["scenarios"]["load"]
        return loaded

    assert scenario({"vus": 16})["executor"] == "constant-vus"
    arrival = scenario({"rate_hz": 500, "vus": 50})
    assert (arrival["executor"], arrival["rate"], arrival["maxVUs"]) == (
        "constant-arrival-rate",
        500,
        50,
    )


def test_table_has_median_and_extremes_and_none_for_nothing() -> None:
    assert case("speed", "x", "rps", "1/s", [3.0, 1.0, 2.0]).value == 2.0
    assert case("speed", "x", "rps", "1/s", []).value is None
    assert ratio([3.0, 1.0, 2.0]) == ratio([1.0, 2.0, 3.0])
    assert (ratio([]).value, ratio([]).low, ratio([]).high) == (None, None, None)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(10.0, 5.0), (4.2, 4.0), (4.3, 4.25), (3.0, 3.0), (2.9, 2.5), (1.7, 1.5), (1.0, None)],
)
def test_ladder_finds_the_highest_rate_that_keeps_up(
    monkeypatch: pytest.MonkeyPatch, limit: float, expected: float | None
) -> None:
    class Found:
        def __init__(self, factor: float) -> None:
            self.factor = factor
            self.kept_up = factor <= limit

    def run_ours(*arguments: object, **_: float) -> Found:
        intended = arguments[3]
        assert isinstance(intended, np.ndarray)
        return Found(round(len(intended) / load.SPEED_S / 100, 3))

    monkeypatch.setattr(load, "run_ours", run_ours)
    bench = load._Bench(Path(), 0, 0, lambda _step: None, {})
    best = load._fastest(bench, load.Nginx(1, 1), 100.0, "step")
    assert (None if best is None else best.factor) == expected  # type: ignore[attr-defined]


def test_nginx_that_is_missing_is_one_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadgen.bench.nginx.find", lambda _tool: None)
    with pytest.raises(ProcessError, match="apt-get install nginx"), nginx(tmp_path, 0):
        pass
