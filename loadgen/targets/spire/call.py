"""Blocking gRPC calls to SPIRE's server: over its admin socket, or over mTLS as an agent does."""

import contextlib
import socket
import ssl
from types import TracebackType
from typing import Final, Self, TypeVar

from google.protobuf.message import DecodeError, Message

from loadgen.http2 import (
    CODE_NAMES,
    Answer,
    Http2Client,
    Http2Error,
    header_block,
    message,
    messages,
)
from scenarios.errors import TargetProtocol, TargetRefused, TargetUnavailable

M = TypeVar("M", bound=Message)
TIMEOUT_S = 10.0

_API: Final = "/spire.api.server."
MINT_X509 = f"{_API}svid.v1.SVID/MintX509SVID"
MINT_JWT = f"{_API}svid.v1.SVID/MintJWTSVID"
BATCH_NEW_X509 = f"{_API}svid.v1.SVID/BatchNewX509SVID"
NEW_JWT = f"{_API}svid.v1.SVID/NewJWTSVID"
ATTEST = f"{_API}agent.v1.Agent/AttestAgent"
RENEW = f"{_API}agent.v1.Agent/RenewAgent"
BAN = f"{_API}agent.v1.Agent/BanAgent"
COUNT_AGENTS = f"{_API}agent.v1.Agent/CountAgents"
CREATE_JOIN_TOKEN = f"{_API}agent.v1.Agent/CreateJoinToken"
BATCH_CREATE_ENTRY = f"{_API}entry.v1.Entry/BatchCreateEntry"
SYNC_ENTRIES = f"{_API}entry.v1.Entry/SyncAuthorizedEntries"
GET_BUNDLE = f"{_API}bundle.v1.Bundle/GetBundle"
PREPARE_X509_AUTHORITY = f"{_API}localauthority.v1.LocalAuthority/PrepareX509Authority"
ACTIVATE_X509_AUTHORITY = f"{_API}localauthority.v1.LocalAuthority/ActivateX509Authority"
TAINT_X509_AUTHORITY = f"{_API}localauthority.v1.LocalAuthority/TaintX509Authority"
REVOKE_X509_AUTHORITY = f"{_API}localauthority.v1.LocalAuthority/RevokeX509Authority"


class Refused(TargetRefused):
    """SPIRE answered with a status that is not OK.

    Attributes:
        code: name of the gRPC status, as ``permission-denied``.
        text: SPIRE's word on it.
    """

    def __init__(self, method: str, code: str, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(f"SPIRE {method.rpartition('/')[2]}: {code}: {text}")


def code_name(status: int) -> str:
    """Return the name of a gRPC status."""
    return CODE_NAMES[status] if 0 <= status < len(CODE_NAMES) else f"grpc-{status}"


class Caller:
    """One connection to the server, one call at a time.

    Args:
        connection: a connected socket, plain (admin) or under TLS (agent).

    Use as a context manager, or ``close``.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._client = Http2Client()
        self._scheme = "https" if isinstance(connection, ssl.SSLSocket) else "http"

    @classmethod
    def admin(cls, path: str, timeout_s: float = TIMEOUT_S) -> Self:
        """Connect to the admin socket.

        Raises:
            TargetUnavailable: nobody listens there.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise TargetUnavailable(f"SPIRE's admin socket {path}: {error.strerror}") from error
        return cls(connection)

    @classmethod
    def agent(
        cls,
        port: int,
        context: ssl.SSLContext,
        origin: str = "127.0.0.1",
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """Connect to the server's TCP port from source address ``origin``.

        Args:
            port: on 127.0.0.1.
            context: from ``credentials.client_context``.
            origin: an address of 127.0.0.0/8.
            timeout_s: for the connection and each answer.

        Raises:
            TargetUnavailable: nobody listens there, or TLS fails.
        """
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.bind((origin, 0))
            connection.connect(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return cls(context.wrap_socket(connection))
        except OSError as error:
            connection.close()
            raise TargetUnavailable(f"SPIRE's port {port}: {error}") from error

    def call(self, method: str, request: Message, answer: type[M]) -> M:
        """Make a unary call.

        Raises:
            Refused: the status is not OK.
            TargetUnavailable: no answer.
            TargetProtocol: no gRPC.
        """
        found = self.stream(method, request)
        return _parse(method, answer, found[0] if found else b"")

    def stream(self, method: str, request: Message) -> list[bytes]:
        """Make a call whose answer is a stream; return its messages."""
        headers = header_block(method, self._scheme)
        number = self._client.request(headers, message(request.SerializeToString()))
        body = b""
        while True:
            found = self._wait(method, number)
            body += found.body
            if found.ended:
                return list(messages(body))

    def open(self, method: str, first: Message) -> int:
        """Open a stream with a first message and keep our side open; return its number."""
        body = message(first.SerializeToString())
        return self._client.request(header_block(method, self._scheme), body, end=False)

    def next(self, method: str, number: int, answer: type[M]) -> M:
        """Return the next message of an open stream.

        Raises:
            Refused, TargetUnavailable, TargetProtocol: see ``call``.
        """
        found = list(messages(self._wait(method, number).body))
        return _parse(method, answer, found[0] if found else b"")

    def send(self, number: int, request: Message, *, end: bool) -> None:
        """Send more on an open stream."""
        self._client.send(number, message(request.SerializeToString()), end=end)

    def _wait(self, method: str, number: int) -> Answer:
        """Return the next answer of a stream.

        Raises:
            Refused, TargetUnavailable, TargetProtocol: see ``call``.
        """
        try:
            while True:
                if out := self._client.take():
                    self._socket.sendall(out)
                data = self._socket.recv(65536)
                if not data:
                    raise TargetUnavailable("SPIRE closed the connection")
                for found in self._client.receive(data):
                    if found.stream == number:
                        if found.status:
                            raise Refused(method, code_name(found.status), found.text)
                        return found
        except TimeoutError as error:
            raise TargetUnavailable(f"SPIRE did not answer {method}") from error
        except OSError as error:
            raise TargetUnavailable(f"SPIRE's connection broke: {error}") from error
        except Http2Error as error:
            raise TargetProtocol(f"SPIRE answered {method} with no gRPC: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _parse(method: str, kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise TargetProtocol(f"SPIRE answered {method} with no {kind.__name__}") from error
