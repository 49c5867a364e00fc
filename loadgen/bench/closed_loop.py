"""A closed loop over a wire: keeps a server busy, to see what its core can do.

Nothing here is a latency: a closed loop hides stalls. It answers how much a request costs.
"""

import selectors
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httptools

from loadgen.targets.port import Endpoint, Op, Wire
from scenarios.errors import TargetProtocol

CONNECTIONS = 16
_RECEIVE = 65_536
_STALLED_S = 10.0


@dataclass(slots=True)
class Tally:
    """What came back."""

    seconds: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Number of answers."""
        return self.codes.total()


class _Lane:
    """One connection with at most one request in flight."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.socket = socket.create_connection((endpoint.host, endpoint.port), _STALLED_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.agent = 0
        self._parser: Any = httptools.HttpResponseParser(self)
        self._body = b""
        self._whole = False

    def on_message_begin(self) -> None:
        self._body, self._whole = b"", False

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self._whole = True

    def read(self) -> tuple[int, bytes] | None:
        """Return status and body once the answer is whole. Raises TargetProtocol."""
        received = self.socket.recv(_RECEIVE)
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserError as exc:
            raise TargetProtocol("bench: the answer is not HTTP") from exc
        if not received:
            raise TargetProtocol("bench: the server closed a busy connection")
        return (self._parser.get_status_code(), self._body) if self._whole else None


def closed_loop(
    endpoint: Endpoint,
    wire: Wire,
    op: Op,
    agents: int,
    *,
    count: int | None = None,
    seconds: float = float("inf"),
    keep_going: Callable[[], bool] = lambda: True,
) -> Tally:
    """Send one request after the other on each of 16 connections.

    Args:
        endpoint: without TLS.
        wire: of the target.
        op: what is asked for.
        agents: they take turns.
        count: stop after so many answers.
        seconds: or after so long.
        keep_going: asked at each answer.

    Raises:
        TargetProtocol: the server closes, stalls for 10 s, or speaks no HTTP.
    """
    tally, sent, began_s = Tally(), 0, monotonic()
    lanes = [_Lane(endpoint) for _ in range(min(CONNECTIONS, count or CONNECTIONS))]
    try:
        with selectors.DefaultSelector() as selector:

            def send(lane: _Lane) -> None:
                nonlocal sent
                lane.agent = sent % agents
                sent += 1
                now_s = monotonic() - began_s
                lane.socket.sendall(wire.request(op, lane.agent, 0, now_s))

            for lane in lanes:
                selector.register(lane.socket, selectors.EVENT_READ, lane)
                send(lane)
            while tally.done < sent:
                events = selector.select(_STALLED_S)
                if not events:
                    raise TargetProtocol(f"bench: no answer to {op} for {_STALLED_S:g} s")
                for key, _ in events:
                    answer = key.data.read()
                    if answer is None:
                        continue
                    now_s = monotonic() - began_s
                    status, body = answer
                    code = wire.response(op, key.data.agent, 0, status, body, now_s)
                    tally.codes[code] += 1
                    if now_s < seconds and (count is None or sent < count) and keep_going():
                        send(key.data)
    except TimeoutError as exc:
        raise TargetProtocol(f"bench: no answer to {op} for {_STALLED_S:g} s") from exc
    finally:
        for lane in lanes:
            lane.socket.close()
    tally.seconds = monotonic() - began_s
    return tally
