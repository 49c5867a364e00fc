"""The ASGI application: routes, bodies, audit before answer.

Plain ASGI: a framework costs 10–40 % of the request rate (measured against Starlette and FastAPI),
and there are thirteen routes.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from loadgen.service.audit import AuditLog
from loadgen.service.faults import Refusal
from loadgen.service.identity_service import Call, IdentityService
from loadgen.service.messages import Fault
from loadgen.service.openapi import openapi
from scenarios.errors import StoreError

Scope = dict[str, Any]
Handler = Callable[[Call], bytes]

TLS_CERTIFICATE = "midas.tls_certificate"
"""key of the ASGI scope's extensions under which the TLS port puts the client's certificate"""

_MAX_BODY = 65_536
_MAX_REGISTRATION = 256 * 1024 * 1024
_JSON = [(b"content-type", b"application/json")]
_encode = msgspec.json.Encoder().encode


def _fault(refusal: Refusal) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    body = _encode(Fault(refusal.code, str(refusal)))
    return refusal.status, body, _JSON + refusal.headers


class App:
    """One instance serves all ports of the service."""

    def __init__(self, service: IdentityService, log: AuditLog) -> None:
        self._log = log
        self._service = service
        self._openapi = openapi()
        self._routes: dict[str, dict[str, Handler]] = {
            "/healthz": {"GET": service.healthz},
            "/keys": {"GET": service.keys},
            "/bundle": {"GET": service.bundle},
            "/openapi.json": {"GET": lambda _: self._openapi},
            "/.well-known/authzen-configuration": {"GET": service.authzen_configuration},
            "/v1/entries": {"POST": service.register},
            "/v1/svid/x509": {"POST": service.issue_x509},
            "/v1/svid/jwt": {"POST": service.issue_jwt},
            "/v1/keys": {"POST": service.issue_key},
            "/v1/revoke": {"POST": service.revoke},
            "/access/v1/evaluation": {"POST": service.evaluate},
            "/access/v1/evaluations": {"POST": service.evaluate_many},
        }

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:  # noqa: ANN401
        """Serve one request (ASGI 3.0)."""
        call, echo = Call(), []
        try:
            handler = self._route(scope)
            echo = _read_headers(call, scope)
            if scope["method"] == "POST":
                large = scope["path"] == "/v1/entries" and self._service.is_admin(call)
                limit = _MAX_REGISTRATION if large else _MAX_BODY
                call.body = await _read_body(receive, limit)
            status, body, headers = 200, handler(call), _JSON
        except Refusal as refusal:
            status, body, headers = _fault(refusal)
            for line in call.lines:
                line.outcome = "denied" if status in (401, 403) else "error"
                line.reason = refusal.code
        if call.lines:
            try:
                await self._log.write(call.lines)
            except StoreError as exc:
                status, body, headers = _fault(Refusal(503, "audit-unavailable", str(exc)))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *echo, (b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _route(self, scope: Scope) -> Handler:
        methods = self._routes.get(scope["path"])
        if methods is None:
            raise Refusal(404, "not-found", f"{scope['path'][:200]}: no such resource")
        handler = methods.get(scope["method"])
        if handler is None:
            allow = ", ".join(methods)
            raise Refusal(405, "method-not-allowed", f"only {allow}", [(b"allow", allow.encode())])
        return handler


def _read_headers(call: Call, scope: Scope) -> list[tuple[bytes, bytes]]:
    """Fill in what the headers and the connection say; return the headers to repeat."""
    call.origin = scope["client"][0] if scope["client"] else ""
    call.tls_certificate = scope.get("extensions", {}).get(TLS_CERTIFICATE, b"")
    echo, content_type = [], b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer":
                raise Refusal(
                    401,
                    "bad-scheme",
                    "Authorization: only Bearer is understood",
                    [(b"www-authenticate", b'Bearer realm="midas"')],
                )
            call.bearer = token.strip()
        elif name == b"client-cert":
            call.client_cert = value.decode("latin-1")
        elif name == b"content-type":
            content_type = value
        elif name == b"x-request-id":  # AuthZEN 1.0 §10.1.3
            echo.append((name, value))
        elif name == b"host":
            call.base_url = f"{scope['scheme']}://{value.decode('latin-1')}"
    if scope["method"] == "POST" and not content_type.startswith(b"application/json"):
        raise Refusal(415, "media-type", "Content-Type: must be application/json")
    return echo


async def _read_body(receive: Any, limit: int) -> bytes:  # noqa: ANN401
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "body: the client went away")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise Refusal(
                413, "too-large", f"body: more than {limit} bytes", [(b"connection", b"close")]
            )
        more = message.get("more_body", False)
    return b"".join(chunks)
