"""``midas bench load``: is the generator true, and is it fast? Beside its peers, in one run.

nginx answers on one core, the tool under test has the other one. Three questions:

- *Truth*: nginx stands still (SIGSTOP) for 1 s in every 10 s. What does each tool report at 500
  requests/s, against the truth computed from the schedule?
- *Speed*: how many requests/s a core? Ours counts only while its lag p99 is at most 5 ms.
- *Cost of looking*: the reported p99 against the p99 on the wire (a packet capture) at 2,000/s, and
  the CPU at 250/s.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadgen.bench.nginx import Nginx, Stalls, nginx
from loadgen.bench.ours import OurRun, constant_arrivals, run_ours
from loadgen.bench.peers import Peer, locust_program, read_peer, run_peer, start_peer, without_proxy
from loadgen.bench.process import HOW_TO_GET, cores, cpu_share, find, keeping_to
from loadgen.bench.table import BenchTable, Case, Ratio, case, ratio
from loadgen.bench.wire_time import capture, request_times
from scenarios.errors import ProcessError

OURS = "midas"
SPEED_S, SPEED_WARMUP_S = 5.0, 1.0
STALL_HZ, STALL_S, STALL_EVERY_S, STALL_LENGTH_S = 500, 20.0, 10.0, 1.0
STALL_AFTER_S = 5.0
"""of a tool's start, so that every tool is up; of the run clock, ours"""
STALL_CONNECTIONS = 1000
"""as many as k6 has VUs; beside our default, which is what the ratios are of"""
WIRE_HZ, WIRE_S, WIRE_WARMUP_S = 2_000, 6.0, 1.0
WIRE_TURNS = 3
"""per round: whether something disturbs the machine just then decides a p99 of a tenth of a ms"""
IDLE_HZ, IDLE_S = 250, 8.0
FACTORS = (1.5, 2.0, 2.5, 3.0, 3.25, 3.5, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0)
"""rates that are tried for ours, as multiples of what k6 has just done"""

K6 = Peer("k6", "k6, 16 VUs", {"vus": 16})
FAST = Peer("locust", "FastHttpUser, 16 users", {"users": 16, "pace": "none"})
WRK = Peer("wrk", "wrk, 16 connections", {"connections": 16})
STALLED = (
    Peer("locust", "Locust closed loop, 10 users", {"users": 10, "pace": "constant:0.0195"}),
    Peer("locust", "Locust constant_throughput, 10 users", {"users": 10, "pace": "throughput:50"}),
    Peer("k6", "k6 arrival-rate, 50 VUs", {"rate_hz": STALL_HZ, "vus": 50}),
    Peer("k6", "k6 arrival-rate, 1000 VUs", {"rate_hz": STALL_HZ, "vus": 1000}),
    WRK,
)
WIRED = (
    Peer("k6", "k6 arrival-rate, 200 VUs", {"rate_hz": WIRE_HZ, "vus": 200}),
    Peer("locust", "FastHttpUser, constant_throughput", {"users": 40, "pace": "throughput:50"}),
)
IDLE_K6 = Peer("k6", "k6 arrival-rate, 20 VUs", {"rate_hz": IDLE_HZ, "vus": 20})


def expected_s(rounds: int) -> float:
    """Return about how long the bench will take, to be said beforehand."""
    speed = 3 * (SPEED_S + 2) + 5 * (SPEED_S + 2.5)
    stall = (2 + len(STALLED)) * (STALL_S + 3)
    return (
        rounds * (speed + WIRE_TURNS * (WIRE_S + 3))
        + stall
        + len(WIRED) * (WIRE_S + 3)
        + 2 * (IDLE_S + 4)
    )


@dataclass(slots=True)
class _Bench:
    folder: Path
    server_core: int
    core: int
    say: Callable[[str], None]
    programs: dict[str, str]
    cases: list[Case] = field(default_factory=list)
    ratios: dict[str, Ratio] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def has(self, peer: Peer) -> bool:
        return peer.tool in self.programs

    def add(self, name: str, tool: str, metric: str, unit: str, *runs: float) -> None:
        self.cases.append(case(name, tool, metric, unit, runs))


def bench_load(
    *, rounds: int = 3, on_step: Callable[[str], None] = lambda _step: None
) -> BenchTable:
    """Measure our generator and its peers on this machine.

    Args:
        rounds: how often speed and wire time are measured, the tools taking turns.
        on_step: called with a few words before each step.

    Returns:
        Cases, and the ratios ``rps_over_k6``, ``rps_over_fasthttpuser``,
        ``stall_p95_over_truth``, ``stall_p99_over_truth``, ``stall_missing`` (arrivals),
        ``wire_p99_ratio``, ``lag_p99_s`` (at the rate of ``rps_over_k6``) and
        ``cpu_over_k6_at_250hz``. What a missing tool would have given is None.

    Raises:
        ProcessError: nginx is not installed, or a tool failed.
    """
    without_proxy()
    server_core, core = cores()
    programs = {tool: path for tool in HOW_TO_GET if (path := find(tool)) is not None}
    with tempfile.TemporaryDirectory(prefix="midas-bench-") as name:
        bench = _Bench(Path(name), server_core, core, on_step, programs)
        bench.programs["locust"] = locust_program()
        bench.missing = [
            f"{tool}: {how}" for tool, how in HOW_TO_GET.items() if tool not in programs
        ]
        with keeping_to(server_core), nginx(bench.folder, server_core) as server:
            _speed(bench, server, rounds)
            _wire(bench, server, rounds)
            _idle(bench, server)
            _truth(bench, server)
    return BenchTable(bench.cases, bench.ratios, bench.missing)


