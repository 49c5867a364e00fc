"""What the generator says to OpenBao.

A document is used in one request: *inline authentication* (OpenBao's RFC of that name) logs in with
it and reads the KV v2 secret that stands for the permission, under ACL. A static key is a token and
reads it directly.
"""

import base64
import json
import ssl
import time
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from loadgen.targets.agents import Agents, Turns
from loadgen.targets.openbao.realm import epoch_s, fingerprint, key_path, resource, role_name
from loadgen.targets.port import Op, Stolen, Wire

KEY_POOL = 512
_OK, _FORBIDDEN = 200, 403
_DENIED = b"1 error occurred"
"""A policy's no is "1 error occurred: permission denied"; a dead token's only the latter half."""


class Config(msgspec.Struct, frozen=True):
    """What ``Target.wire_plan`` sends."""

    host: str
    generation: int
    tokens: dict[str, str]
    """identity → the token with which it asks for documents"""
    ttl_s: float | None
    task_scope: bool
    agents: Agents


class Held(msgspec.Struct, frozen=True, gc=False):
    """A document that an agent holds; ``headers`` present it."""

    kind: str
    serial: str
    issued_s: float
    expires_s: float | None
    headers: dict[str, str]
    lines: bytes
    """``headers`` as they stand in a request"""
    document: str


class _Lease(msgspec.Struct):
    client_token: str
    accessor: str
    lease_duration: int


class _Answer(msgspec.Struct):
    data: dict[str, Any] | None = None
    auth: _Lease | None = None


