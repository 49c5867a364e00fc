"""The administrator's side of OpenBao's HTTP API, over one kept connection."""

import contextlib
import http.client
import json
import threading
from typing import Any

from loadgen.targets.rest import TIMEOUT_S, failure
from scenarios.errors import TargetError, TargetProtocol, TargetRefused

_SUCCESS = range(200, 300)


class Api:
    """Calls one server with one token.

    Raises (all methods) TargetUnavailable, TargetProtocol, TargetRefused.
    """

    def __init__(self, name: str, host: str, port: int, *, timeout_s: float = TIMEOUT_S) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.token = ""
        self._turn = threading.Lock()  # alerts are answered in a thread of their own
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)

    def status(self, path: str) -> int:
        """Return only the status of a GET."""
        return self._exchange("GET", path, None)[0]

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON object of a 2xx answer, empty when there is none."""
        status, answer = self._exchange(method, path, body)
        if status not in _SUCCESS:
            said = " ".join(answer[:300].decode("utf-8", "replace").split())
            raise TargetRefused(f"{self.name}: {method} {path}: {status} {said}")
        if not answer:
            return {}
        try:
            found = json.loads(answer)
        except ValueError as exc:
            raise TargetProtocol(f"{self.name}: {method} {path}: the answer is not JSON") from exc
        if not isinstance(found, dict):
            raise TargetProtocol(f"{self.name}: {method} {path}: the answer is no object")
        return found

    def write(self, path: str, **body: object) -> dict[str, Any]:
        """POST a body and return the answer's ``data`` (or ``auth``)."""
        answer = self.call("POST", path, body)
        found: dict[str, Any] = answer.get("auth") or answer.get("data") or {}
        return found

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        sent = None if body is None else json.dumps(body)
        with self._turn:
            return self._send(method, path, sent)

    def _send(self, method: str, path: str, sent: str | None) -> tuple[int, bytes]:
        headers = {"X-Vault-Token": self.token} if self.token else {}
        kept = self._connection.sock is not None
        try:
            return self._once(method, path, sent, headers)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            if not kept or isinstance(exc, TimeoutError):
                raise self._failure(exc) from exc
        try:  # a kept connection may have been closed while it was idle
            return self._once(method, path, sent, headers)
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise self._failure(exc) from exc

    def _once(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        self._connection.request(method, f"/v1/{path}", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def _failure(self, exc: OSError | http.client.HTTPException) -> TargetError:
        return failure(self.name, f"{self.host}:{self.port}", exc)[1]

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with contextlib.suppress(OSError):
            self._connection.close()
