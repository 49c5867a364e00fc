"""The identity service itself: pure functions from a call to an answer and its audit lines.

It opens no socket and awaits nothing; ``app`` commits the lines and then sends the answer.
"""

import base64
import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from loadgen.service import messages as m
from loadgen.service.audit import Line, now_line
from loadgen.service.authority import (
    NO_END,
    Authority,
    decode_csr,
)
from loadgen.service.credentials import Documents, Presented
from loadgen.service.entries import TASK_PATH, Entries, Registered, split_task
from loadgen.service.faults import Refusal, unauthenticated
from loadgen.service.jwt_svid import Claims, JwtAuthority
from loadgen.service.policy import Policy, Question
from loadgen.service.serials import Serials, issued_wall_s, serial_text

_AUDIENCE = "midas"
_BUNDLE_REFRESH_S = 300

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """One request, as far as the service cares."""

    body: bytes = b""
    origin: str = ""
    bearer: str = ""
    """token of the Authorization header"""
    client_cert: str = ""
    """Client-Cert header of a proxy"""
    tls_certificate: bytes = b""
    """DER of the TLS client's certificate"""
    base_url: str = ""
    lines: list[Line] = field(default_factory=list)
    """audit lines that must be on disk before the answer"""

    def line(self, operation: str) -> Line:
        """Return a new audit line of this call."""
        line = now_line()
        line.origin, line.operation = self.origin, operation
        self.lines.append(line)
        return line


def _decoder(kind: type[T]) -> Callable[[bytes], T]:
    decode = msgspec.json.Decoder(kind).decode

    def read(body: bytes) -> T:
        try:
            return decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
            text = str(exc) or "nested too deeply"
            raise Refusal(400, "bad-request", f"body: {text}") from exc

    return read