# -- speed


def _speed(bench: _Bench, server: Nginx, rounds: int) -> None:
    ours: list[float] = []
    lags: list[float] = []
    theirs: dict[str, list[float]] = {peer.label: [] for peer in (K6, FAST, WRK)}
    for number in range(rounds):
        for peer in (K6, FAST, WRK):
            if bench.has(peer):
                bench.say(f"speed {number + 1}/{rounds}: {peer.label}")
                program = bench.programs[peer.tool]
                found = run_peer(peer, program, server.url, SPEED_S, bench.folder, bench.core)
                theirs[peer.label].append(found.rps)
        base = (theirs[K6.label] or theirs[FAST.label])[-1]
        best = _fastest(bench, server, base, f"speed {number + 1}/{rounds}")
        if best is not None:
            ours.append(best.result.ok / best.result.seconds)
            lags.append(best.result.lag_p99_s or 0.0)
    bench.add("speed", OURS, "requests/s on one core, lag p99 <= 5 ms", "1/s", *ours)
    for label, rates in theirs.items():
        if rates:
            bench.add("speed", label, "requests/s on one core", "1/s", *rates)
    bench.ratios["rps_over_k6"] = _paired(ours, theirs[K6.label])
    bench.ratios["rps_over_fasthttpuser"] = _paired(ours, theirs[FAST.label])
    bench.ratios["lag_p99_s"] = ratio(lags)


def _paired(ours: list[float], theirs: list[float]) -> Ratio:
    return ratio([mine / other for mine, other in zip(ours, theirs, strict=False)])


def _fastest(bench: _Bench, server: Nginx, base_hz: float, step: str) -> OurRun | None:
    """Return the run at the highest rate of the ladder that kept up, None if none did.

    The ladder is climbed from 3 × ``base_hz`` to the first rate that fails, or descended to the
    first that does not. No rate is tried twice.
    """
    index = FACTORS.index(3.0)
    best: OurRun | None = None
    direction = 0
    while 0 <= index < len(FACTORS):
        rate_hz = FACTORS[index] * base_hz
        bench.say(f"{step}: {OURS} at {rate_hz:,.0f}/s")
        intended = constant_arrivals(rate_hz, SPEED_S)
        found = run_ours(
            bench.folder, server.port, bench.core, intended, SPEED_S, warmup_s=SPEED_WARMUP_S
        )
        best = found if found.kept_up else best
        direction = direction or (1 if found.kept_up else -1)
        if found.kept_up == (direction < 0):
            return best
        index += direction
    return best


# -- truth


def true_latency_s(
    intended_s: NDArray[np.float64], stalls: list[tuple[float, float]]
) -> NDArray[np.float64]:
    """Return what each arrival must wait at a server that answers at once unless it stands still.

    Args:
        intended_s: intended starts.
        stalls: (from, to) on the same clock.
    """
    latency = np.zeros(len(intended_s))
    for began, ended in stalls:
        caught = (intended_s >= began) & (intended_s < ended)
        latency[caught] = ended - intended_s[caught]
    return latency


def _truth(bench: _Bench, server: Nginx) -> None:
    bench.ratios |= _truth_of_ours(bench, server, OURS, None)
    tool = f"{OURS}, {STALL_CONNECTIONS:,} connections"
    _truth_of_ours(bench, server, tool, STALL_CONNECTIONS)
    for peer in STALLED:
        if bench.has(peer):
            bench.say(f"truth under stalls: {peer.label}")
            program = bench.programs[peer.tool]
            process = start_peer(peer, program, server.url, STALL_S, bench.folder, bench.core)
            with Stalls(server.pid, _stall_instants(), STALL_LENGTH_S):
                seen = read_peer(peer, process, STALL_S, bench.folder)
            _report_stall(bench, peer.label, seen.sent, seen.p95_s, seen.p99_s)


