"""gRPC over HTTP/2, the client's side, without sockets: bytes in, answers out.

One object a connection, shared by three users that differ only in how they wait: the load
generator (gevent), the hollow agents (asyncio) and the adapters' own calls (blocking). It speaks as
much of RFC 9113 as a gRPC client needs: no server push, no priorities, no trailers of its own.

Two things keep it cheap. Requests announce a header table of size 0 (RFC 7541 §4.2), so the
server's header blocks are stateless and each is decoded once and then looked up; and a connection
holds nothing but its open streams and a partial frame, which is what lets thousands of them fit.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import hpack

MAX_FRAME = 16_384
"""of the peer, until its settings say more (RFC 9113 §6.5.2)"""
DEFAULT_WINDOW = 65_535
_OUR_WINDOW = 2**31 - 1
_REFILL = 2**30

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_WINDOW_UPDATE, _CONTINUATION = 8, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_SET_HEADER_TABLE, _SET_PUSH, _SET_WINDOW, _SET_MAX_FRAME = 1, 2, 4, 5

OK, UNKNOWN, UNAVAILABLE = 0, 2, 14
"""of gRPC's status codes, those that this module gives itself"""
CODE_NAMES = (
    "ok",
    "cancelled",
    "unknown",
    "invalid-argument",
    "deadline-exceeded",
    "not-found",
    "already-exists",
    "permission-denied",
    "resource-exhausted",
    "failed-precondition",
    "aborted",
    "out-of-range",
    "unimplemented",
    "internal",
    "unavailable",
    "data-loss",
    "unauthenticated",
)
"""gRPC's status codes by number (google.rpc.Code)"""


class Http2Error(Exception):
    """The peer broke the protocol; the connection is of no more use."""


class Answer(NamedTuple):
    """What came on a stream: a message of an open one, or its end with everything it carried."""

    stream: int
    ended: bool
    status: int
    """gRPC status; 0 until the end"""
    text: str
    """the server's word on a status that is not 0"""
    body: bytes
    """length-prefixed gRPC messages"""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )


def _setting(name: int, value: int) -> bytes:
    return name.to_bytes(2, "big") + value.to_bytes(4, "big")


_PREFACE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + _frame(
        _SETTINGS,
        0,
        0,
        _setting(_SET_HEADER_TABLE, 0)
        + _setting(_SET_PUSH, 0)
        + _setting(_SET_WINDOW, _OUR_WINDOW),
    )
    + _frame(_WINDOW_UPDATE, 0, 0, (_OUR_WINDOW - DEFAULT_WINDOW).to_bytes(4, "big"))
)


def header_block(path: str, scheme: str = "https", authority: str = "localhost:443") -> bytes:
    """Return the request headers of a method, encoded so that the block is the same every time.

    Args:
        path: ``/package.Service/Method``.
        scheme: ``http`` on a plain or Unix socket.
        authority: host and port of the service; SPIRE's plugins complain without a port.
    """
    headers = (
        (":method", "POST"),
        (":scheme", scheme),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    # "never indexed" leaves no trace in the peer's table (RFC 7541 §6.2.3)
    encoded = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*pair) for pair in headers])
    return bytes(encoded)


def message(data: bytes) -> bytes:
    """Return a gRPC length-prefixed message, not compressed."""
    return b"\0" + len(data).to_bytes(4, "big") + data


def messages(body: bytes) -> Iterator[bytes]:
    """Yield the messages of an answer.

    Raises:
        Http2Error: compressed, or cut short.
    """
    at = 0
    while at < len(body):
        end = at + 5 + int.from_bytes(body[at + 1 : at + 5], "big")
        if body[at] != 0 or end > len(body):
            raise Http2Error("a gRPC message is compressed or cut short")
        yield body[at + 5 : end]
        at = end


def pack(headers: bytes, data: bytes) -> bytes:
    """Return one whole unary request as the load generator carries it: headers and one message."""
    return len(headers).to_bytes(2, "big") + headers + message(data)


def unpack(request: bytes) -> tuple[bytes, bytes]:
    """Return (headers, body) of what ``pack`` made."""
    end = 2 + int.from_bytes(request[:2], "big")
    return request[2:end], request[end:]