class IdentityService:
    """Issues, verifies, authorizes and revokes; see ``messages`` for every body."""

    def __init__(self, trust_domain: str, operator_policies: str = "") -> None:
        self.trust_domain = trust_domain
        self.audience = _AUDIENCE
        self.proxy = f"spiffe://{trust_domain}/tls-proxy"
        """who may pass its clients' certificates on, on the TLS port (RFC 9440 §2.4)"""
        self.admin_token = f"midas-admin-{secrets.token_urlsafe(24)}"
        self.authority = Authority(trust_domain)
        self._jwt = JwtAuthority(trust_domain)
        self._policy = Policy(operator_policies)
        self._entries = Entries(trust_domain, self._policy)
        self._documents = Documents(self.authority, self._jwt, self.audience)
        self._serials = Serials()
        self._encode = msgspec.json.Encoder().encode
        self._read_x509 = _decoder(m.X509Request)
        self._read_jwt = _decoder(m.JwtRequest)
        self._read_key = _decoder(m.KeyRequest)
        self._read_registration = _decoder(m.Registration)
        self._read_revocation = _decoder(m.Revocation)
        self._read_evaluation = _decoder(m.Evaluation)
        self._read_evaluations = _decoder(m.Evaluations)

    # -- administration ---------------------------------------------------------------------

    def is_admin(self, call: Call) -> bool:
        """Say whether the caller bears the administrator's token."""
        return hmac.compare_digest(call.bearer.encode(), self.admin_token.encode())

    def _only_admin(self, call: Call) -> None:
        if not self.is_admin(call):
            raise unauthenticated("admin-only", "the admin token is needed")

    def register(self, call: Call) -> bytes:
        """Register identities and return the token that may ask for them."""
        self._only_admin(call)
        registration = self._read_registration(call.body)
        token = self._entries.register(registration)
        return self._encode(m.Registered(token, len(registration.entries)))

    def revoke(self, call: Call) -> bytes:
        """Refuse a document from now on."""
        line = call.line("revoke")
        self._only_admin(call)
        asked = self._read_revocation(call.body)
        if asked.identity is None and asked.serial is None:
            raise Refusal(400, "bad-request", "body: identity or serial is needed")
        line.serial = asked.serial or ""
        line.identity = asked.identity or self._documents.key_identity(line.serial) or ""
        if (terms := self._entries.find(line.identity)) is not None:
            line.workload = terms.workload
        if asked.serial is not None:
            line.issued_wall_s = issued_wall_s(int(asked.serial, 16))
        self._documents.revoke(asked.identity, asked.serial)
        return self._encode(m.Revoked())

    # -- issue ------------------------------------------------------------------------------

    def _terms(self, call: Call, line: Line, identity: str, task: str | None) -> Registered:
        terms = self._entries.entitled(call.bearer, identity)
        line.identity, line.workload = identity, terms.workload
        if task is not None:
            if task not in terms.task_scopes:
                raise Refusal(403, "not-entitled", f"{identity}: has no task {task}")
            line.task = task
        elif terms.task_scope:
            raise Refusal(400, "task-needed", f"{identity}: documents are issued for one task")
        return terms

    def _new_serial(self, line: Line) -> int:
        serial = self._serials.next()
        line.serial, line.issued_wall_s = serial_text(serial), issued_wall_s(serial)
        return serial

    def issue_x509(self, call: Call) -> bytes:
        """Issue an X.509-SVID from a CSR."""
        line = call.line("issue")
        asked = self._read_x509(call.body)
        terms = self._terms(call, line, asked.spiffe_id, asked.task)
        request = decode_csr(asked.csr)
        spiffe_id = asked.spiffe_id + (f"{TASK_PATH}{asked.task}" if asked.task else "")
        for uri in request.identities:
            if uri not in (asked.spiffe_id, spiffe_id):
                raise Refusal(403, "not-entitled", f"csr: asks for {uri[:300]}")
        serial = self._new_serial(line)
        issued_s = issued_wall_s(serial)
        expiry = _last_second(_shorter(asked.ttl_s, terms.max_ttl_s), issued_s)
        if expiry is not None:
            expiry = min(expiry, self.authority.not_after_s)
        leaf = self.authority.issue(
            request.public_key, spiffe_id, serial, NO_END if expiry is None else expiry
        )
        chain = [base64.b64encode(leaf).decode()]
        return self._encode(m.X509Svid(spiffe_id, line.serial, issued_s, expiry, chain))

    def issue_jwt(self, call: Call) -> bytes:
        """Issue a JWT-SVID."""
        line = call.line("issue")
        asked = self._read_jwt(call.body)
        terms = self._terms(call, line, asked.spiffe_id, asked.task)
        serial = self._new_serial(line)
        issued_s = issued_wall_s(serial)
        expiry = _last_second(_shorter(asked.ttl_s, terms.max_ttl_s), issued_s)
        if expiry is None:
            raise Refusal(400, "ttl-needed", "ttl_s: a JWT-SVID must expire (JWT-SVID §3.3)")
        claims = Claims(
            iss=self._jwt.issuer,
            sub=asked.spiffe_id,
            aud=asked.audience,
            iat=int(issued_s),
            exp=expiry,
            jti=line.serial,
            task=asked.task or "",
        )
        token = self._jwt.sign(claims)
        return self._encode(m.JwtSvid(asked.spiffe_id, line.serial, issued_s, expiry, token))

    def issue_key(self, call: Call) -> bytes:
        """Hand out the identity's static key, a new one when there is none or it is to rotate."""
        line = call.line("issue")
        asked = self._read_key(call.body)
        terms = self._entries.entitled(call.bearer, asked.identity)
        line.identity, line.workload = asked.identity, terms.workload
        ttl_s = _shorter(asked.ttl_s, terms.max_ttl_s)
        key = self._documents.current_key(asked.identity, ttl_s, line.occurred_wall_s)
        if key is None or asked.rotate:
            serial = self._serials.next()
            expiry = _last_second(ttl_s, issued_wall_s(serial))
            key = self._documents.new_key(asked.identity, serial, ttl_s, expiry)
        line.serial, line.issued_wall_s = key.serial, issued_wall_s(int(key.serial, 16))
        text = self._documents.key_text(key)
        return self._encode(
            m.StaticKey(key.identity, key.serial, line.issued_wall_s, key.expires_wall_s, text)
        )

    # -- authorize --------------------------------------------------------------------------

    def _present(self, call: Call) -> Presented:
        if call.bearer:
            return self._documents.bearer(call.bearer)
        if call.tls_certificate:
            return self._connection(call)
        if call.client_cert:
            return self._documents.header(call.client_cert)
        raise unauthenticated("no-credential", "a bearer token or client certificate is needed")

    def _connection(self, call: Call) -> Presented:
        """Return the TLS client's own document, or the one that a known proxy passes on."""
        client = self._documents.connection(call.tls_certificate)
        if not call.client_cert or client.identity != self.proxy:
            return client
        if (refusal := self._documents.reject(client, time.time())) is not None:
            raise refusal
        return self._documents.header(call.client_cert)

    def _presented_scope(self, call: Call, line: Line) -> str:
        """Return the scope of the caller's own document and fill in whose it is."""
        document = self._present(call)
        line.identity, line.task = document.identity, document.task
        line.serial, line.issued_wall_s = document.serial, document.issued_wall_s
        scope = self._known_scope(line)
        if (refusal := self._documents.reject(document, line.occurred_wall_s)) is not None:
            raise refusal
        if scope is None:
            raise unauthenticated("not-registered", f"{document.identity}: not registered")
        return scope

    def _known_scope(self, line: Line) -> str | None:
        """Return the scope of a line's identity and task, None when it is not registered."""
        terms = self._entries.find(line.identity)
        if terms is None:
            return None
        line.workload = terms.workload
        return terms.task_scopes.get(line.task) if line.task else terms.scope

    def evaluate(self, call: Call) -> bytes:
        """Decide one AuthZEN evaluation for the document that the caller presents."""
        line = call.line("use")
        asked = self._read_evaluation(call.body)
        line.permission = f"{asked.resource.type}:{asked.action.name}"
        allowed = self._decide(call, [(line, asked)])[0]
        return self._encode(m.Decision(allowed))

    def _decide(self, call: Call, asked: list[tuple[Line, m.Evaluation]]) -> list[bool]:
        if self.is_admin(call):
            scopes = [self._subject_scope(line, question) for line, question in asked]
        else:
            first = asked[0][0]
            scopes = [self._presented_scope(call, first)] * len(asked)
            for line, question in asked:
                _same_document(line, first)
                if question.subject.id not in (first.identity, _spiffe_id(first)):
                    raise Refusal(403, "other-subject", f"subject.id: not {first.identity}")
        decisions = self._policy.decide(
            [
                Question(scope, line.permission, question.resource.id)
                for scope, (line, question) in zip(scopes, asked, strict=True)
            ]
        )
        for (line, _), allowed in zip(asked, decisions, strict=True):
            if not allowed:
                line.outcome, line.reason = "denied", "policy"
        return decisions

    def _subject_scope(self, line: Line, question: m.Evaluation) -> str:
        """Return the scope of a subject that an enforcement point vouches for.

        The administrator's token stands for a policy enforcement point that has authenticated
        the subject itself (AuthZEN 1.0 §2).
        """
        line.identity, line.task = split_task(question.subject.id)
        return self._known_scope(line) or ""

    def evaluate_many(self, call: Call) -> bytes:
        """Decide several AuthZEN evaluations, or one when the array is absent or empty."""
        asked = self._read_evaluations(call.body)
        parts = asked.evaluations or [m.PartialEvaluation()]
        pairs = []
        for part in parts:
            line = call.line("use")
            whole = _filled(part, asked)
            line.permission = f"{whole.resource.type}:{whole.action.name}"
            pairs.append((line, whole))
        decisions = self._decide(call, pairs)
        if not asked.evaluations:
            return self._encode(m.Decision(decisions[0]))
        semantic = (asked.options or m.EvaluationOptions()).evaluations_semantic
        stop = {"deny_on_first_deny": False, "permit_on_first_permit": True}.get(semantic)
        if stop in decisions:
            end = decisions.index(stop) + 1
            decisions, call.lines[end:] = decisions[:end], []
        return self._encode(m.Decisions([m.Decision(decision) for decision in decisions]))

    # -- what everybody may read ------------------------------------------------------------

    def healthz(self, call: Call) -> bytes:  # noqa: ARG002
        """Say that the service answers."""
        return b'{"status":"ok"}'

    def keys(self, call: Call) -> bytes:  # noqa: ARG002
        """Return the JWK set that verifies JWT-SVIDs (RFC 7517)."""
        return self._encode({"keys": [self._jwt.jwk | {"use": "sig"}]})

    def bundle(self, call: Call) -> bytes:  # noqa: ARG002
        """Return the trust bundle (SPIFFE Trust Domain and Bundle §4)."""
        root = base64.b64encode(self.authority.certificate.public_bytes(Encoding.DER)).decode()
        return self._encode(
            {
                "keys": [
                    self.authority.jwk | {"use": "x509-svid", "x5c": [root]},
                    self._jwt.jwk | {"use": "jwt-svid"},
                ],
                "spiffe_sequence": 1,
                "spiffe_refresh_hint": _BUNDLE_REFRESH_S,
            }
        )

    def authzen_configuration(self, call: Call) -> bytes:
        """Return the decision point's metadata (AuthZEN 1.0 §9)."""
        base = call.base_url
        return self._encode(
            {
                "policy_decision_point": base,
                "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
                "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
            }
        )

    def write_bundle(self, path: Path) -> None:
        """Write the root certificate in PEM, for TLS clients."""
        path.write_bytes(self.authority.certificate.public_bytes(Encoding.PEM))


def _shorter(asked_s: float | None, allowed_s: float | None) -> float | None:
    """Return the lifetime to grant, None without end."""
    return min((ttl for ttl in (asked_s, allowed_s) if ttl is not None), default=None)


def _last_second(ttl_s: float | None, issued_s: float) -> int | None:
    """Return the last valid second: never later than granted, less than a second sooner."""
    return None if ttl_s is None else math.floor(issued_s + ttl_s)


def _spiffe_id(line: Line) -> str:
    return f"{line.identity}{TASK_PATH}{line.task}" if line.task else line.identity


def _same_document(line: Line, first: Line) -> None:
    line.identity, line.workload, line.task = first.identity, first.workload, first.task
    line.serial, line.issued_wall_s = first.serial, first.issued_wall_s


def _filled(part: m.PartialEvaluation, defaults: m.Evaluations) -> m.Evaluation:
    values: dict[str, Any] = {}
    for name in ("subject", "action", "resource"):
        value = getattr(part, name) or getattr(defaults, name)
        if value is None:
            raise Refusal(400, "bad-request", f"body: {name} is needed, here or as a default")
        values[name] = value
    return m.Evaluation(**values, context=part.context or defaults.context)
