"""``midas bench service``: what a core issues and authorizes, beside OpenBao and bare crypto.

Each server answers a closed loop of 16 connections on a core of its own; the loop has another core.
The figure is operations per second of the server's CPU time, so a server that waits is not called
slow, and a machine with other work distorts it less than it would a rate. Both servers write their
audit log before they answer. Bare cryptography is the same library without HTTP, policy or audit:
what is left of it is what the service adds.
"""

import os
import socket
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from loadgen.bench import tamper_evidence
from loadgen.bench.closed_loop import closed_loop
from loadgen.bench.process import cores
from loadgen.bench.raw_crypto import per_core, raw_operations
from loadgen.bench.served import AGENTS, TRUST_DOMAIN, WARM_UP, cpu_s, provisioned, server_of
from loadgen.bench.table import BenchTable, Case, Ratio, case, ratio
from loadgen.targets.port import Op, Target
from loadgen.targets.registry import make_target
from scenarios.errors import TargetProtocol, TargetUnavailable

MEASURED_S = 2.0
HANDSHAKES = 150
OURS, PEER, RAW = "embedded", "openbao", "bare cryptography"
KINDS = {"x509": Op.ISSUE_X509, "jwt": Op.ISSUE_JWT, "key": Op.ISSUE_KEY}
UNIT = "1/CPU-s"


def expected_s(rounds: int) -> float:
    """Return about how long the bench will take, to be said beforehand."""
    beside_openbao = 2 * (len(KINDS) * 2 * (MEASURED_S + 0.5) + 4.0) + 4 * MEASURED_S + 8.0
    return rounds * (beside_openbao + tamper_evidence.expected_s(MEASURED_S))


