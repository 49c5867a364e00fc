"""One agent's mTLS connection to the server, as light as a socket under OpenSSL can be.

No transport, no protocol object, no stream: the event loop watches the bare descriptor, OpenSSL
reads and writes it, and ``Http2Client`` understands the bytes. asyncio's own TLS keeps buffers of
256 kB a connection, which would decide how many agents fit. A context of one's own weighs 20 kB and
is needed for the handshake only, so a connection begins and ends with one that all share (OpenSSL
keeps the first context of a connection to its end: SSL_set_SSL_CTX).
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from typing import Protocol

from loadgen.http2 import Answer, Http2Client, Http2Error
from loadgen.targets.spire.credentials import peer_id

_RECEIVE = 65536


class Owner(Protocol):
    """Who uses a connection: an agent."""

    def connected(self) -> None:
        """TLS is there and the peer is SPIRE's server."""
        ...

    def answered(self, answer: Answer) -> None:
        """Something came on a stream."""
        ...

    def lost(self, code: str) -> None:
        """It broke: ``refused``, ``tls``, ``closed``, ``protocol``; it is closed."""
        ...


class Connection:
    """A connection from a source address of its own.

    Args:
        loop: of this thread.
        owner: told what happens.
        port: of the server on 127.0.0.1.
        origin: source address, one of 127.0.0.0/8.
        context: TLS settings with the agent's document in them.
        shared: the same TLS settings without a document, before and after the handshake.
        server_id: SPIFFE ID that the server must have.
    """

    __slots__ = (
        "_context",
        "_fd",
        "_loop",
        "_out",
        "_owner",
        "_server_id",
        "_shared",
        "_socket",
        "_tls",
        "client",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
        port: int,
        origin: str,
        context: ssl.SSLContext,
        shared: ssl.SSLContext,
        server_id: str,
    ) -> None:
        self.client = Http2Client()
        self._loop, self._owner = loop, owner
        self._context: ssl.SSLContext | None = context
        self._shared = shared
        self._server_id = server_id
        self._tls: ssl.SSLSocket | None = None
        self._out = b""
        self._socket: socket.socket | None = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._fd = self._socket.fileno()
        try:
            self._socket.bind((origin, 0))
            error = self._socket.connect_ex(("127.0.0.1", port))
        except OSError:
            error = errno.EADDRNOTAVAIL
        if error in (0, errno.EINPROGRESS):
            loop.add_writer(self._fd, self._on_connected)
        else:
            loop.call_soon(self._break, "refused")

    def _on_connected(self) -> None:
        assert self._socket is not None  # noqa: S101  (closing removes the watcher)
        assert self._context is not None  # noqa: S101
        self._loop.remove_writer(self._fd)
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._break("refused")
            return
        try:
            self._tls = self._shared.wrap_socket(self._socket, do_handshake_on_connect=False)
            self._tls.context = self._context
        except OSError:
            self._break("refused")
            return
        self._socket = self._context = None
        self._loop.add_reader(self._fd, self._shake_hands)
        self._shake_hands()

    def _shake_hands(self) -> None:
        assert self._tls is not None  # noqa: S101
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except OSError:
            self._break("tls")
            return
        if peer_id(self._tls) != self._server_id:
            self._break("tls")
            return
        self._tls.context = self._shared  # which frees the other one
        self._loop.remove_reader(self._fd)
        self._loop.add_reader(self._fd, self._on_readable)
        self._owner.connected()
        self.flush()

    def flush(self) -> None:
        """Send what the client has to say."""
        if self._tls is None:
            return
        self._out += self.client.take()
        if not self._out:
            return
        try:
            sent = self._tls.send(self._out)
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._fd, self._on_writable)
            return
        except OSError:
            self._break("closed")
            return
        self._out = self._out[sent:]
        if self._out:
            self._loop.add_writer(self._fd, self._on_writable)

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._fd)
        self.flush()

    def _on_readable(self) -> None:
        while self._tls is not None:
            try:
                data = self._tls.recv(_RECEIVE)
            except ssl.SSLWantReadError:
                break
            except OSError:
                self._break("closed")
                return
            if not data:
                self._break("closed")
                return
            try:
                answers = self.client.receive(data)
            except Http2Error:
                self._break("protocol")
                return
            for answer in answers:
                self._owner.answered(answer)
            if self._tls is not None and not self._tls.pending():
                break
        self.flush()

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._tls is None and self._socket is None

    def _break(self, code: str) -> None:
        if not self.closed:
            self.close()
            self._owner.lost(code)

    def close(self) -> None:
        """Close at once; nothing is told to the owner. Safe to call twice."""
        open_socket = self._tls if self._tls is not None else self._socket
        if open_socket is None:
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        with contextlib.suppress(OSError):
            open_socket.close()
        self._tls = self._socket = self._context = None
