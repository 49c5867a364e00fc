"""A plain HTTP client for the parent's side of targets, with every way to fail in one line.

Personas need a source address of their own and nothing else; ``http.client`` has that. The load
itself never goes through here.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from scenarios.errors import (
    TargetError,
    TargetProtocol,
    TargetRefused,
    TargetUnavailable,
    UsageError,
)

TIMEOUT_S = 5.0
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response; header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def failure(
    name: str, where: str, exc: OSError | http.client.HTTPException
) -> tuple[str, TargetError]:
    """Return the generator's code for a failed exchange, and the error that says it in one line."""
    if isinstance(exc, ConnectionRefusedError):
        return "refused", TargetUnavailable(f"{name}: nothing listens at {where}")
    if isinstance(exc, TimeoutError):
        return "timeout", TargetUnavailable(f"{name}: {where} did not answer in time")
    if isinstance(exc, socket.gaierror):
        return "refused", TargetUnavailable(f"{name}: {where}: no such host")
    if isinstance(exc, ssl.SSLCertVerificationError):
        return "tls", TargetUnavailable(
            f"{name}: {where}: its certificate is not trusted ({exc.verify_message})"
        )
    if isinstance(exc, ssl.SSLError):
        reason = (exc.reason or "no TLS").lower().replace("_", " ")
        return "tls", TargetUnavailable(f"{name}: {where}: TLS failed ({reason})")
    if isinstance(exc, http.client.IncompleteRead):
        return "half", TargetProtocol(f"{name}: {where} answered only half")
    if isinstance(exc, http.client.RemoteDisconnected | ConnectionError):
        return "closed", TargetProtocol(f"{name}: {where} closed the connection without an answer")
    if isinstance(exc, http.client.HTTPException):
        return "protocol", TargetProtocol(f"{name}: {where} answered something that is not HTTP")
    return "refused", TargetUnavailable(f"{name}: {where}: {exc.strerror or exc}")


def tls_context(ca_file: str) -> ssl.SSLContext | None:
    """Return TLS settings that trust one authority, None for the system's.

    Raises UsageError when the file cannot be read as certificates.
    """
    if not ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(f"{ca_file}: cannot be read as CA certificates") from exc


class Rest:
    """Talks to one base URL, a connection for each exchange.

    Args:
        name: of the target, for messages.
        url: ``http://host:port`` or ``https://…``, with or without a path prefix.
        context: TLS settings; the system's when None.
        timeout_s: for connecting and for each read.

    Raises:
        UsageError: not a URL that can be spoken to.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        context: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise UsageError(f"{name}: {url}: not a URL ({exc})") from exc
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{name}: {url}: found no http:// or https:// URL with a host")
        self.name = name
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = port or (443 if self.tls else 80)
        self.prefix = parts.path.rstrip("/")
        self._context = context
        self.timeout_s = timeout_s

    @property
    def where(self) -> str:
        """Return host and port for messages."""
        return f"{self.host}:{self.port}"

    def _connection(self, origin: str) -> http.client.HTTPConnection:
        source = (origin, 0) if origin else None
        if self.tls:
            context = self._context or ssl.create_default_context()
            return http.client.HTTPSConnection(
                self.host,
                self.port,
                timeout=self.timeout_s,
                source_address=source,
                context=context,
            )
        return http.client.HTTPConnection(
            self.host, self.port, timeout=self.timeout_s, source_address=source
        )

    def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        origin: str = "",
    ) -> Answer:
        """Send one request, from source address ``origin`` if given, and return the answer.

        Raises OSError or http.client.HTTPException; ``failure`` knows what they mean.
        """
        connection = self._connection(origin)
        try:
            connection.request(method, self.prefix + path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, response.read(), found)
        finally:
            connection.close()

    def reach(self) -> None:
        """Connect and disconnect. Raises TargetUnavailable or TargetProtocol."""
        connection = self._connection("")
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as exc:
            raise failure(self.name, self.where, exc)[1] from exc
        finally:
            connection.close()

    def answer(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Raises TargetUnavailable or TargetProtocol.
        """
        try:
            return self.exchange(method, path, body, headers)
        except (OSError, http.client.HTTPException) as exc:
            raise failure(self.name, self.where, exc)[1] from exc

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401  (JSON)
        """Send JSON and return the JSON of a 2xx answer (None when it is empty).

        Raises TargetUnavailable, TargetProtocol, or TargetRefused for any other status.
        """
        sent = None if body is None else json.dumps(body).encode()
        content = {"Content-Type": "application/json"} if sent is not None else {}
        answer = self.answer(method, path, sent, {**content, **(headers or {})})
        if answer.status not in _SUCCESS:
            said = " ".join(answer.body[:300].decode("utf-8", "replace").split())
            raise TargetRefused(
                f"{self.name}: {method} {self.where}{path}: {answer.status} {said}".rstrip()
            )
        if not answer.body:
            return None
        try:
            return json.loads(answer.body)
        except ValueError as exc:
            raise TargetProtocol(
                f"{self.name}: {method} {self.where}{path}: the answer is not JSON"
            ) from exc

    def code(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], origin: str
    ) -> tuple[str, bytes]:
        """Send one request and return ``ok``, the status, or a transport code, and the body."""
        try:
            answer = self.exchange(method, path, body, headers, origin)
        except (OSError, http.client.HTTPException) as exc:
            return failure(self.name, self.where, exc)[0], b""
        return "ok" if answer.status in _SUCCESS else str(answer.status), answer.body
