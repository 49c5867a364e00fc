"""One HTTP/1.1 connection in gevent's loop: no greenlet, one watcher, one parser.

It carries one request at a time, as the clients of an identity service do. What happens to it is
told to its ``Owner``; it never decides what that means for an arrival.
"""

import contextlib
import os
import socket as sockets
from collections.abc import Callable
from enum import IntEnum
from time import monotonic
from typing import Any, Protocol

import httptools
from gevent.monkey import get_original

from loadgen.generator.loop import READ, WRITE, Loop, Watcher

# the class before gevent's patch: its methods are the bare system calls
_socket: type[sockets.socket] = get_original("socket", "socket")

RECEIVE = 65536
_HEAD_KEPT = 16384


Address = tuple[Any, ...] | str
"""as the socket module has it: a tuple, or the path of a Unix socket"""


class State(IntEnum):
    """Where a connection is in its life."""

    CONNECTING = 0
    IDLE = 1
    BUSY = 2
    CLOSED = 3


class Owner(Protocol):
    """Who uses connections: the pool."""

    def connected(self, connection: "Connection") -> None:
        """It can carry a request."""
        ...

    def connect_failed(self, connection: "Connection", code: str, detail: str) -> None:
        """It was never usable; it is closed."""
        ...

    def answered(self, connection: "Connection", status: int, body: bytes, reusable: bool) -> None:
        """A whole answer has come."""
        ...

    def lost(self, connection: "Connection", code: str, detail: str = "") -> None:
        """It broke: ``closed``, ``half``, ``protocol`` or ``tls``; it is closed."""
        ...

    def handshake(self, op: str, took_s: float) -> None:
        """A TLS handshake has ended well."""
        ...


class Connection:
    """A plain connection; ``tls.py`` adds TLS, ``http2_connection.py`` speaks HTTP/2 instead.

    Fields without underscore belong to the owner.
    """

    __slots__ = (
        "_answers",
        "_body",
        "_connecting",
        "_loop",
        "_owner",
        "_parser",
        "_partial",
        "_pending",
        "_reader",
        "_receive",
        "_reusable",
        "_socket",
        "_status",
        "_writer",
        "arrival",
        "opened_s",
        "request",
        "sent_s",
        "served",
        "state",
        "transmit",
    )

    def __init__(self, loop: Loop, owner: Owner, address: Address, family: int) -> None:
        self.state = State.CONNECTING
        self.arrival: Any = None
        self.request = b""
        self.opened_s = monotonic()
        self.sent_s = 0.0
        self.served = 0
        self._owner = owner
        self._loop = loop
        self._answers = 0
        self._status = 0
        self._reusable = True
        self._body: bytes = b""
        self._pending: memoryview | None = None
        self._partial = b""
        self._reader: Watcher | None = None
        self._writer: Watcher | None = None
        self._connecting = True
        self._parser = httptools.HttpResponseParser(self)
        self._socket = _socket(family, sockets.SOCK_STREAM)
        self._socket.setblocking(False)
        if family != getattr(sockets, "AF_UNIX", None):
            self._socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        self._receive = self._socket.recv
        self.transmit: Callable[[bytes], int] = self._socket.send
        self._connect(address)

    # -- connecting

    def _connect(self, address: Address) -> None:
        with contextlib.suppress(OSError):
            self._socket.connect_ex(address)
        # success, failure and waiting all show on the write side
        self._writer = self._loop.io(self._socket.fileno(), WRITE)
        self._writer.start(self._on_connect)

    def _on_connect(self) -> None:
        self._drop_writer()
        error = self._socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR)
        if error:
            self.close()
            self._owner.connect_failed(self, "refused", os.strerror(error))
            return
        self._reader = self._loop.io(self._socket.fileno(), READ)
        self._reader.start(self._on_readable)
        self._on_transport()

    def _on_transport(self) -> None:
        """TCP is there."""
        self._usable()

    def _usable(self) -> None:
        self._connecting = False
        self.state = State.IDLE
        self._owner.connected(self)

    # -- sending

    def send(self, request: bytes) -> bool:
        """Send one whole request; what the socket does not take now follows by itself.

        Returns False when the connection turned out to be broken.
        """
        try:
            sent = self.transmit(request)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False
        if sent != len(request):
            self._pending = memoryview(request)[sent:]
            self._watch_write(self._on_writable)
        return True

    def _on_writable(self) -> None:
        assert self._pending is not None  # noqa: S101  (the watcher runs only while it is there)
        try:
            sent = self.transmit(self._pending)  # type: ignore[arg-type]  # any buffer will do
        except BlockingIOError:
            return
        except OSError:
            # the answer may already have come (413 and closed): reading will tell
            self._pending = None
            self._drop_writer()
            return
        self._pending = self._pending[sent:]
        if not self._pending:
            self._pending = None
            self._drop_writer()

    def _watch_write(self, callback: Callable[[], None]) -> None:
        if self._writer is None:
            self._writer = self._loop.io(self._socket.fileno(), WRITE)
        self._writer.start(callback)

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None

    # -- receiving

    def poll(self) -> None:
        """Take what has come, if anything has; for an owner who cannot wait for the loop."""
        self._on_readable()

    def _on_readable(self) -> None:
        try:
            data = self._receive(RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._on_end(reset=True)
            return
        if data:
            self._take(data)
        else:
            self._on_end(reset=False)

    def _take(self, data: bytes) -> None:
        if self.state is not State.BUSY:
            self._break("protocol")  # bytes that nobody asked for
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self._answers:
                self._break("protocol")
                return
            self._reusable = False  # rubbish after a whole answer
        except httptools.HttpParserUpgrade:
            self._break("protocol")
            return
        if self._answers:
            self._finish()
        elif len(self._partial) < _HEAD_KEPT:
            self._partial += data

    def on_body(self, data: bytes) -> None:
        """Called by the parser with a piece of the (de-chunked) body."""
        self._body = self._body + data if self._body else data

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer."""
        status = self._parser.get_status_code()
        if status < 200:  # RFC 9110 §15.2: interim, the answer is still to come
            self._body = b""
            return
        self._answers += 1
        self._status = status
        self._reusable = self._parser.should_keep_alive()

    def _finish(self) -> None:
        body = self._body
        reusable = self._reusable and self._answers == 1 and self._pending is None
        self._answers = 0
        self._body = b""
        self._partial = b""
        self.served += 1
        self._owner.answered(self, self._status, body, reusable)

    def _on_end(self, *, reset: bool) -> None:
        """The server has closed."""
        if self.state is not State.BUSY or not self._partial:
            self._break("closed")
        elif not reset and self._ends_with_connection():
            self._status = self._parser.get_status_code()
            self._answers, self._reusable = 1, False
            self._finish()
        else:
            self._break("half")

    def _ends_with_connection(self) -> bool:
        """Tell whether the answer's body is as long as the connection (RFC 9112 §6.3, rule 8)."""
        head, found, _ = self._partial.partition(b"\r\n\r\n")
        head = head.lower()
        return (
            bool(found)
            and b"\r\ncontent-length:" not in head
            and b"\r\ntransfer-encoding:" not in head
        )

    def _break(self, code: str, detail: str = "") -> None:
        self.close()
        self._owner.lost(self, code, detail)

    def close(self) -> None:
        """Close and stop watching; nothing is told to the owner. Safe to call twice."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self._drop_writer()
        if self._reader is not None:
            self._reader.stop()
            self._reader.close()
            self._reader = None
        self._socket.close()
        del self._parser  # it holds us
