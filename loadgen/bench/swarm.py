"""``midas bench swarm``: how many hollow agents does one core carry, and at what cost?

SPIRE's server has one core, the swarm the other. Every agent has a key, an mTLS connection and a
source address of its own and ten identities; it syncs every 5 s and renews everything about every
150 s. A figure counts only if the swarm itself was on time (lag p99 at most 100 ms) and the server
answered: a swarm that waits for a server costs nothing. Where the largest fleet is too large for
either, a smaller one is tried, so that the honest limit is what is reported.
"""

import os
from collections.abc import Callable
from contextlib import suppress

import psutil

from loadgen.bench.spire_rates import spire_rates
from loadgen.bench.table import BenchTable, Case, Ratio, case
from loadgen.clock import RunClock
from loadgen.histogram import decode, empty
from loadgen.merge import read_rows
from loadgen.swarm.field import CONTROL_FRAME_LIMIT, Fleet, Meter, spire, swarm
from loadgen.swarm.protocol import RENEW_OP, SYNC_OP, SwarmResult
from loadgen.targets.spire.process import ServerSettings
from scenarios.record.tables import OperationRow

LADDER = (4000, 3000, 2000, 1000, 500)
IDENTITIES = 10
X509_TTL_S = 300
"""renewed at about half of it and of the 10 s by which it is backdated: every 150 s"""
STEADY_S = 60.0
ATTEST_HZ = 100.0
"""at which the fleet comes up; SPIRE attests some hundred agents a second and core"""
SETTLE_S = 15.0
CARRIED = 0.9
"""share of the fleet's syncs that must be answered for it to count as carried"""
BUSY = 0.05
"""share of the processor from which on other processes are named where a fleet was not carried"""
TOOL = "hollow agents on one core"


def expected_s(agents: int = LADDER[0]) -> float:
    """Return about how long the bench takes when a fleet of this size is carried at once."""
    return agents / ATTEST_HZ + SETTLE_S + STEADY_S + 20.0


def bench_swarm(
    *,
    ladder: tuple[int, ...] = LADDER,
    steady_s: float = STEADY_S,
    on_step: Callable[[str], None] = lambda _step: None,
) -> BenchTable:
    """Measure the swarm against a real SPIRE server on this machine.

    Args:
        ladder: sizes of the fleet that are tried, largest first, until one is on time.
        steady_s: how long each is measured once it is up.
        on_step: called with a few words before each step.

    Returns:
        Cases (first what a CPU-second of SPIRE mints, with audit log and without, in the units of
        ``bench service``), and the figures ``hollow_agents``, ``lag_p99_s``,
        ``cpu_us_per_agent_s`` and ``kb_per_agent`` as ratios whose ends are the value itself: one
        run. What could not be measured is None.

    Raises:
        TargetError: SPIRE is not installed or does not start.
    """
    cases: list[Case] = []
    on_step("SPIRE's rates, audit on and off")
    for (name, tool), rates in spire_rates().items():
        cases.append(case(name, tool, "operations a second of the server's CPU", "1/CPU-s", rates))
    best: SwarmResult | None = None
    for agents in ladder:
        on_step(f"{agents} hollow agents, {IDENTITIES} identities each")
        result, found, reason = _measure(agents, steady_s)
        cases += found
        if not reason:
            best = result
            break
        on_step(f"{agents}: {reason}")
    figures = {
        "hollow_agents": None if best is None else float(best.agents),
        "lag_p99_s": None if best is None else best.lag_p99_s,
        "cpu_us_per_agent_s": None if best is None else best.cpu_us_per_agent_s,
        "kb_per_agent": None if best is None else best.kb_per_agent,
    }
    return BenchTable(cases, {name: Ratio(v, v, v) for name, v in figures.items()}, [])


