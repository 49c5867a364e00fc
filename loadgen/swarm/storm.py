"""Storms: what a fleet does to its issuer when everything goes wrong at once.

A fleet of hollow agents is brought up gently and observed for a while: the load that the server
carried *before*. Then the fault; then it is watched until every agent is synced and every identity
valid again, or until the time is over. A storm never ends by anybody's help: whether the server
recovers by itself at a load that it carried before is the question.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from time import monotonic

import msgspec

from loadgen.clock import RunClock
from loadgen.merge import read_rows
from loadgen.swarm.field import Fleet, Meter, spire, swarm
from loadgen.swarm.kinds import Kind
from loadgen.swarm.link import SwarmLink
from loadgen.swarm.protocol import ATTEST_OP, RENEW_AGENT_OP, RENEW_OP, Progress
from loadgen.targets.spire.process import ServerSettings, SpireServer
from loadgen.targets.spire.rotation import replace_authority, revoke_authority, taint_authority
from scenarios.record.tables import Count, OperationRow, Sample

ATTEST_HZ = 50.0
"""at which a fleet is brought up before the fault"""
CALM_S = 15.0
STEADY_S = 10.0
"""of whole health that count as the state before"""
ALL_WELL_S = 3.0
"""of whole health in a row that count as recovered, from their first second"""
_SERIES = ("attested", "connected", "synced", "identities", "expired", "signed")
_LASTING = (Kind.SERVER_KILLED, Kind.DATASTORE_LOCKED, Kind.CA_REVOKED)
_SIGNING = (ATTEST_OP, RENEW_OP, RENEW_AGENT_OP)


class StormReport(msgspec.Struct, kw_only=True, frozen=True):
    """What a storm did. Times in seconds; None where it did not happen within the run."""

    kind: Kind
    agents: int
    identities: int
    x509_ttl_s: int
    attestor: str
    backoff: bool
    control_frame_limit: int | None
    down_s: float
    start_s: float
    """from the start of a killed server's successor until it answered; 0 for other storms"""
    watched_s: float
    """after the fault began"""
    up_s: float | None
    """from the first start to whole health before the fault"""
    recovery_s: float | None
    """from the end of the fault to whole health"""
    recovered: bool
    """by itself, within ``watched_s``"""
    failed_signings: int
    failed_calls: dict[str, int]
    """``op:code`` → count, since the fault"""
    retry_amplification: float | None
    """calls for each one that succeeded, since the fault, until recovery"""
    peak_signed_per_s: float
    expired_identity_s: float
    server_cpu_s: float
    server_rss_mb: float
    swarm_lag_p99_s: float | None
    swarm_valid: bool


class Storm(msgspec.Struct, frozen=True):
    """A report with what it was made from."""

    report: StormReport
    progress: list[Progress]
    fault_s: float
    """run clock"""
    rows: list[OperationRow]
    started_utc: str = ""
    wall_s: float = 0.0


