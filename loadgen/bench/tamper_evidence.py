"""What a tamper-evident audit log costs: the same service with it and without, in turns.

Both services run at once on the same core, and are loaded in eight short turns, in the order of
Thue and Morse: whatever drifts, even at a changing pace, falls on both. The ratio is of requests
per second of CPU time. What reading costs is the CPU time for one log of 20,000 lines; what the
tree and the checkpoints cost is a difference of two CPU times, written in the same turns.
"""

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import psutil

from loadgen.accesses import accesses
from loadgen.bench.closed_loop import closed_loop
from loadgen.bench.served import AGENTS, TRUST_DOMAIN, WARM_UP, cpu_s, provisioned, server_of
from loadgen.bench.table import Case, Ratio, case, ratio
from loadgen.ledger.check import verify
from loadgen.ledger.notary import Notary, own_key, public_file
from loadgen.ledger.proof import prove_line
from loadgen.service.audit import AuditLog, Line
from loadgen.targets.port import Op, Target, Wire
from loadgen.targets.registry import make_target
from loadgen.who import Question, answer
from scenarios.errors import TargetProtocol

OPERATIONS = {
    "issue-x509": (Op.ISSUE_X509, Op.ISSUE_X509),
    "authorize-x509": (Op.ISSUE_X509, Op.AUTHORIZE),
    "authorize-key": (Op.ISSUE_KEY, Op.AUTHORIZE),
}
"""name → what is issued beforehand, what is measured: the dearest operation and the cheapest"""
OFF, ON = "embedded", "embedded-tamper-evident"
TURNS = (OFF, ON, ON, OFF, ON, OFF, OFF, ON)
LOG_LINES, BATCH = 20_000, 16


def expected_s(measured_s: float) -> float:
    """Return about how long a round takes."""
    return len(OPERATIONS) * (2 * measured_s + 1.0) + 8.0


@dataclass(slots=True)
class _Service:
    """One of the two, with the process that answers."""

    target: Target
    process: psutil.Process
    wire: Wire | None = None