def _measure(agents: int, steady_s: float) -> tuple[SwarmResult, list[Case], str]:
    """Return what a fleet's run was, its cases, and why it does not count, empty when it does."""
    settle_s = agents / ATTEST_HZ + SETTLE_S
    fleet = Fleet(
        agents=agents,
        identities=IDENTITIES,
        x509_ttl_s=X509_TTL_S,
        seconds=settle_s + steady_s,
        settle_s=settle_s,
        spread_s=agents / ATTEST_HZ,
        stationary=True,
    )
    settings = ServerSettings(control_frame_limit=CONTROL_FRAME_LIMIT)
    with spire(settings) as server, swarm(server, fleet) as link:
        _pin(link.child.pid, server.process)
        link.start(RunClock.starting_in(0.2))
        link.until(lambda progress: progress.t_s >= settle_s, settle_s + 60.0)
        meter, machine = Meter(server), _Machine([server.process, psutil.Process(link.child.pid)])
        link.until(lambda progress: progress.t_s >= fleet.seconds - 1.0, steady_s + 60.0)
        server.check()
        share, rss_mb, others = meter.share(), meter.rss_mb(), machine.others_share()
        result = link.finish(60.0)
        rows = read_rows(link.rundir, "operations")
    name = f"{agents} agents"
    cases = [
        _one(name, "lag p99 of the swarm", "s", result.lag_p99_s),
        _one(name, "CPU of the swarm an agent", "µs/s", result.cpu_us_per_agent_s),
        _one(name, "memory of the swarm an agent", "kB", result.kb_per_agent),
        _one(name, "CPU of SPIRE's server", "cores", share),
        _one(name, "memory of SPIRE's server", "MB", rss_mb),
        _one(name, "processor that other processes had", "1", others),
    ]
    calls, syncs_hz = _calls(name, rows, result)
    return result, cases + calls, why_not(result, syncs_hz, agents / fleet.sync_s, others)


def why_not(result: SwarmResult, syncs_hz: float, wanted_hz: float, others: float = 0.0) -> str:
    """Return why a run does not count, empty when it does.

    Args:
        result: of the swarm.
        syncs_hz: that were answered.
        wanted_hz: that the fleet meant to make.
        others: share of the machine's processor time that went to other processes.
    """
    reason = result.reason
    if result.valid and syncs_hz < CARRIED * wanted_hz:
        reason = f"SPIRE saturated: {syncs_hz:.0f} of {wanted_hz:.0f} syncs a second answered"
    busy = reason and others > BUSY
    return f"{reason}; other processes had {others:.0%} of the processor" if busy else reason


class _Machine:
    """The machine's processor time between two instants, and how much of it was ours."""

    def __init__(self, ours: list[psutil.Process | None]) -> None:
        self._ours = [process for process in ours if process is not None]
        self._all_s, self._idle_s, self._ours_s = self._now()

    def _now(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        ours_s = 0.0
        for process in self._ours:
            with suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                ours_s += used.user + used.system
        return sum(times), times.idle + getattr(times, "iowait", 0.0), ours_s

    def others_share(self) -> float:
        """Return the share of all processor time that neither idled nor was ours."""
        all_s, idle_s, ours_s = self._now()
        span_s = max(all_s - self._all_s, 1e-9)
        busy_s = span_s - (idle_s - self._idle_s)
        return max(0.0, busy_s - (ours_s - self._ours_s)) / span_s


def _calls(name: str, rows: list[OperationRow], result: SwarmResult) -> tuple[list[Case], float]:
    """Return the cases of the agents' calls, and the rate of answered syncs."""
    cases: list[Case] = []
    answered: dict[str, float] = {}
    for op in (SYNC_OP, RENEW_OP):
        total = empty()
        for row in rows:
            if row.op == op and row.code == "ok" and row.batch >= 0 and row.histogram:
                total.add(decode(row.histogram))
        count = total.get_total_count()
        answered[op] = count / result.steady_s
        cases.append(_one(name, f"{op} answered", "1/s", answered[op]))
        for percent in (50.0, 99.0):
            value = total.get_value_at_percentile(percent) / 1e6 if count else None
            cases.append(_one(name, f"{op} p{percent:.0f}", "s", value))
    failed = float(sum(result.errors.values()))
    errors = ", ".join(f"{key} {n}" for key, n in sorted(result.errors.items())) or "none"
    return [*cases, case(name, TOOL, "failed calls", "1", [failed], errors)], answered[SYNC_OP]


def _one(name: str, metric: str, unit: str, value: float | None) -> Case:
    return case(name, TOOL, metric, unit, [] if value is None else [value])


def _pin(swarm_pid: int, server: psutil.Process | None) -> None:
    """Give the server one core and the swarm another, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1 and server is not None:
        server.cpu_affinity([cores[0]])
        psutil.Process(swarm_pid).cpu_affinity([cores[1]])
