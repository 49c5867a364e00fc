"""JSON Web Keys for P-256 (RFC 7517, RFC 7518 §6.2) and their thumbprint (RFC 7638)."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec

COORDINATE = 32
"""octets of a P-256 coordinate, and of each half of an ES256 signature"""


def b64url(octets: bytes) -> bytes:
    """Return base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(octets).rstrip(b"=")


def unb64url(text: bytes) -> bytes:
    """Decode base64url strictly: one spelling for each value. Raises ValueError."""
    octets = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    if b64url(octets) != text:
        raise ValueError("not canonical base64url")
    return octets


def public_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, object]:
    """Return the public JWK of a P-256 key; ``kid`` is its thumbprint."""
    numbers = key.public_numbers()
    x = b64url(numbers.x.to_bytes(COORDINATE, "big")).decode()
    y = b64url(numbers.y.to_bytes(COORDINATE, "big")).decode()
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    kid = b64url(hashlib.sha256(canonical.encode()).digest()).decode()
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": "ES256"}
