"""What a core of SPIRE's server mints, with its audit log and without, as `bench service` tells it.

A closed loop of 16 connections to the admin socket; the figure is operations a second of the
server's CPU time, so that other work on the machine distorts it little. SPIRE and the others do
different things for it: SPIRE builds every SVID from its credential template, signs through its key
manager plug-in over an in-memory gRPC connection, and keeps no record of what it minted; OpenBao
stores nothing here either, but evaluates role and policy of a token for each request; the embedded
service checks entry and policy and commits its audit line to disk.
"""

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psutil

from loadgen.http2 import Http2Client, unpack
from loadgen.targets.port import Endpoint, Identity, Op, Wire
from loadgen.targets.registry import make_wire
from loadgen.targets.spire.process import ServerSettings
from loadgen.targets.spire.target import SpireTarget
from scenarios.errors import TargetProtocol, TargetUnavailable

CONNECTIONS = 16
AGENTS = 64
MEASURED_S = 2.0
WARM_UP_S = 0.5
TTL_S = 3600.0
TRUST_DOMAIN = "bench.example"
KINDS = {"issue-x509": Op.ISSUE_X509, "issue-jwt": Op.ISSUE_JWT}
TOOLS = {"spire, audit on": True, "spire, audit off": False}
_RECEIVE = 65_536
_STALLED_S = 10.0


def spire_rates(*, rounds: int = 3, core: int | None = None) -> dict[tuple[str, str], list[float]]:
    """Return (operation, tool) → operations a CPU-second of the server, one value a round.

    Args:
        rounds: how often each is measured, taking turns.
        core: of the server; any when None.

    Raises:
        TargetError: SPIRE is not installed or does not work.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for tool, audit in TOOLS.items():
            with _target(audit) as target, TemporaryDirectory(prefix="midas-bench-") as folder:
                target.setup(Path(folder), TRUST_DOMAIN)
                server = target.server.process if target.server is not None else None
                if server is None:
                    raise TargetUnavailable("spire: the server has ended")
                if core is not None:
                    server.cpu_affinity([core])
                agents = [
                    Identity(n, f"spiffe://{TRUST_DOMAIN}/support/{n}", "support", {"all": ()})
                    for n in range(AGENTS)
                ]
                target.provision(agents, TTL_S, task_scope=False)
                wire = make_wire(target.name, target.wire_plan())
                wire.prepare()
                for name, op in KINDS.items():
                    rate = _rate(target.endpoint(), wire, op, server)
                    found.setdefault((name, tool), []).append(rate)
    return found


@contextmanager
def _target(audit: bool) -> Iterator[SpireTarget]:
    target = SpireTarget(settings=ServerSettings(audit=audit))
    try:
        yield target
    finally:
        target.teardown()


def _rate(endpoint: Endpoint, wire: Wire, op: Op, server: psutil.Process) -> float:
    with selectors.DefaultSelector() as ready:
        lanes = [_Lane(endpoint, wire, op, number) for number in range(CONNECTIONS)]
        try:
            for lane in lanes:
                ready.register(lane.socket, selectors.EVENT_READ, lane)
                lane.ask()
            _turn(ready, WARM_UP_S)
            began_s = _cpu_s(server)
            done = _turn(ready, MEASURED_S)
            return done / (_cpu_s(server) - began_s)
        finally:
            for lane in lanes:
                lane.socket.close()


def _turn(ready: selectors.BaseSelector, seconds: float) -> int:
    done = 0
    until_s = monotonic() + seconds
    while monotonic() < until_s:
        events = ready.select(_STALLED_S)
        if not events:
            raise TargetProtocol("spire: no answer in the closed loop")
        for key, _ in events:
            done += key.data.hear()
    return done


def _cpu_s(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


class _Lane:
    """One connection with one request in flight, for one agent after the other."""

    def __init__(self, endpoint: Endpoint, wire: Wire, op: Op, number: int) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(endpoint.socket_path)
        self._client = Http2Client()
        self._wire, self._op, self._agent = wire, op, number

    def ask(self) -> None:
        self._agent = (self._agent + CONNECTIONS) % AGENTS
        self._client.request(*unpack(self._wire.request(self._op, self._agent, 0, 0.0)))
        self.socket.sendall(self._client.take())

    def hear(self) -> int:
        """Take what has come; return how many answers were whole."""
        answers = self._client.receive(self.socket.recv(_RECEIVE))
        for answer in answers:
            body = answer.text.encode() if answer.status else answer.body
            code = self._wire.response(self._op, self._agent, 0, answer.status, body, 0.0)
            if code != "ok":
                raise TargetProtocol(f"spire: {code} {answer.text} in the closed loop")
            self.ask()
        if out := self._client.take():
            self.socket.sendall(out)
        return len(answers)
