"""The connections of one worker: opened before they are needed, and more while arrivals wait."""

import contextlib
import socket as sockets
from time import monotonic

from loadgen.generator.connection import Address, Connection, Owner, State
from loadgen.generator.loop import Loop
from loadgen.generator.protocol import GeneratorPlan
from loadgen.generator.tls import TlsConnection, TlsContext
from scenarios.errors import ProcessError

CONNECTING_AT_ONCE = 32
REFUSED_PAUSE_S = 0.02
"""after a failed attempt, so that a dead server is not hammered"""


class Pool:
    """Connections to the plan's endpoint; whoever owns them hears from each of them.

    Attributes:
        members: all that are not closed.
        idle: those that are free, the most recently used last: it is taken first, its buffers are
            still warm.
        opened: how many there have been.
        peak: how many there were at once, at most.
    """

    def __init__(self, loop: Loop, plan: GeneratorPlan, owner: Owner) -> None:
        self.members: set[Connection] = set()
        self.idle: list[Connection] = []
        self.opened = 0
        self.peak = 0
        self._loop = loop
        self._plan = plan
        self._owner = owner
        self._connecting = 0
        self._pause_until_s = 0.0
        self._address, self._family = _resolve(plan)
        self._tls = TlsContext(plan.endpoint, resume=plan.tls_resume) if plan.endpoint.tls else None

    def open(self) -> None:
        """Begin to connect one more; the owner is told how that ends."""
        self._connecting += 1
        self.opened += 1
        self.members.add(self._new())
        self.peak = max(self.peak, len(self.members))

    def _new(self) -> Connection:
        if self._plan.endpoint.http2:
            # its library comes with the targets that need it
            from loadgen.generator.http2_connection import Http2Connection

            return Http2Connection(self._loop, self._owner, self._address, self._family)
        if self._tls is not None:
            return TlsConnection(self._loop, self._owner, self._address, self._family, self._tls)
        return Connection(self._loop, self._owner, self._address, self._family)

    def grow(self, waiting: int) -> None:
        """Open one more if that many arrivals wait, and the plan and the server allow it."""
        if (
            len(self.members) < self._plan.max_connections
            and self._connecting < min(waiting, CONNECTING_AT_ONCE)
            and monotonic() >= self._pause_until_s
        ):
            self.open()

    def connected(self) -> None:
        """An attempt has ended well."""
        self._connecting -= 1
        self._pause_until_s = 0.0

    def failed(self, connection: Connection, code: str) -> None:
        """An attempt has ended badly."""
        self._connecting -= 1
        self.members.discard(connection)
        self._pause_until_s = monotonic() + REFUSED_PAUSE_S
        if code == "tls" and self._tls is not None:
            self._tls.session = None  # it may have been the ticket

    def forget(self, connection: Connection) -> None:
        """Drop one that is closed."""
        self.members.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)

    @property
    def all_idle(self) -> bool:
        """Whether nothing is in flight and nothing is connecting."""
        return len(self.idle) == len(self.members)

    @property
    def busy(self) -> int:
        """Requests that were sent and not yet answered."""
        return sum(1 for connection in self.members if connection.state is State.BUSY)

    def late(self, now_s: float) -> list[Connection]:
        """Return those that have not answered, or not connected, in time.

        Args:
            now_s: on the run clock, as ``Connection.sent_s`` is.
        """
        connect_before = monotonic() - self._plan.connect_timeout_s
        sent_before = now_s - self._plan.timeout_s
        return [
            each
            for each in self.members
            if (each.state is State.BUSY and each.sent_s < sent_before)
            or (each.state is State.CONNECTING and each.opened_s < connect_before)
        ]


def _resolve(plan: GeneratorPlan) -> tuple[Address, int]:
    """Return where to connect; of several addresses of a name, the first that answers.

    Raises:
        ProcessError: the name is unknown.
    """
    endpoint = plan.endpoint
    if endpoint.socket_path:
        return endpoint.socket_path, sockets.AF_UNIX
    try:
        found = sockets.getaddrinfo(endpoint.host, endpoint.port, type=sockets.SOCK_STREAM)
    except OSError as error:
        raise ProcessError(f"{endpoint.host}: {error.strerror}") from error
    for family, kind, _, _, address in found if len(found) > 1 else []:
        with contextlib.suppress(OSError), sockets.socket(family, kind) as probe:
            probe.settimeout(plan.connect_timeout_s)
            probe.connect(address)
            return address, family
    return found[0][4], found[0][0]
