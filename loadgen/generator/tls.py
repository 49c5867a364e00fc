"""Connections under TLS: mutual where the endpoint has a certificate for us, resumed if allowed."""

import contextlib
import ssl
from time import monotonic
from typing import Any

from loadgen.generator.connection import RECEIVE, Address, Connection, Owner, State
from loadgen.generator.loop import Loop
from loadgen.generator.protocol import HANDSHAKE_OP, RESUME_OP
from loadgen.targets.port import Endpoint


class TlsContext:
    """TLS settings of one endpoint and the last session ticket it gave us."""

    def __init__(self, endpoint: Endpoint, *, resume: bool) -> None:
        self.resume = resume
        self.session: ssl.SSLSession | None = None
        self.spiffe_id = endpoint.server_name if endpoint.server_name[:9] == "spiffe://" else ""
        self.server_name = "" if self.spiffe_id else endpoint.server_name or endpoint.host
        self.context = ssl.create_default_context(cafile=endpoint.ca_file or None)
        if self.spiffe_id:
            # an X.509-SVID names its workload by a URI, not by a host (checked after the handshake)
            self.context.check_hostname = False
        if endpoint.cert_file:
            self.context.load_cert_chain(endpoint.cert_file, endpoint.key_file or None)

    def accepts(self, certificate: dict[str, Any] | None) -> bool:
        """Return whether the peer is the SPIFFE ID that was asked for (or none was)."""
        if not self.spiffe_id:
            return True
        names = (certificate or {}).get("subjectAltName", ())
        return ("URI", self.spiffe_id) in names


class TlsConnection(Connection):
    """A connection under TLS, the records of which pass through memory buffers."""

    __slots__ = ("_incoming", "_outgoing", "_started_s", "_tls", "_tls_context")

    def __init__(
        self, loop: Loop, owner: Owner, address: Address, family: int, tls: TlsContext
    ) -> None:
        self._tls_context = tls
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = tls.context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=tls.server_name or None,
            session=tls.session if tls.resume else None,
        )
        self._started_s = 0.0
        super().__init__(loop, owner, address, family)
        self.transmit = self._encrypt

    def _on_transport(self) -> None:
        self._started_s = monotonic()
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except OSError as error:  # ssl.SSLError and CertificateError are among them
            with contextlib.suppress(OSError):
                self._flush()
            self.close()
            self._owner.connect_failed(self, "tls", _reason(error))
            return
        self._flush()
        if not self._tls_context.accepts(self._tls.getpeercert()):
            self.close()
            self._owner.connect_failed(self, "tls", f"peer is not {self._tls_context.spiffe_id}")
            return
        op = RESUME_OP if self._tls.session_reused else HANDSHAKE_OP
        self._owner.handshake(op, monotonic() - self._started_s)
        self._usable()

    def _encrypt(self, data: bytes) -> int:
        self._tls.write(data)
        self._flush()
        return len(data)

    def _flush(self) -> None:
        if not self._outgoing.pending and self._pending is None:
            return
        records = self._outgoing.read()
        if self._pending is not None:
            self._pending = memoryview(bytes(self._pending) + records)
            return
        try:
            sent = self._socket.send(records)
        except BlockingIOError:
            sent = 0
        if sent != len(records):
            self._pending = memoryview(records)[sent:]
            self._watch_write(self._on_writable)

    def _on_writable(self) -> None:
        # what waits here is already encrypted
        self.transmit = self._socket.send
        try:
            super()._on_writable()
        finally:
            self.transmit = self._encrypt

    def _on_readable(self) -> None:
        try:
            data = self._receive(RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._on_closed()
            return
        self._incoming.write(data)
        if self._connecting:
            self._shake_hands()
            if self._connecting or self.state is State.CLOSED:
                return
        self._decrypt()

    def _decrypt(self) -> None:
        pieces: list[bytes] = []
        ended, failed = False, ""
        while True:
            try:
                piece = self._tls.read(RECEIVE)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                ended = True
                break
            except OSError as error:
                failed = _reason(error)
                break
            if not piece:
                ended = True
                break
            pieces.append(piece)
        if pieces:
            self._keep_session()
            self._take(b"".join(pieces))
        if self.state is State.CLOSED:
            return
        if failed:
            self._break("tls", failed)
        elif ended:
            self._on_end(reset=False)
        else:
            self._flush()

    def _keep_session(self) -> None:
        # under TLS 1.3 tickets come after the handshake, with or before the first answer
        if self._tls_context.resume and self.served == 0:
            self._tls_context.session = self._tls.session

    def _on_closed(self) -> None:
        if self._connecting:
            self.close()
            self._owner.connect_failed(self, "tls", "closed during the handshake")
            return
        self._incoming.write_eof()
        # without close_notify a body that ends with the connection is not whole (RFC 8446 §6.1)
        self._on_end(reset=True)


def _reason(error: OSError) -> str:
    text = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return str(text).replace("_", " ").lower()