@lru_cache(4096)
def _decode(block: bytes) -> tuple[str, str, str]:
    """Return (HTTP status, gRPC status, gRPC message) of a stateless header block."""
    try:
        found: dict[str, str] = {}
        for pair in hpack.Decoder().decode(block):
            found[str(pair[0])] = str(pair[1])
    except hpack.HPACKError as error:
        raise Http2Error(f"header block: {error}") from error
    return (
        found.get(":status", ""),
        found.get("grpc-status", ""),
        unquote(found.get("grpc-message", "")),
    )


class _Stream:
    __slots__ = ("body", "http_status", "ours_ended", "pending", "status", "text", "window")

    def __init__(self, window: int) -> None:
        self.body = b""
        self.http_status = ""
        self.status = ""
        self.text = ""
        self.ours_ended = False
        self.pending = b""
        self.window = window


class Http2Client:
    """The client's side of one connection.

    ``receive`` returns answers; whatever the protocol itself wants to say (acknowledgements, window
    updates, data that waited for a window) is collected and must be sent: ``take`` returns it.
    """

    __slots__ = (
        "_header",
        "_next",
        "_out",
        "_partial",
        "_peer_frame",
        "_peer_window",
        "_received",
        "_streams",
        "_window",
        "going_away",
    )

    def __init__(self) -> None:
        self.going_away = False
        """the server takes no new streams"""
        self._out: list[bytes] = [_PREFACE]
        self._partial = b""
        self._header: tuple[int, int, bytes] | None = None
        self._next = 1
        self._streams: dict[int, _Stream] = {}
        self._window = DEFAULT_WINDOW
        self._peer_window = DEFAULT_WINDOW
        self._peer_frame = MAX_FRAME
        self._received = 0

    @property
    def busy(self) -> int:
        """Return the number of streams without an end yet."""
        return len(self._streams)

    def take(self) -> bytes:
        """Return what has to be sent now."""
        out, self._out = self._out, []
        return b"".join(out)

    def request(self, headers: bytes, body: bytes, *, end: bool = True) -> int:
        """Open a stream with a first message; return its number.

        Args:
            headers: from ``header_block``.
            body: length-prefixed messages.
            end: whether nothing more follows from us.
        """
        number = self._next
        self._next += 2
        self._streams[number] = _Stream(self._peer_window)
        self._out.append(_frame(_HEADERS, _END_HEADERS, number, headers))
        self.send(number, body, end=end)
        return number

    def send(self, number: int, body: bytes, *, end: bool) -> None:
        """Send more on an open stream; a stream that has ended meanwhile takes nothing."""
        stream = self._streams.get(number)
        if stream is not None:
            stream.pending += body
            stream.ours_ended = end
            self._flush(number, stream)

    def forget(self, number: int) -> None:
        """Give up a stream (RFC 9113 §6.4, CANCEL)."""
        if self._streams.pop(number, None) is not None:
            self._out.append(_frame(_RST_STREAM, 0, number, (8).to_bytes(4, "big")))

    def _flush(self, number: int, stream: _Stream) -> None:
        while True:
            room = min(self._window, stream.window, self._peer_frame, len(stream.pending))
            if room <= 0:
                return
            piece, stream.pending = stream.pending[:room], stream.pending[room:]
            self._window -= room
            stream.window -= room
            last = stream.ours_ended and not stream.pending
            self._out.append(_frame(_DATA, _END_STREAM if last else 0, number, piece))

    def receive(self, data: bytes) -> list[Answer]:
        """Take bytes from the server and return what they complete.

        Raises:
            Http2Error: they are not what a gRPC server sends.
        """
        if self._partial:
            data = self._partial + data
        answers: list[Answer] = []
        at, size = 0, len(data)
        while size - at >= 9:
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if end > size:
                break
            number = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._frame(data[at + 3], data[at + 4], number, data[at + 9 : end], answers)
            at = end
        self._partial = data[at:]
        return answers

    def _frame(
        self, kind: int, flags: int, number: int, payload: bytes, answers: list[Answer]
    ) -> None:
        if kind == _DATA:
            self._on_data(flags, number, payload, answers)
        elif kind in (_HEADERS, _CONTINUATION):
            self._on_headers(kind, flags, number, payload, answers)
        elif kind == _WINDOW_UPDATE:
            self._on_window(number, int.from_bytes(payload, "big"))
        elif kind == _RST_STREAM:
            self._on_reset(number, int.from_bytes(payload, "big"), answers)
        elif kind == _GOAWAY:
            self._on_goaway(payload, answers)
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._acknowledge(kind, payload)

    def _acknowledge(self, kind: int, payload: bytes) -> None:
        if kind == _PING:
            self._out.append(_frame(_PING, _ACK, 0, payload))
        else:
            self._on_settings(payload)

    def _on_data(self, flags: int, number: int, payload: bytes, answers: list[Answer]) -> None:
        self._received += len(payload)
        if self._received > _REFILL:
            self._out.append(_frame(_WINDOW_UPDATE, 0, 0, self._received.to_bytes(4, "big")))
            self._received = 0
        stream = self._streams.get(number)
        if stream is None:
            return  # given up meanwhile
        stream.body += _unpadded(flags & _PADDED, payload)
        if flags & _END_STREAM:
            self._finish(number, stream, answers)
        elif not stream.ours_ended and _whole(stream.body):
            answers.append(Answer(number, False, OK, "", stream.body))
            stream.body = b""

    def _on_headers(
        self, kind: int, flags: int, number: int, payload: bytes, answers: list[Answer]
    ) -> None:
        if kind == _HEADERS:
            begun = (number, flags, _unpadded(flags, payload))
        elif self._header is not None and self._header[0] == number:
            begun = (number, self._header[1], self._header[2] + payload)
        else:
            raise Http2Error("a continuation of nothing")
        if flags & _END_HEADERS:
            self._header = None
            self._on_block(*begun, answers)
        else:
            self._header = begun

    def _on_block(self, number: int, flags: int, block: bytes, answers: list[Answer]) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        http_status, status, text = _decode(block)
        stream.http_status = http_status or stream.http_status
        stream.status, stream.text = status or stream.status, text or stream.text
        if flags & _END_STREAM:
            self._finish(number, stream, answers)

    def _finish(self, number: int, stream: _Stream, answers: list[Answer]) -> None:
        del self._streams[number]
        status = int(stream.status) if stream.status.isdecimal() else UNKNOWN
        text = stream.text
        if not stream.status:
            text = f"no gRPC status (HTTP {stream.http_status or '?'})"
        answers.append(Answer(number, True, status, text, stream.body))

    def _on_reset(self, number: int, code: int, answers: list[Answer]) -> None:
        if self._streams.pop(number, None) is not None:
            answers.append(Answer(number, True, UNAVAILABLE, f"stream reset ({code})", b""))

    def _on_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload) - 5, 6):
            name = int.from_bytes(payload[at : at + 2], "big")
            value = int.from_bytes(payload[at + 2 : at + 6], "big")
            if name == _SET_MAX_FRAME:
                self._peer_frame = value
            elif name == _SET_WINDOW:
                for stream in self._streams.values():
                    stream.window += value - self._peer_window
                self._peer_window = value
        self._out.append(_frame(_SETTINGS, _ACK, 0, b""))
        self._flush_all()

    def _on_window(self, number: int, more: int) -> None:
        if number == 0:
            self._window += more
        elif number in self._streams:
            self._streams[number].window += more
        self._flush_all()

    def _flush_all(self) -> None:
        for number, stream in self._streams.items():
            if stream.pending:
                self._flush(number, stream)

    def _on_goaway(self, payload: bytes, answers: list[Answer]) -> None:
        """Streams above the last one that the server took were never looked at (§6.8)."""
        self.going_away = True
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        for number in [number for number in self._streams if number > last]:
            del self._streams[number]
            answers.append(Answer(number, True, UNAVAILABLE, "the server goes away", b""))


def _unpadded(flags: int, payload: bytes) -> bytes:
    if flags & _PADDED:
        if not payload or payload[0] >= len(payload):
            raise Http2Error("a frame is shorter than its padding")
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if flags & _PRIORITY else payload


def _whole(body: bytes) -> bool:
    """Return whether a body ends where a message does."""
    at = 0
    while at + 5 <= len(body):
        at += 5 + int.from_bytes(body[at + 1 : at + 5], "big")
    return at == len(body)