def storm(
    kind: Kind,
    fleet: Fleet,
    *,
    down_s: float = 20.0,
    watch_s: float = 90.0,
    settings: ServerSettings | None = None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Storm:
    """Bring a fleet up, break something, and watch.

    Args:
        kind: what goes wrong.
        fleet: who is there; its length and spread are set here.
        down_s: length of the fault, where it has one.
        watch_s: how long to wait for recovery, from the beginning of the fault.
        settings: of the server; SPIRE as it is shipped when None.
        on_step: called with a few words before each step.

    Raises:
        TargetError: SPIRE is not installed, does not start, or ends by itself.
        ProcessError: the swarm failed.
    """
    started_utc, began_s = datetime.now(UTC).isoformat(timespec="seconds"), monotonic()
    settings = settings or ServerSettings()
    settings = replace(settings, keys_on_disk=kind is Kind.SERVER_KILLED)
    cold = kind is Kind.COLD_START
    spread_s = 0.0 if cold else fleet.agents / ATTEST_HZ
    prelude_s = 0.0 if cold else spread_s + 2.0 * fleet.sync_s + CALM_S + STEADY_S
    seconds = 3.0 * prelude_s + watch_s + 5.0
    fleet = replace(fleet, spread_s=spread_s, seconds=seconds, settle_s=0.0)
    with spire(settings) as server, swarm(server, fleet) as link:
        on_step(f"{kind}: {fleet.agents} agents start")
        link.start(RunClock.starting_in(0.2))
        up_s = None if cold else _whole(server, link, fleet, 0.0, 3.0 * prelude_s)
        if up_s is not None:
            link.until(lambda progress: progress.t_s > up_s + STEADY_S, STEADY_S + 5.0)
        before = link.progress[-1] if link.progress else None
        fault_s = before.t_s if before is not None else 0.0
        on_step(f"{kind}: the fault, at {fault_s:.0f} s")
        meter = Meter(server)
        cpu_s, start_s = _break(kind, server, link, down_s, meter)
        lasts_s = down_s if kind in _LASTING else 0.0
        hold_s = ALL_WELL_S
        if kind is Kind.CA_ROTATED:  # what a new CA breaks shows when documents are renewed
            hold_s += fleet.x509_ttl_s / 2.0 + 2.0 * fleet.sync_s
        elif kind is Kind.CA_REVOKED:  # agents see that an authority is gone at their next sync
            hold_s += 2.0 * fleet.sync_s
        whole_s = _whole(
            server, link, fleet, fault_s + max(lasts_s, 1.0), watch_s - lasts_s, hold_s=hold_s
        )
        rss_mb = Meter(server).rss_mb()
        cpu_s += meter.cpu_s() if kind is not Kind.SERVER_KILLED else 0.0
        link.stop()
        result = link.finish(30.0)
        rows = read_rows(link.rundir, "operations")
    end = next((p for p in link.progress if whole_s is not None and p.t_s >= whole_s), None)
    end = end or link.progress[-1]
    report = StormReport(
        kind=kind,
        agents=fleet.agents,
        identities=fleet.identities,
        x509_ttl_s=fleet.x509_ttl_s,
        attestor=fleet.attestor,
        backoff=fleet.backoff,
        control_frame_limit=settings.control_frame_limit,
        down_s=lasts_s,
        start_s=start_s,
        watched_s=link.progress[-1].t_s - fault_s,
        up_s=up_s,
        recovery_s=None if whole_s is None else max(0.0, whole_s - fault_s - lasts_s),
        recovered=whole_s is not None,
        failed_signings=sum(
            n for key, n in _more(before, end, "errors").items() if key.split(":")[0] in _SIGNING
        ),
        failed_calls=_more(before, end, "errors"),
        retry_amplification=_amplification(before, end),
        peak_signed_per_s=_peak(link.progress, fault_s),
        expired_identity_s=result.expired_identity_s,
        server_cpu_s=cpu_s,
        server_rss_mb=rss_mb,
        swarm_lag_p99_s=result.lag_p99_s,
        swarm_valid=result.valid or result.reason == "stopped",
    )
    wall_s = monotonic() - began_s
    return Storm(report, list(link.progress), fault_s, rows, started_utc, wall_s)


def _whole(
    server: SpireServer,
    link: SwarmLink,
    fleet: Fleet,
    from_s: float,
    within_s: float,
    *,
    hold_s: float = ALL_WELL_S,
) -> float | None:
    """Wait for ``hold_s`` of whole health after run time ``from_s``; return when it began.

    Raises:
        TargetUnavailable: the server has ended by itself.
    """
    wanted = fleet.agents * fleet.identities
    deadline = monotonic() + within_s + max(0.0, from_s - _now(link))
    since: float | None = None
    while monotonic() < deadline and link.result is None and not link.child.exited():
        server.check()
        last = link.progress[-1] if link.progress else None
        whole = last is not None and last.synced == fleet.agents and last.identities >= wanted
        if last is None or not whole or last.t_s < from_s:
            since = None
        elif since is None:
            since = last.t_s
        elif last.t_s - since >= hold_s:
            return since
        time.sleep(0.2)
    return None


def _now(link: SwarmLink) -> float:
    return link.progress[-1].t_s if link.progress else 0.0


def _break(
    kind: Kind, server: SpireServer, link: SwarmLink, down_s: float, meter: Meter
) -> tuple[float, float]:
    """Do it; return the CPU seconds of a server that is no more, and how long its successor took.

    The second is from the start of the process until it answers.
    """
    if kind is Kind.MASS_RESTART:
        link.restart()
    elif kind is Kind.SERVER_KILLED:
        used_s = meter.cpu_s()
        server.kill()
        time.sleep(down_s)
        began_s = monotonic()
        server.launch()
        return used_s, monotonic() - began_s
    elif kind is Kind.DATASTORE_LOCKED:
        _lock(server, down_s)
    elif kind is Kind.CA_ROTATED:
        replace_authority(server)
    elif kind is Kind.CA_REVOKED:
        old = replace_authority(server)
        taint_authority(server, old)
        time.sleep(down_s)
        revoke_authority(server, old)
    return 0.0, 0.0


def _lock(server: SpireServer, seconds: float) -> None:
    """Hold the write lock of the datastore, as a backup or a stuck migration does."""
    path = server.workdir / "server" / "datastore.sqlite3"
    done = threading.Event()
    with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        done.wait(seconds)
        held.execute("ROLLBACK")


def _more(before: Progress | None, after: Progress, name: str) -> dict[str, int]:
    """Return by how much each count of a field has grown."""
    earlier: dict[str, int] = getattr(before, name) if before is not None else {}
    grown = {key: n - earlier.get(key, 0) for key, n in getattr(after, name).items()}
    return {key: n for key, n in sorted(grown.items()) if n}


def _amplification(before: Progress | None, after: Progress) -> float | None:
    ok = sum(_more(before, after, "ok").values())
    return sum(_more(before, after, "calls").values()) / ok if ok else None


def _peak(progress: list[Progress], from_s: float) -> float:
    rates = [
        (b.signed - a.signed) / (b.t_s - a.t_s)
        for a, b in pairwise(progress)
        if b.t_s > max(from_s, a.t_s)
    ]
    return max(rates, default=0.0)


def counts(found: Storm, point: str) -> list[Count]:
    """Return the report's numbers as rows of a record."""
    report = msgspec.structs.asdict(found.report)
    numbers = {k: v for k, v in report.items() if isinstance(v, int | float)}
    return [Count(point, found.report.kind, 0, name, float(n)) for name, n in numbers.items()]


def series(found: Storm, point: str) -> list[Sample]:
    """Return the fleet's state second by second, the fault at 0, as rows of a record."""
    return [
        Sample(point, found.report.kind, 0, p.t_s - found.fault_s, name, float(getattr(p, name)))
        for p in found.progress
        for name in _SERIES
    ]
