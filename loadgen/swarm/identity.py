"""An agent's own document: how it is attested, renewed and lost. In memory only, key included."""

import os
import ssl
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec

from loadgen.http2 import messages
from loadgen.swarm.protocol import ATTEST_OP
from loadgen.swarm.requests import attest_body, challenge_body, renew_agent_body
from loadgen.targets.spire.credentials import Svid, client_context, new_key, x509pop_response
from loadgen.targets.spire.proto import spire_api_pb2 as api

if TYPE_CHECKING:
    from loadgen.swarm.swarm import Swarm

_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Node:
    """What an agent is born with."""

    token: str
    """join_token"""
    certificate: bytes
    key: ec.EllipticCurvePrivateKey | None
    """x509pop"""


class Identity:
    """What one agent is.

    Args:
        swarm: the world it lives in.
        node: what it attests with.

    Attributes:
        held: whether it has a document of its own, expired or not.
        expires_at: Unix time.
        lifetime_s: of the document, the seconds by which it is backdated included.
    """

    __slots__ = ("_fresh_key", "_node", "_own", "_signer", "_swarm", "expires_at", "lifetime_s")

    def __init__(self, swarm: "Swarm", node: Node) -> None:
        self._swarm, self._node = swarm, node
        self._fresh_key: ec.EllipticCurvePrivateKey | None = new_key()
        self._own: tuple[tuple[bytes, ...], ec.EllipticCurvePrivateKey] | None = None
        self._signer = 0
        self.expires_at = 0.0
        self.lifetime_s = inf

    @property
    def held(self) -> bool:
        """Whether it has a document of its own, expired or not."""
        return self._own is not None

    @property
    def tainted(self) -> bool:
        """Whether a tainted authority signed it."""
        return self._signer in self._swarm.authority.tainted

    def good(self, wall_s: float) -> bool:
        """Return whether it has one that is valid now."""
        return self._own is not None and self.expires_at > wall_s

    def lose(self) -> None:
        """Have none any more."""
        self._own = None

    def svid(self) -> Svid | None:
        """Return a copy for a thief; None when there is none.

        Raises:
            TargetProtocol: what the server issued is no X.509-SVID.
        """
        return None if self._own is None else Svid.of(*self._own)

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings for a connection: as nobody, or with the document."""
        authority = self._swarm.authority
        if self._own is None:
            return authority.anonymous
        svid = Svid("", self._own[0], self._own[1], 0.0, 0.0, "")
        return client_context(authority.certificates, svid)

    def attestation(self) -> tuple[bytes, bool]:
        """Return the first message of an attestation, and whether it is also the last."""
        node, attestor = self._node, self._swarm.plan.attestor
        body = attest_body(attestor, node.token, node.certificate, self._key())
        return body, attestor != "x509pop"

    def renewal(self) -> bytes:
        """Return the request for its next document."""
        return renew_agent_body(self._key())

    def _key(self) -> ec.EllipticCurvePrivateKey:
        if self._fresh_key is None:
            self._fresh_key = new_key()
        return self._fresh_key

    def response(self, body: bytes) -> bytes:
        """Return the answer to the attestor's challenge.

        Raises:
            TargetProtocol, Http2Error, DecodeError: it is none that the node's key can answer.
        """
        (one,) = messages(body)
        challenge = api.AttestAgentResponse.FromString(one).challenge
        if self._node.key is None:
            return b""
        return challenge_body(x509pop_response(challenge, self._node.key, os.urandom(_NONCE_BYTES)))

    def take(self, op: str, body: bytes) -> None:
        """Hold what the server issued, by attestation or renewal.

        Raises:
            Http2Error, DecodeError, IndexError: it issued nothing.
        """
        (one,) = messages(body)
        if op == ATTEST_OP:
            svid = api.AttestAgentResponse.FromString(one).result.svid
        else:
            svid = api.RenewAgentResponse.FromString(one).svid
        swarm = self._swarm
        self._signer = swarm.authority.signer_of(svid.cert_chain[0])
        self._own = tuple(svid.cert_chain), self._key()
        self._fresh_key = None
        self.expires_at = float(svid.expires_at)
        self.lifetime_s = self.expires_at - swarm.wall_s() + swarm.plan.backdate_s
