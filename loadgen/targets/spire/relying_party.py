"""A workload that accepts SVIDs: where a thief goes with what he took.

SPIRE has no part in it and no line about it. X.509-SVIDs are proven in a whole TLS handshake, held
between two memory buffers: the document must chain to the trust bundle and be valid now, and the
thief must hold its key (X509-SVID §5). JWT-SVIDs are checked as JWT-SVID §3 and §4 say. A SPIFFE ID
opens what its registration says, nothing more: an SVID carries identity only.
"""

import contextlib
import ssl
from collections.abc import Mapping

from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, KeySet

from loadgen.targets.spire.credentials import Svid, client_context, load_pem, load_svid, peer_id
from loadgen.targets.spire.proto import spire_api_pb2 as api

AUDIENCE = "spiffe://midas/relying-party"
OK, DENIED, EXPIRED, UNTRUSTED = "ok", "denied", "expired", "untrusted"
_ROUNDS = 10


class RelyingParty:
    """Accepts or refuses documents of one trust domain.

    Args:
        bundle: the trust bundle.
        own: the X.509-SVID that it serves with.
    """

    def __init__(self, bundle: api.Bundle, own: Svid) -> None:
        self._authorities = [authority.asn1 for authority in bundle.x509_authorities]
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.verify_mode = ssl.CERT_REQUIRED
        pems = [ssl.DER_cert_to_PEM_cert(der) for der in self._authorities]
        self._server.load_verify_locations(cadata="".join(pems))
        load_svid(self._server, own)
        self._jwt_keys = KeySet([_public(key) for key in bundle.jwt_authorities])

    def accepts_x509(self, pem: str, permission: str, opens: Mapping[str, frozenset[str]]) -> str:
        """Shake hands with whoever holds a certificate and its key (PEM), and decide.

        Args:
            pem: key and certificates in one text.
            permission: what he wishes.
            opens: SPIFFE ID → permissions.
        """
        client = client_context(self._authorities, None)
        load_pem(client, pem.encode("ascii"))
        spiffe_id, refused = _handshake(self._server, client)
        return refused or _decide(spiffe_id, permission, opens)

    def accepts_jwt(self, token: str, permission: str, opens: Mapping[str, frozenset[str]]) -> str:
        """Check a token (signature, audience, expiry) and decide about its bearer's wish."""
        registry = jwt.JWTClaimsRegistry(
            sub={"essential": True},
            exp={"essential": True},
            aud={"essential": True, "value": AUDIENCE},
        )
        try:
            claims = jwt.decode(token, self._jwt_keys, algorithms=["ES256"]).claims
            registry.validate(claims)
        except ExpiredTokenError:
            return EXPIRED
        except (JoseError, ValueError):
            return UNTRUSTED
        return _decide(str(claims["sub"]), permission, opens)


def _decide(spiffe_id: str, permission: str, opens: Mapping[str, frozenset[str]]) -> str:
    return OK if permission in opens.get(spiffe_id, frozenset()) else DENIED


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, str]:
    """Let two contexts shake hands in memory; return the client's SPIFFE ID, or why it was refused.

    Under TLS 1.3 the client is done before the server has judged its certificate, so it is the
    server's side that counts.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(to_client, to_server)
    serves = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_ROUNDS):
        try:
            with contextlib.suppress(ssl.SSLWantReadError):
                asks.do_handshake()
            serves.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return "", EXPIRED if "expired" in error.verify_message else UNTRUSTED
        except ssl.SSLError:
            return "", UNTRUSTED
        return peer_id(serves), ""
    return "", UNTRUSTED


def _public(key: api.JwtKey) -> ECKey:
    """Return a key of the bundle; SPIRE signs with P-256 unless told otherwise."""
    found = serialization.load_der_public_key(key.public_key)
    text = found.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return ECKey.import_key(text, {"kid": key.key_id})