@dataclass(slots=True)
class Cost:
    """Runs of every round."""

    rates: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    """(operation, tool, per second of what) → a value a round"""
    reading: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    """(name, metric, unit) → a value a round"""

    def measure(self, core: int, measured_s: float) -> None:
        """Load both services in turns. Raises TargetUnavailable, TargetProtocol."""
        with ExitStack() as stack:
            services = {}
            for name in (OFF, ON):
                target = make_target(name)
                stack.callback(target.teardown)
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="midas-bench-"))
                target.setup(Path(folder), TRUST_DOMAIN)
                services[name] = _Service(target, server_of(target))
                services[name].process.cpu_affinity([core])
            for operation, (issue, op) in OPERATIONS.items():
                self._turns(services, operation, issue, op, 2 * measured_s / len(TURNS))

    def _turns(
        self, services: dict[str, _Service], operation: str, issue: Op, op: Op, turn_s: float
    ) -> None:
        done, used_s, took_s = (dict.fromkeys(services, 0.0) for _ in range(3))
        for service in services.values():
            service.wire = provisioned(service.target, issue)
            if op is not issue:
                closed_loop(service.target.endpoint(), service.wire, issue, AGENTS, count=AGENTS)
            closed_loop(service.target.endpoint(), service.wire, op, AGENTS, count=WARM_UP)
        for name in TURNS:
            service = services[name]
            assert service.wire is not None  # noqa: S101  (made above)
            began_s = cpu_s(service.process)
            endpoint = service.target.endpoint()
            tally = closed_loop(endpoint, service.wire, op, AGENTS, seconds=turn_s)
            used_s[name] += cpu_s(service.process) - began_s
            if tally.codes["ok"] != tally.done:
                raise TargetProtocol(f"bench: {name} answered {dict(tally.codes)} to {operation}")
            done[name] += tally.done
            took_s[name] += tally.seconds
        for name in services:
            self._add(self.rates, (operation, name, "1/CPU-s"), done[name] / used_s[name])
            self._add(self.rates, (operation, name, "1/s"), done[name] / took_s[name])

    def read(self) -> None:
        """Write one log with a notary and without, and read it as auditors do."""
        with tempfile.TemporaryDirectory(prefix="midas-bench-") as name:
            folder = Path(name)
            checkpoints = folder / "checkpoints"
            notary = Notary(checkpoints, own_key(folder, checkpoints, "bench.example/audit"))
            log = folder / "audit.sqlite3"
            written = {
                OFF: AuditLog(folder / "plain.sqlite3", notary=None),
                ON: AuditLog(log, notary=notary),
            }
            plain_s, sealed_s = _written_in_turns(written)
            key = public_file(checkpoints)
            found = {
                ("audit line", "written", "B"): log.stat().st_size / LOG_LINES,
                ("audit line", "checkpoints", "B"): checkpoints.stat().st_size / LOG_LINES,
                ("audit line", "CPU time", "s"): plain_s / LOG_LINES,
                ("audit line", "CPU time of tree and checkpoints", "s"): (sealed_s - plain_s)
                / LOG_LINES,
                ("audit line", "CPU time to verify", "s"): _cpu_of(
                    lambda: verify(log, checkpoints, key)
                )
                / LOG_LINES,
                ("audit line", "CPU time to say who", "s"): _cpu_of(
                    lambda: answer(accesses(log, None, TRUST_DOMAIN), Question())
                )
                / LOG_LINES,
                (f"proof of a line of {LOG_LINES:,}", "CPU time", "s"): _cpu_of(
                    lambda: prove_line(log, LOG_LINES // 3, checkpoints, key)
                ),
            }
            for key_of, value in found.items():
                self._add(self.reading, key_of, value)

    @staticmethod
    def _add(
        table: dict[tuple[str, str, str], list[float]], key: tuple[str, str, str], value: float
    ) -> None:
        table.setdefault(key, []).append(value)

    def cases(self) -> list[Case]:
        """Return what was measured."""
        words = {"1/CPU-s": "operations a core, in turns", "1/s": "requests a second, in turns"}
        served = [
            case(operation, tool, words[unit], unit, runs)
            for (operation, tool, unit), runs in self.rates.items()
        ]
        return served + [
            case(name, ON, metric, unit, runs)
            for (name, metric, unit), runs in self.reading.items()
        ]

    def ratios(self) -> dict[str, Ratio]:
        """Return requests per CPU-second and per second with the tamper-evident log, over without.

        ``OPERATION_tamper_evident_cpu`` and ``…_rate``.
        """
        found = {}
        for operation in OPERATIONS:
            for unit, name in (("1/CPU-s", "cpu"), ("1/s", "rate")):
                pairs = zip(
                    self.rates[operation, ON, unit], self.rates[operation, OFF, unit], strict=True
                )
                key = f"{operation.replace('-', '_')}_tamper_evident_{name}"
                found[key] = ratio([on / off for on, off in pairs])
        return found


def _written_in_turns(logs: dict[str, AuditLog]) -> tuple[float, float]:
    """Return the CPU time of 20,000 lines in either log, written and closed in turns."""
    spent_s = dict.fromkeys(logs, 0.0)
    lines = 2 * LOG_LINES // len(TURNS)
    for turn, name in enumerate(TURNS):
        first = lines * TURNS[:turn].count(name)
        began_s = process_time()
        asyncio.run(_write(logs[name], first, lines))
        spent_s[name] += process_time() - began_s
    for name, log in logs.items():
        spent_s[name] += _cpu_of(log.close)
    return spent_s[OFF], spent_s[ON]


async def _write(log: AuditLog, first: int, lines: int) -> None:
    """Write as a busy service does: so many lines a commit."""
    for number in range(first, first + lines, BATCH):
        await log.write(
            [_line(place) for place in range(number, min(number + BATCH, first + lines))]
        )


def _line(number: int) -> Line:
    return Line(
        occurred_monotonic_s=1000.0 + number * 1e-4,
        occurred_wall_s=1.75e9 + number * 1e-4,
        identity=f"spiffe://{TRUST_DOMAIN}/support/{number % AGENTS}",
        workload="support",
        task="routine",
        serial=f"{number % AGENTS:032x}",
        issued_wall_s=1.75e9,
        origin="127.0.0.1",
        permission="ticket:read",
    )


def _cpu_of(do: Callable[[], object]) -> float:
    began_s = process_time()
    do()
    return process_time() - began_s
