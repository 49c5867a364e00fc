"""Our JWT-SVIDs are what joserfc reads, and what joserfc signs is what we read."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from loadgen.service.faults import Refusal
from loadgen.service.jwk import b64url
from loadgen.service.jwt_svid import Claims, JwtAuthority

AUTHORITY = JwtAuthority("example.org")
NOW = int(time.time())
CLAIMS = Claims(
    "spiffe://example.org", "spiffe://example.org/a/1", ["midas"], NOW, NOW + 3600, "ab"
)


def test_joserfc_reads_what_we_sign() -> None:
    key = ECKey.import_key(dict(AUTHORITY.jwk))
    token = jwt.decode(AUTHORITY.sign(CLAIMS), key, algorithms=["ES256"])
    assert token.header == {"alg": "ES256", "kid": AUTHORITY.jwk["kid"], "typ": "JWT"}
    assert token.claims == {
        "iss": "spiffe://example.org",
        "sub": "spiffe://example.org/a/1",
        "aud": ["midas"],
        "iat": NOW,
        "exp": NOW + 3600,
        "jti": "ab",
    }
    jwt.JWTClaimsRegistry(aud={"essential": True, "value": "midas"}).validate(token.claims)


def test_the_key_id_is_the_thumbprint() -> None:
    key = ECKey.import_key({name: AUTHORITY.jwk[name] for name in ("kty", "crv", "x", "y")})
    assert key.thumbprint() == AUTHORITY.jwk["kid"]


@given(task=st.sampled_from(["", "night"]), audience=st.lists(st.text(max_size=20), max_size=4))
@settings(max_examples=30, deadline=None)
def test_what_is_signed_is_read_back(task: str, audience: list[str]) -> None:
    claims = Claims("i", "s", audience, NOW, NOW + 1, "j", task)
    assert AUTHORITY.verify(AUTHORITY.sign(claims)) == claims


def _forge(header: bytes, token: str) -> str:
    _, payload, signature = token.split(".")
    return f"{b64url(header).decode()}.{payload}.{signature}"


def _variants() -> dict[str, str]:
    token = AUTHORITY.sign(CLAIMS)
    header, payload, signature = token.split(".")
    kid = AUTHORITY.jwk["kid"]
    return {
        "another authority": JwtAuthority("example.org").sign(CLAIMS),
        "alg none": _forge(b'{"alg":"none","typ":"JWT"}', token),
        "alg HS256": _forge(f'{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}'.encode(), token),
        "no signature": f"{header}.{payload}.",
        "zero signature": f"{header}.{payload}.{b64url(bytes(64)).decode()}",
        "short signature": f"{header}.{payload}.{signature[:-4]}",
        "padded": token + "==",
        "another payload": f"{header}.{payload[:-2]}AA.{signature}",
        "four parts": token + ".x",
        "empty": "",
        "dots": "..",
        "not ASCII": "é.é.é",
        "long": "a" * 10_000,
    }


@pytest.mark.parametrize("name", _variants())
def test_a_forged_token_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        AUTHORITY.verify(_variants()[name])
    assert caught.value.status == 401


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_no_changed_octet_is_accepted(position: int, octet: int) -> None:
    """A token has one spelling: any other text is refused or the same token."""
    token = AUTHORITY.sign(CLAIMS).encode()
    at = position % len(token)
    changed = token[:at] + bytes((octet,)) + token[at + 1 :]
    text = changed.decode("latin-1")
    if changed == token:
        assert AUTHORITY.verify(text) == CLAIMS
    else:
        with pytest.raises(Refusal):
            AUTHORITY.verify(text)
