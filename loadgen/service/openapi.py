"""The service's own description, generated from ``messages``: OpenAPI 3.1."""

from typing import Any

import msgspec

from loadgen.service import messages as m

_PUBLIC = ("/healthz", "/keys", "/bundle", "/openapi.json", "/.well-known/authzen-configuration")
_POSTS: dict[str, tuple[str, type, tuple[type, ...], str]] = {
    "/v1/entries": ("Register identities", m.Registration, (m.Registered,), "admin"),
    "/v1/svid/x509": ("Issue an X.509-SVID", m.X509Request, (m.X509Svid,), "node"),
    "/v1/svid/jwt": ("Issue a JWT-SVID", m.JwtRequest, (m.JwtSvid,), "node"),
    "/v1/keys": ("Issue a static key", m.KeyRequest, (m.StaticKey,), "node"),
    "/v1/revoke": ("Refuse a document", m.Revocation, (m.Revoked,), "admin"),
    "/access/v1/evaluation": ("AuthZEN evaluation", m.Evaluation, (m.Decision,), "document"),
    "/access/v1/evaluations": (
        "AuthZEN evaluations",
        m.Evaluations,
        (m.Decisions, m.Decision),
        "document",
    ),
}
_FAULTS = {
    "400": "The request makes no sense",
    "401": "The credential is missing, not genuine, expired or revoked",
    "403": "The credential is good and not entitled to this",
    "405": "Another method",
    "413": "The body is too large",
    "415": "Another media type",
    "503": "The audit log cannot be written",
}


def openapi() -> bytes:
    """Return the document in JSON."""
    kinds = {m.Fault} | {
        kind for _, body, answers, _ in _POSTS.values() for kind in (body, *answers)
    }
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(
        ordered, ref_template="#/components/schemas/{name}"
    )
    reference = dict(zip(ordered, schemas, strict=True))

    def content(*kinds: type) -> dict[str, Any]:
        options = [reference[kind] for kind in kinds]
        schema = options[0] if len(options) == 1 else {"anyOf": options}
        return {"application/json": {"schema": schema}}

    faults = {
        status: {"description": text, "content": content(m.Fault)}
        for status, text in _FAULTS.items()
    }
    plain = {"description": "Done", "content": {"application/json": {"schema": {"type": "object"}}}}
    paths: dict[str, Any] = {
        path: {"get": {"operationId": path, "responses": {"200": plain}}} for path in _PUBLIC
    }
    for path, (summary, body, answers, credential) in _POSTS.items():
        paths[path] = {
            "post": {
                "operationId": path,
                "summary": summary,
                "security": [{credential: []}],
                "requestBody": {"required": True, "content": content(body)},
                "responses": {"200": {"description": "Done", "content": content(*answers)}}
                | faults,
            }
        }
    bearer = {"type": "http", "scheme": "bearer"}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "midas embedded identity service", "version": "1"},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "admin": bearer | {"description": "the token printed at start"},
                    "node": bearer | {"description": "the token that a registration returns"},
                    "document": bearer | {"description": "a JWT-SVID or static key; or mTLS"},
                },
            },
        }
    )
