"""What the generator says to SPIRE's admin socket, and what it remembers of the answers."""

import hashlib
import time
from typing import Any

import msgspec
from cryptography import x509
from google.protobuf.message import DecodeError

from loadgen.http2 import Http2Error, header_block, messages, pack
from loadgen.targets.agents import Agents
from loadgen.targets.port import Op, Stolen, Wire
from loadgen.targets.spire.call import MINT_JWT, MINT_X509, code_name
from loadgen.targets.spire.credentials import csr, key_pem, new_key, pem
from loadgen.targets.spire.proto import spire_api_pb2 as api


class Config(msgspec.Struct, frozen=True):
    """What ``Target.wire_plan`` sends."""

    trust_domain: str
    audience: str
    ttl_s: int
    """0: SPIRE's default"""
    task_scope: bool
    agents: Agents


class Held(msgspec.Struct, frozen=True, gc=False):
    """A document that an agent holds; times on the generator's clock."""

    chain: tuple[bytes, ...]
    token: str
    issued_s: float
    expires_s: float
    expires_at: int
    """Unix time, as SPIRE said it: two of one second compare equal"""


class SpireWire:
    """Bytes for MintX509SVID and MintJWTSVID; see ``port.Wire``.

    The SPIFFE ID of a minted X.509-SVID stands in the request, so each identity has a request of
    its own, built once. All of them are made for a handful of keys: making one takes longer than
    sending the request, and SPIRE's work does not depend on it. Uses never come here.
    """

    KEYS = 16

    def __init__(self, config: Config) -> None:
        self._config = config
        self._keys = [new_key() for _ in range(self.KEYS)]
        self._held: dict[tuple[int, int], Held] = {}
        self._x509: dict[tuple[int, int], bytes] = {}
        self._jwt: dict[tuple[int, int], bytes] = {}
        self._x509_headers = header_block(MINT_X509, "http")
        self._jwt_headers = header_block(MINT_JWT, "http")

    def prepare(self) -> None:
        """Build every request (about 0.2 ms for each identity)."""
        for agent in range(len(self._config.agents.names)):
            tasks = self._config.agents.tasks(agent) if self._config.task_scope else [("", [])]
            for slot in range(len(tasks)):
                self._build(agent, slot)

    def _build(self, agent: int, slot: int) -> None:
        config = self._config
        name = spiffe_id(config, agent, slot)
        request = csr(self._key(agent), name)
        mint = api.MintX509SvidRequest(csr=request, ttl=config.ttl_s)
        self._x509[agent, slot] = pack(self._x509_headers, mint.SerializeToString())
        path = name.removeprefix(f"spiffe://{config.trust_domain}")
        identity = api.SpiffeId(trust_domain=config.trust_domain, path=path)
        token = api.MintJwtSvidRequest(id=identity, audience=[config.audience], ttl=config.ttl_s)
        self._jwt[agent, slot] = pack(self._jwt_headers, token.SerializeToString())

    def _key(self, agent: int) -> Any:  # noqa: ANN401  (an EllipticCurvePrivateKey)
        return self._keys[agent % self.KEYS]

    def _slot(self, agent: int, task: int) -> tuple[int, int]:
        return agent, task if self._config.task_scope else 0

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return one whole request, as ``http2.pack`` makes it."""
        if op is Op.ISSUE_X509:
            return self._x509[self._slot(agent, task)]
        if op is Op.ISSUE_JWT:
            return self._jwt[self._slot(agent, task)]
        raise ValueError(f"{op}: SPIRE's server has no such operation")

    def response(
        self, op: Op, agent: int, task: int, status: int, body: bytes, now_s: float
    ) -> str:
        """Take an answer into account and return its code: ``ok`` or the gRPC status' name."""
        if status != 0:
            return code_name(status)
        try:
            (answer,) = messages(body)
            held = _held(op, answer, now_s)
        except (Http2Error, ValueError, DecodeError):
            return "protocol"
        slot = self._slot(agent, task)
        before = self._held.get(slot)
        if (
            before is None or before.expires_at <= held.expires_at
        ):  # answers may overtake each other
            self._held[slot] = held
        return "ok"

    def steal(self, agent: int, task: int) -> Stolen | None:
        """Return a copy of what the agent holds, with its private key where it has one."""
        slot = self._slot(agent, task)
        held = self._held.get(slot)
        if held is None:
            return None
        scope = self._config.agents.tasks(agent)[task][0] if self._config.task_scope else ""
        secret = {"identity": self._config.agents.names[agent]}
        if held.token:
            # SPIRE's JWT-SVIDs carry no jti unless an entry asks for it: a digest tells them apart
            serial = hashlib.sha256(held.token.encode()).hexdigest()[:32]
            secret |= {"kind": "jwt", "token": held.token}
        else:
            serial = str(x509.load_der_x509_certificate(held.chain[0]).serial_number)
            text = key_pem(self._key(agent)) + b"".join(pem(der) for der in held.chain)
            secret |= {"kind": "x509", "pem": text.decode()}
        return Stolen(agent, scope, serial, held.issued_s, held.expires_s, secret)


def spiffe_id(config: Config, agent: int, slot: int) -> str:
    """Return the SPIFFE ID of an agent's document: for one task it ends with the task's name."""
    name = config.agents.names[agent]
    return f"{name}/{config.agents.tasks(agent)[slot][0]}" if config.task_scope else name


def _held(op: Op, answer: bytes, now_s: float) -> Held:
    """Read an answer. It carries whole seconds; the instant of issue is that of the answer."""
    to_run_s = now_s - time.time()
    if op is Op.ISSUE_X509:
        svid = api.MintX509SvidResponse.FromString(answer).svid
        if not svid.cert_chain:
            raise ValueError("no certificate")
        return Held(tuple(svid.cert_chain), "", now_s, svid.expires_at + to_run_s, svid.expires_at)
    token = api.MintJwtSvidResponse.FromString(answer).svid
    if not token.token:
        raise ValueError("no token")
    return Held((), token.token, now_s, token.expires_at + to_run_s, token.expires_at)


def wire(config: dict[str, Any]) -> Wire:
    """Return the wire of a plan."""
    return SpireWire(msgspec.convert(config, Config))
