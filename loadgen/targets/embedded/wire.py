"""What the generator says to the embedded service, and what it remembers of the answers."""

import base64
import time
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from loadgen.targets.agents import Agents, Turns
from loadgen.targets.decisions import decision, evaluation
from loadgen.targets.port import Op, Stolen, Wire

KEY_POOL = 512
_OK = 200


class Config(msgspec.Struct, frozen=True):
    """What ``Target.wire_plan`` sends."""

    host: str
    """value of the Host header"""
    node_token: str
    audience: str
    ttl_s: float | None
    task_scope: bool
    agents: Agents


class Issued(msgspec.Struct):
    """The part of an issue answer that matters here, for all three kinds."""

    serial: str
    issued_at: float
    expires_at: float | None
    x5c: list[str] = []
    token: str = ""
    key: str = ""


class Held(msgspec.Struct, frozen=True, gc=False):
    """A document that an agent holds."""

    serial: str
    issued_s: float
    expires_s: float | None
    header: bytes
    """the request header that presents it"""
    kind: str
    document: str


class EmbeddedWire:
    """Bytes for the embedded service; see ``port.Wire``.

    Keys and CSRs come from a pool: making one takes longer than sending it. A CSR names no
    identity, as SPIRE's need not: the registration decides. With shared secrets the holders of one
    name hold one document.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._turns = Turns(config.agents)
        self._slots: dict[str, int] = {}
        self._slot_of = [
            self._slots.setdefault(name, len(self._slots)) for name in config.agents.names
        ]
        self._held: dict[tuple[int, int], Held] = {}
        self._csrs: list[str] = []
        self._keys: dict[bytes, ec.EllipticCurvePrivateKey] = {}
        self._issues = 0
        self._decode = msgspec.json.Decoder(Issued).decode
        self._ttl = "" if config.ttl_s is None else f',"ttl_s":{config.ttl_s!r}'
        common = f"\r\nHost: {config.host}\r\nContent-Type: application/json\r\n"
        node = f"{common}Authorization: Bearer {config.node_token}\r\nContent-Length: "
        self._issue_head = {
            Op.ISSUE_X509: f"POST /v1/svid/x509 HTTP/1.1{node}",
            Op.ISSUE_JWT: f"POST /v1/svid/jwt HTTP/1.1{node}",
            Op.ISSUE_KEY: f"POST /v1/keys HTTP/1.1{node}",
        }
        self._use_head = f"POST /access/v1/evaluation HTTP/1.1{common}".encode()

    def prepare(self) -> None:
        """Build the pool of keys and CSRs (about 0.1 s)."""
        nobody = x509.Name([])
        for _ in range(min(KEY_POOL, 2 * len(self._slot_of))):
            key = ec.generate_private_key(ec.SECP256R1())
            builder = x509.CertificateSigningRequestBuilder().subject_name(nobody)
            csr = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
            self._keys[_public(key.public_key())] = key
            self._csrs.append(base64.b64encode(csr).decode())

    def _slot(self, agent: int, task: int) -> tuple[int, int]:
        return self._slot_of[agent], task if self._config.task_scope else 0

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return one whole HTTP/1.1 request."""
        if op is Op.AUTHORIZE:
            return self._use(agent, task)
        name = self._config.agents.names[agent]
        scope = ""
        if self._config.task_scope:
            scope = f',"task":"{self._config.agents.tasks(agent)[task][0]}"'
        if op is Op.ISSUE_X509:
            self._issues += 1
            csr = self._csrs[self._issues % len(self._csrs)]
            body = f'{{"spiffe_id":"{name}","csr":"{csr}"{scope}{self._ttl}}}'
        elif op is Op.ISSUE_JWT:
            audience = self._config.audience
            body = f'{{"spiffe_id":"{name}","audience":["{audience}"]{scope}{self._ttl}}}'
        elif op is Op.ISSUE_KEY:
            # a secret without end is fetched; one that ends is a lease, and each is a new one
            rotate = "" if self._config.ttl_s is None else ',"rotate":true'
            body = f'{{"identity":"{name}"{rotate}{self._ttl}}}'
        else:
            raise ValueError(f"{op}: not an operation of the load")
        return f"{self._issue_head[op]}{len(body)}\r\n\r\n{body}".encode()

    def _use(self, agent: int, task: int) -> bytes:
        permission = self._turns.next(agent, task).permission
        held = self._held.get(self._slot(agent, task))
        body = evaluation(self._config.agents.names[agent], permission)
        return b"%sContent-Length: %d\r\n%s\r\n%s" % (
            self._use_head,
            len(body),
            b"" if held is None else held.header,
            body,
        )

    def response(
        self, op: Op, agent: int, task: int, status: int, body: bytes, now_s: float
    ) -> str:
        """Take an answer into account and return its code; ``denied`` is a decision of no."""
        if status != _OK:
            return str(status)
        if op is Op.AUTHORIZE:
            return decision(body)
        try:
            issued = self._decode(body)
        except msgspec.DecodeError:
            return "protocol"
        to_run_s = now_s - time.time()
        slot = self._slot(agent, task)
        before = self._held.get(slot)
        if before is None or before.serial < issued.serial:  # answers may overtake each other
            self._held[slot] = _held(op, issued, to_run_s)
        return "ok"

    def steal(self, agent: int, task: int) -> Stolen | None:
        """Return a copy of what the agent holds, with its private key where it has one."""
        held = self._held.get(self._slot(agent, task))
        if held is None:
            return None
        name = self._config.agents.names[agent]
        secret = {"kind": held.kind, "identity": name, "document": held.document}
        if held.kind == "x509":
            secret["private_key"] = self._private_key(held.document)
        scope = self._config.agents.tasks(agent)[task][0] if self._config.task_scope else ""
        return Stolen(agent, scope, held.serial, held.issued_s, held.expires_s, secret)

    def _private_key(self, document: str) -> str:
        """Return the PEM of the pool's key that a certificate was issued for."""
        key = x509.load_der_x509_certificate(base64.b64decode(document)).public_key()
        private = self._keys[_public(key)]
        return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def presented(kind: str, document: str) -> tuple[str, str]:
    """Return name and value of the header that presents a document (RFC 6750, RFC 9440)."""
    if kind == "x509":
        return "Client-Cert", f":{document}:"
    return "Authorization", f"Bearer {document}"


def _held(op: Op, issued: Issued, to_run_s: float) -> Held:
    if op is Op.ISSUE_X509:
        kind, document = "x509", issued.x5c[0] if issued.x5c else ""
    elif op is Op.ISSUE_JWT:
        kind, document = "jwt", issued.token
    else:
        kind, document = "key", issued.key
    name, value = presented(kind, document)
    return Held(
        issued.serial,
        issued.issued_at + to_run_s,
        None if issued.expires_at is None else issued.expires_at + to_run_s,
        f"{name}: {value}\r\n".encode(),
        kind,
        document,
    )


def wire(config: dict[str, Any]) -> Wire:
    """Return the wire of a plan."""
    return EmbeddedWire(msgspec.convert(config, Config))
