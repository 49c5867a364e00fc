"""One gRPC connection in gevent's loop; imported only where an endpoint speaks HTTP/2."""

from loadgen.generator.connection import Address, Connection, Owner, State
from loadgen.generator.loop import Loop
from loadgen.http2 import Http2Client, Http2Error, unpack


class Http2Connection(Connection):
    """A plain connection that speaks gRPC over HTTP/2, one stream at a time."""

    __slots__ = ("_client",)

    def __init__(self, loop: Loop, owner: Owner, address: Address, family: int) -> None:
        self._client = Http2Client()
        super().__init__(loop, owner, address, family)

    def _usable(self) -> None:
        assert self._reader is not None  # noqa: S101  (made in _on_connect)
        self._connecting = False
        self._reader.start(self._on_readable)
        if not self._transmit_all():  # the preface
            self.close()
            self._owner.connect_failed(self, "closed", "closed at once")
            return
        self.state = State.IDLE
        self._owner.connected(self)

    def send(self, request: bytes) -> bool:
        """Send one request, as ``http2.pack`` made it; see ``Connection.send``."""
        self._client.request(*unpack(request))
        return self._transmit_all()

    def _transmit_all(self) -> bool:
        out = self._client.take()
        if self._pending is not None:
            self._pending = memoryview(bytes(self._pending) + out)
            return True
        return super().send(out)

    def _take(self, data: bytes) -> None:
        try:
            answers = self._client.receive(data)
        except Http2Error:
            self._break("protocol")
            return
        if not self._transmit_all():
            self._break("closed")
            return
        for answer in answers:
            if self.state is not State.BUSY:
                return
            self.served += 1
            body = answer.text.encode() if answer.status else answer.body
            self._owner.answered(self, answer.status, body, not self._client.going_away)
        if self._client.going_away and self.state is State.IDLE:
            self._break("closed")