def _truth_of_ours(
    bench: _Bench, server: Nginx, tool: str, connections: int | None
) -> dict[str, Ratio]:
    bench.say(f"truth under stalls: {tool}")
    intended = constant_arrivals(STALL_HZ, STALL_S)
    stalls = Stalls(server.pid, [], STALL_LENGTH_S)

    def begin(_pid: int) -> None:
        # the generator starts by itself 0.3 s after this; the first stall lies seconds later
        stalls.at_monotonic_s = _stall_instants()
        stalls.__enter__()

    try:
        found = run_ours(
            bench.folder,
            server.port,
            bench.core,
            intended,
            STALL_S,
            connections=connections,
            on_ready=begin,
        )
    finally:
        stalls.__exit__()
    zero = found.result.zero_monotonic_s
    happened = [(began - zero, ended - zero) for began, ended in stalls.happened]
    truth = true_latency_s(intended, happened)
    true_p95_s, true_p99_s = (float(x) for x in np.percentile(truth, [95, 99]))
    our_p95_s, our_p99_s = found.percentile_s(95), found.percentile_s(99)
    answered = float(found.latency.get_total_count())
    _report_stall(bench, tool, answered, our_p95_s, our_p99_s)
    _report_stall(bench, f"truth of {tool}", len(intended), true_p95_s, true_p99_s)
    return {
        "stall_p95_over_truth": ratio([our_p95_s / true_p95_s]),
        "stall_p99_over_truth": ratio([our_p99_s / true_p99_s]),
        "stall_missing": ratio([len(intended) - answered]),
    }


def _stall_instants() -> list[float]:
    now = time.monotonic()
    count = int(STALL_S / STALL_EVERY_S)
    return [now + STALL_AFTER_S + k * STALL_EVERY_S for k in range(count)]


def _report_stall(
    bench: _Bench, tool: str, sent: float, p95_s: float | None, p99_s: float | None
) -> None:
    bench.add("stalls", tool, "requests sent", "1", sent)
    if p95_s is not None:
        bench.add("stalls", tool, "p95", "s", p95_s)
    if p99_s is not None:
        bench.add("stalls", tool, "p99", "s", p99_s)


# -- the cost of looking


def _wire(bench: _Bench, server: Nginx, rounds: int) -> None:
    if "tcpdump" not in bench.programs:
        bench.ratios["wire_p99_ratio"] = ratio([])
        return
    reported: list[float] = []
    wire: list[float] = []
    try:
        for number in range(WIRE_TURNS * rounds):
            bench.say(f"wire {number + 1}/{WIRE_TURNS * rounds}: {OURS}")
            with capture(server.port, bench.folder, bench.server_core) as file:
                intended = constant_arrivals(WIRE_HZ, WIRE_S)
                found = run_ours(
                    bench.folder,
                    server.port,
                    bench.core,
                    intended,
                    WIRE_S,
                    warmup_s=WIRE_WARMUP_S,
                )
            reported.append(found.percentile_s(99))
            wire.append(_wire_p99_s(file, server))
        for peer in WIRED:
            if bench.has(peer):
                _wire_of(bench, server, peer)
    except ProcessError as fault:
        if "tcpdump" not in str(fault):
            raise
        bench.missing.append(str(fault))
    bench.add("wire", OURS, "p99 reported at 2,000/s", "s", *reported)
    bench.add("wire", OURS, "p99 on the wire at 2,000/s", "s", *wire)
    bench.ratios["wire_p99_ratio"] = _paired(reported, wire)


def _wire_p99_s(file: Path, server: Nginx) -> float:
    after_warmup = request_times(file, server.port)[int(WIRE_WARMUP_S * WIRE_HZ) :]
    return float(np.percentile(after_warmup, 99))


def _wire_of(bench: _Bench, server: Nginx, peer: Peer) -> None:
    bench.say(f"wire: {peer.label}")
    with capture(server.port, bench.folder, bench.server_core) as file:
        program = bench.programs[peer.tool]
        seen = run_peer(peer, program, server.url, WIRE_S, bench.folder, bench.core)
    if seen.p99_s is not None:
        bench.add("wire", peer.label, "p99 reported at 2,000/s", "s", seen.p99_s)
    bench.add("wire", peer.label, "p99 on the wire at 2,000/s", "s", _wire_p99_s(file, server))


def _idle(bench: _Bench, server: Nginx) -> None:
    bench.say(f"CPU at {IDLE_HZ}/s: {OURS}")
    intended = constant_arrivals(IDLE_HZ, IDLE_S)
    ours = run_ours(bench.folder, server.port, bench.core, intended, IDLE_S).result
    mine = ours.cpu_s / IDLE_S
    bench.add("idle", OURS, f"share of a core at {IDLE_HZ}/s", "1", mine)
    if not bench.has(IDLE_K6):
        bench.ratios["cpu_over_k6_at_250hz"] = ratio([])
        return
    bench.say(f"CPU at {IDLE_HZ}/s: {IDLE_K6.label}")
    program = bench.programs[IDLE_K6.tool]
    process = start_peer(IDLE_K6, program, server.url, IDLE_S, bench.folder, bench.core)
    time.sleep(2.0)  # its start-up is not what is compared
    theirs = cpu_share(process.pid, IDLE_S - 3.0)
    read_peer(IDLE_K6, process, IDLE_S, bench.folder)
    bench.add("idle", IDLE_K6.label, f"share of a core at {IDLE_HZ}/s", "1", theirs)
    bench.ratios["cpu_over_k6_at_250hz"] = ratio([mine / theirs])