class OpenBaoWire:
    """Bytes for OpenBao; see ``port.Wire``."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._turns = Turns(config.agents)
        self._held: dict[tuple[str, int], Held] = {}
        self._csrs: list[str] = []
        self._keys: dict[bytes, ec.EllipticCurvePrivateKey] = {}
        self._issues = 0
        self._decode = msgspec.json.Decoder(_Answer).decode
        self._ttl = "" if config.ttl_s is None else f',"ttl":"{config.ttl_s:.0f}s"'

    def prepare(self) -> None:
        """Build the pool of keys and CSRs (about 0.1 s)."""
        for _ in range(min(KEY_POOL, 2 * len(self._config.agents.names))):
            key = ec.generate_private_key(ec.SECP256R1())
            builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
            self._csrs.append(json.dumps(pem))
            self._keys[_point(key.public_key())] = key

    def _slot(self, agent: int, task: int) -> tuple[str, int]:
        return self._config.agents.names[agent], task if self._config.task_scope else 0

    def _task(self, agent: int, task: int) -> str:
        return self._config.agents.tasks(agent)[task][0] if self._config.task_scope else ""

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return one whole HTTP/1.1 request."""
        if op is Op.AUTHORIZE:
            permission = self._turns.next(agent, task).permission
            held = self._held.get(self._slot(agent, task))
            lines = b"" if held is None else held.lines
            return b"%s%s\r\n" % (self._head("GET", resource(permission)), lines)
        name, scope = self._config.agents.names[agent], self._task(agent, task)
        token = f"X-Vault-Token: {self._config.tokens[name]}\r\n".encode()
        generation = self._config.generation
        if op is Op.ISSUE_X509:
            body = self._sign(name, scope).encode()
            head = self._head("POST", f"pki/sign/m{generation}")
            return b"%s%sContent-Length: %d\r\n\r\n%s" % (head, token, len(body), body)
        if op is Op.ISSUE_JWT:
            role = f"m{generation}.{scope}" if scope else f"m{generation}"
            return b"%s%s\r\n" % (self._head("GET", f"identity/oidc/token/{role}"), token)
        if op is Op.ISSUE_KEY:
            if self._config.ttl_s is None:
                return b"%s%s\r\n" % (self._head("GET", key_path(name)), token)
            role, body = self._role(agent, ""), self._lease(agent).encode()
            head = self._head("POST", f"auth/token/create/{role}")
            return b"%s%sContent-Length: %d\r\n\r\n%s" % (head, token, len(body), body)
        raise ValueError(f"{op}: not an operation of the load")

    def _role(self, agent: int, task: str) -> str:
        workload = self._config.agents.workloads[self._config.agents.kinds[agent]]
        return role_name(self._config.generation, workload, task)

    def _lease(self, agent: int) -> str:
        """Return the body that asks for a token that ends: a new one each time."""
        table = self._config.agents
        name, workload = table.names[agent], table.workloads[table.kinds[agent]]
        meta = f'{{"identity":"{name}","workload":"{workload}"}}'
        return f'{{"policies":["{self._role(agent, "")}"],"meta":{meta}{self._ttl}}}'

    def _head(self, method: str, path: str) -> bytes:
        return f"{method} /v1/{path} HTTP/1.1\r\nHost: {self._config.host}\r\n".encode()

    def _sign(self, name: str, task: str) -> str:
        self._issues += 1
        csr = self._csrs[self._issues % len(self._csrs)]
        uri = f"{name}/task/{task}" if task else name
        return f'{{"csr":{csr},"common_name":"{common_name(name)}","uri_sans":"{uri}"{self._ttl}}}'

    def response(
        self, op: Op, agent: int, task: int, status: int, body: bytes, now_s: float
    ) -> str:
        """Take an answer into account and return its code; ``denied`` is a policy's no."""
        if status != _OK:
            return answer_code(status, body)
        if op is Op.AUTHORIZE:
            return "ok" if body.startswith(b"{") else "protocol"
        try:
            held = self._hold(op, agent, task, self._decode(body), now_s)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return "protocol"
        slot = self._slot(agent, task)
        before = self._held.get(slot)
        if before is None or before.issued_s <= held.issued_s:
            self._held[slot] = held
        return "ok"

    def _hold(self, op: Op, agent: int, task: int, answer: "_Answer", now_s: float) -> Held:
        to_run_s = now_s - time.time()
        role = self._role(agent, self._task(agent, task))
        if op is Op.ISSUE_KEY and answer.auth is not None:
            lease = answer.auth
            headers = {"X-Vault-Token": lease.client_token}
            ends_s = now_s + lease.lease_duration
            return _held("key", lease.accessor, now_s, ends_s, headers, lease.client_token)
        data = answer.data or {}
        if op is Op.ISSUE_KEY:
            secret = data["data"]
            made_s = epoch_s(data["metadata"]["created_time"]) + to_run_s
            expires_s = None if secret["ttl_s"] is None else made_s + secret["ttl_s"]
            headers = {"X-Vault-Token": secret["key"]}
            return _held("key", secret["serial"], made_s, expires_s, headers, secret["key"])
        if op is Op.ISSUE_X509:
            document = base64.b64encode(ssl.PEM_cert_to_DER_cert(data["certificate"])).decode()
            serial = data["serial_number"].replace(":", "")
            headers = inline("auth/cert/login", name=role) | client_cert(document)
            expires_s = data["expiration"] + to_run_s
            return _held("x509", serial, now_s, expires_s, headers, document)
        document = data["token"]
        payload = document.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        headers = inline("auth/jwt/login", role=role, jwt=document)
        expires_s = claims["exp"] + to_run_s
        return _held("jwt", fingerprint(document), now_s, expires_s, headers, document)

    def steal(self, agent: int, task: int) -> Stolen | None:
        """Return a copy of what the agent holds, with its private key where it has one."""
        held = self._held.get(self._slot(agent, task))
        if held is None:
            return None
        secret = {"kind": held.kind, "document": held.document, **held.headers}
        if held.kind == "x509":
            certificate = x509.load_der_x509_certificate(base64.b64decode(held.document))
            public = certificate.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101  (our role's only kind)
            key = self._keys[_point(public)]
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            secret["private_key"] = pem.decode()
        scope = self._task(agent, task)
        return Stolen(agent, scope, held.serial, held.issued_s, held.expires_s, secret)


def _held(
    kind: str,
    serial: str,
    issued_s: float,
    expires_s: float | None,
    headers: dict[str, str],
    document: str,
) -> Held:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    return Held(kind, serial, issued_s, expires_s, headers, lines, document)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def common_name(identity: str) -> str:
    """Return the path of a SPIFFE ID: certificate login names entities by common name."""
    return identity.partition("://")[2].partition("/")[2]


def inline(path: str, **parameters: str) -> dict[str, str]:
    """Return the headers that log in with one request (parameters as base64url JSON)."""
    headers = {"X-Vault-Inline-Auth-Path": path, "X-Vault-Inline-Auth-Operation": "update"}
    for name, value in parameters.items():
        text = json.dumps({"key": name, "value": value}).encode()
        encoded = base64.urlsafe_b64encode(text).decode().rstrip("=")
        headers[f"X-Vault-Inline-Auth-Parameter-{name}"] = encoded
    return headers


def client_cert(document: str, origin: str = "127.0.0.1") -> dict[str, str]:
    """Return the headers of a TLS-terminating proxy (RFC 9440), the client's address among them."""
    return {"Client-Cert": f":{document}:", "X-Forwarded-For": origin}


def answer_code(status: int, body: bytes) -> str:
    """Return ``denied`` for a good credential that policy refuses, otherwise the status."""
    return "denied" if status == _FORBIDDEN and _DENIED in body else str(status)


def wire(config: dict[str, Any]) -> Wire:
    """Return the wire of a plan."""
    return OpenBaoWire(msgspec.convert(config, Config))
