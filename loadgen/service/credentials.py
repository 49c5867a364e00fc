"""What a caller presents, verified: bearer JWT-SVID, bearer static key, or X.509-SVID.

A certificate comes from the TLS layer, which has checked that the caller holds its key, or in the
``Client-Cert`` header of a TLS-terminating proxy (RFC 9440 §2.2), in which case the proxy has. The
plain port, on loopback, trusts every caller to be such a proxy; the TLS port only one identity.
"""

import base64
import binascii
import hmac
import secrets
import time
from dataclasses import dataclass

from loadgen.service.authority import NO_END, Authority, Leaf
from loadgen.service.entries import split_task
from loadgen.service.faults import Refusal, unauthenticated
from loadgen.service.jwk import b64url
from loadgen.service.jwt_svid import JwtAuthority
from loadgen.service.serials import issued_wall_s, serial_text

KEY_PREFIX = "midas-key-"
_SERIAL_DIGITS = 16
_MAX_CERTIFICATE = 16_384


@dataclass(slots=True)
class Presented:
    """A document that is genuine; whether it is still good is ``Documents.reject``'s to say."""

    identity: str
    task: str
    serial: str
    issued_wall_s: float
    expires_wall_s: float | None
    audience: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A static key; its text is derived, so nothing here opens anything."""

    identity: str
    serial: str
    ttl_s: float | None
    expires_wall_s: float | None


def _presented(key: Key) -> Presented:
    issued = issued_wall_s(int(key.serial, 16))
    return Presented(key.identity, "", key.serial, issued, key.expires_wall_s)


def _certificate(leaf: Leaf) -> Presented:
    identity, task = split_task(leaf.spiffe_id)
    expires = None if leaf.not_after_s == NO_END else float(leaf.not_after_s)
    return Presented(identity, task, serial_text(leaf.serial), issued_wall_s(leaf.serial), expires)


class Documents:
    """Verifies documents and holds the deny list and the static keys."""

    def __init__(self, authority: Authority, jwt: JwtAuthority, audience: str) -> None:
        self._authority = authority
        self._jwt = jwt
        self._audience = audience
        self._keys: dict[str, Key] = {}
        self._current: dict[str, Key] = {}
        self._secret = secrets.token_bytes(32)
        self._denied: set[str] = set()
        self._denied_until: dict[str, float] = {}

    def current_key(self, identity: str, ttl_s: float | None, now_s: float) -> Key | None:
        """Return the identity's good static key of this lifetime, None without one."""
        key = self._current.get(identity)
        if key is None or key.ttl_s != ttl_s or self.reject(_presented(key), now_s) is not None:
            return None
        return key

    def new_key(
        self, identity: str, serial: int, ttl_s: float | None, expires_wall_s: float | None
    ) -> Key:
        """Make a static key; earlier ones of the identity stay good."""
        key = Key(identity, serial_text(serial), ttl_s, expires_wall_s)
        self._keys[key.serial] = self._current[identity] = key
        return key

    def key_text(self, key: Key) -> str:
        """Return what its holder presents."""
        digest = hmac.digest(self._secret, f"{key.serial} {key.identity}".encode(), "sha256")
        return f"{KEY_PREFIX}{key.serial}-{b64url(digest).decode()}"

    def key_identity(self, serial: str) -> str | None:
        """Return whose static key has this serial, None when it is not a key of ours."""
        key = self._keys.get(serial)
        return None if key is None else key.identity

    def revoke(self, identity: str | None, serial: str | None) -> None:
        """Refuse one document, or all of an identity that were issued until now."""
        if serial is not None:
            self._denied.add(serial)
        elif identity is not None:
            self._denied_until[identity] = time.time()

    def bearer(self, token: str) -> Presented:
        """Return the document of a bearer token. Raises Refusal 401 when it is not genuine."""
        if token.startswith(KEY_PREFIX):
            return self._static_key(token)
        claims = self._jwt.verify(token)
        serial = int(claims.jti, 16)
        return Presented(
            claims.sub, claims.task, claims.jti, issued_wall_s(serial), claims.exp, claims.aud
        )

    def _static_key(self, token: str) -> Presented:
        start = len(KEY_PREFIX)
        serial = token[start : start + _SERIAL_DIGITS]
        key = self._keys.get(serial)
        if key is None or not hmac.compare_digest(self.key_text(key).encode(), token.encode()):
            raise unauthenticated("bad-key", "static key: unknown")
        return _presented(key)

    def header(self, client_cert: str) -> Presented:
        """Return the document of a ``Client-Cert`` header: ``:base64 DER:`` (RFC 8941 §3.3.5)."""
        text = client_cert.strip()
        if len(text) > _MAX_CERTIFICATE or len(text) < 2 or text[0] != ":" or text[-1] != ":":
            raise Refusal(400, "bad-client-cert", "Client-Cert: not :base64 DER: (RFC 9440)")
        try:
            der = base64.b64decode(text[1:-1], validate=True)
        except binascii.Error as exc:
            raise Refusal(400, "bad-client-cert", "Client-Cert: not base64") from exc
        return _certificate(self._authority.verify(der))

    def connection(self, der: bytes) -> Presented:
        """Return the document of the TLS client, whose chain and key the handshake has checked."""
        return _certificate(self._authority.read(der))

    def reject(self, document: Presented, now_s: float) -> Refusal | None:
        """Return why a genuine document is no longer good, None when it is."""
        if document.expires_wall_s is not None and now_s > document.expires_wall_s:
            return unauthenticated("expired", f"{document.serial}: expired")
        if document.serial in self._denied or (
            self._denied_until
            and document.issued_wall_s <= self._denied_until.get(document.identity, 0.0)
        ):
            return unauthenticated("revoked", f"{document.serial}: revoked")
        if document.audience is not None and self._audience not in document.audience:
            return unauthenticated("wrong-audience", f"token: not meant for {self._audience}")
        return None