@dataclass(slots=True)
class _Runs:
    """(operation, tool) → a value for each round."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, operation: str, tool: str, value: float) -> None:
        self.values.setdefault((operation, tool), []).append(value)

    def ratio(self, operation: str, ours: str, theirs: str) -> Ratio:
        mine = self.values.get((operation, ours), [])
        other = self.values.get((operation, theirs), [])
        return ratio([a / b for a, b in zip(mine, other, strict=False)])


def bench_service(
    *,
    rounds: int = 3,
    measured_s: float = MEASURED_S,
    on_step: Callable[[str], None] = lambda _step: None,
) -> BenchTable:
    """Measure embedded service, OpenBao and bare cryptography, taking turns.

    Args:
        rounds: how often each is measured.
        measured_s: length of each measurement.
        on_step: called with a few words before each step.

    Returns:
        Cases in operations per second of CPU time; ratios ``OPERATION_over_openbao`` and
        ``OPERATION_over_raw``; for mutual TLS the CPU time of a full and a resumed handshake; what
        a tamper-evident audit log costs (``tamper_evidence``).

    Raises:
        TargetUnavailable, TargetProtocol: the embedded service does not work here.
    """
    server_core, own_core = cores()
    before = psutil.Process().cpu_affinity()
    runs, missing = _Runs(), {}
    handshakes, cost = _Runs(), tamper_evidence.Cost()
    try:
        for number in range(1, rounds + 1):
            on_step(f"round {number}: {RAW}")
            os.sched_setaffinity(0, {server_core})
            for name, operation in raw_operations().items():
                runs.add(name, RAW, per_core(operation, measured_s / 2))
            os.sched_setaffinity(0, {own_core})
            for tool in (OURS, PEER):
                if tool in missing:
                    continue
                on_step(f"round {number}: {tool}")
                try:
                    _measure(tool, runs, server_core, measured_s)
                except TargetUnavailable as exc:
                    if tool == OURS:
                        raise
                    missing[tool] = str(exc)
            on_step(f"round {number}: mutual TLS")
            _measure_handshakes(handshakes, server_core)
            on_step(f"round {number}: tamper-evident audit log, on and off")
            cost.measure(server_core, measured_s)
            cost.read()
    finally:
        os.sched_setaffinity(0, set(before))
    return BenchTable(
        _cases(runs, handshakes) + cost.cases(),
        _ratios(runs, handshakes) | cost.ratios(),
        list(missing.values()),
    )


def _measure(tool: str, runs: _Runs, core: int, measured_s: float) -> None:
    with tempfile.TemporaryDirectory(prefix="midas-bench-") as folder:
        target = make_target(tool)
        try:
            target.setup(Path(folder), TRUST_DOMAIN)
            server = server_of(target)
            server.cpu_affinity([core])
            for kind, issue in KINDS.items():
                _measure_kind(target, server, tool, kind, issue, runs, measured_s)
        finally:
            target.teardown()


def _measure_kind(
    target: Target,
    server: psutil.Process,
    tool: str,
    kind: str,
    issue: Op,
    runs: _Runs,
    measured_s: float,
) -> None:
    wire = provisioned(target, issue)
    endpoint = target.endpoint()
    for name, op in ((f"issue-{kind}", issue), (f"authorize-{kind}", Op.AUTHORIZE)):
        closed_loop(endpoint, wire, op, AGENTS, count=WARM_UP)
        began_s = cpu_s(server)
        tally = closed_loop(endpoint, wire, op, AGENTS, seconds=measured_s)
        used_s = cpu_s(server) - began_s
        if tally.codes["ok"] != tally.done:
            raise TargetProtocol(f"bench: {tool} answered {dict(tally.codes)} to {name}")
        runs.add(name, tool, tally.done / used_s)


def _measure_handshakes(runs: _Runs, core: int) -> None:
    """Measure what a full and a resumed mutual-TLS connection cost the server, in CPU seconds."""
    with tempfile.TemporaryDirectory(prefix="midas-bench-") as folder:
        target = make_target("embedded-mtls")
        try:
            target.setup(Path(folder), TRUST_DOMAIN)
            server = server_of(target)
            server.cpu_affinity([core])
            for name, resumed in (("tls-handshake", False), ("tls-resume", True)):
                began_s = cpu_s(server)
                _connect(target, HANDSHAKES, resumed=resumed)
                runs.add(name, OURS, (cpu_s(server) - began_s) / HANDSHAKES)
        finally:
            target.teardown()


def _connect(target: Target, count: int, *, resumed: bool) -> None:
    endpoint = target.endpoint()
    context = ssl.create_default_context(cafile=endpoint.ca_file)
    context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    session: ssl.SSLSession | None = None
    for _ in range(count):
        with (
            socket.create_connection((endpoint.host, endpoint.port), 10.0) as plain,
            context.wrap_socket(
                plain, server_hostname=endpoint.server_name, session=session
            ) as secure,
        ):
            secure.sendall(request)
            if not secure.recv(4096).startswith(b"HTTP/1.1 200"):
                raise TargetProtocol("bench: no answer over mutual TLS")
            if resumed:
                session = secure.session


def _cases(runs: _Runs, handshakes: _Runs) -> list[Case]:
    found = [
        case(operation, tool, "operations a core", UNIT, values)
        for (operation, tool), values in runs.values.items()
    ]
    note = "whole connection with one small request"
    return found + [
        case(operation, tool, "server's CPU time", "s", values, note)
        for (operation, tool), values in handshakes.values.items()
    ]


def _ratios(runs: _Runs, handshakes: _Runs) -> dict[str, Ratio]:
    operations = list(dict.fromkeys(operation for operation, _ in runs.values))
    found = {
        f"{operation.replace('-', '_')}_over_{name}": runs.ratio(operation, OURS, tool)
        for operation in operations
        for name, tool in (("openbao", PEER), ("raw", RAW))
        if name == "openbao" or (operation, RAW) in runs.values
    }
    full, resumed = (handshakes.values[name, OURS] for name in ("tls-handshake", "tls-resume"))
    found["tls_resume_over_full"] = ratio([a / b for a, b in zip(resumed, full, strict=True)])
    return found
