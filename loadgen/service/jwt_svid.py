"""JWT-SVIDs: compact JWS with ES256 (RFC 7515, RFC 7518 §3.4, SPIFFE JWT-SVID §3).

The library ``joserfc`` signs 2.4 times slower; the two formats here are fixed, so the header is
compared instead of parsed. ``tests/unit/test_jwt_svid.py`` holds both against joserfc.
"""

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from loadgen.service.authority import ECDSA
from loadgen.service.faults import unauthenticated
from loadgen.service.jwk import COORDINATE, b64url, public_jwk, unb64url

_MAX_TOKEN = 8192


class Claims(msgspec.Struct, omit_defaults=True):
    """The claims that a JWT-SVID of this service carries."""

    iss: str
    sub: str
    aud: list[str]
    iat: int
    exp: int
    jti: str
    task: str = ""
    """private claim: the one task whose permissions the document opens"""


def _dss(raw: bytes) -> bytes:
    """Return an ES256 signature (r and s, RFC 7518 §3.4) as X.509 writes it."""
    if len(raw) != 2 * COORDINATE:
        raise ValueError("signature of another length")
    r, s = raw[:COORDINATE], raw[COORDINATE:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


class JwtAuthority:
    """Signs and verifies the JWT-SVIDs of one trust domain with a key of its own."""

    def __init__(self, trust_domain: str) -> None:
        self.issuer = f"spiffe://{trust_domain}"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key()
        self.jwk = public_jwk(self._public)
        header = {"alg": "ES256", "kid": self.jwk["kid"], "typ": "JWT"}
        self._header = b64url(msgspec.json.encode(header))
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Claims).decode

    def sign(self, claims: Claims) -> str:
        """Return the token in compact serialisation."""
        signed = self._header + b"." + b64url(self._encode(claims))
        r, s = decode_dss_signature(self._key.sign(signed, ECDSA))
        raw = r.to_bytes(COORDINATE, "big") + s.to_bytes(COORDINATE, "big")
        return (signed + b"." + b64url(raw)).decode()

    def verify(self, token: str) -> Claims:
        """Return the claims of a token that this authority signed.

        Expiry, audience and revocation are the caller's: he wants to log whose document it was.
        Raises Refusal 401.
        """
        if len(token) > _MAX_TOKEN:
            raise unauthenticated("bad-token", f"token: longer than {_MAX_TOKEN} characters")
        try:
            signed, _, signature = token.encode("ascii").rpartition(b".")
            header, _, payload = signed.partition(b".")
            if header != self._header:
                raise unauthenticated("bad-token", f"token: not signed by {self.issuer}")
            self._public.verify(_dss(unb64url(signature)), signed, ECDSA)
            return self._decode(unb64url(payload))
        except (ValueError, InvalidSignature) as exc:  # binascii, Unicode and msgspec errors too
            raise unauthenticated("bad-token", f"token: not signed by {self.issuer}") from exc
