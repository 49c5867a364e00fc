"""The hand-written certificate is what the library reads and OpenSSL accepts."""

import base64
import ssl
import time
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import PolicyBuilder, Store
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.service import der
from loadgen.service.authority import (
    NO_END,
    Authority,
    decode_csr,
)
from loadgen.service.faults import Refusal

AUTHORITY = Authority("example.org")
KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
PATH = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._", min_size=1, max_size=200)


def csr(key: object, *names: str) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        uris = [x509.UniformResourceIdentifier(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(uris), critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest)


@given(
    serial=st.integers(1, 2**63 - 1),
    path=PATH,
    not_after_s=st.integers(int(time.time()) + 1, NO_END),
)
@settings(max_examples=50, deadline=None)
def test_the_library_reads_what_was_written(serial: int, path: str, not_after_s: int) -> None:
    name = f"spiffe://example.org/{path}"
    leaf = x509.load_der_x509_certificate(AUTHORITY.issue(SPKI, name, serial, not_after_s))
    leaf.verify_directly_issued_by(AUTHORITY.certificate)
    assert leaf.version is x509.Version.v3
    assert leaf.serial_number == serial
    assert leaf.not_valid_after_utc == datetime.fromtimestamp(not_after_s, UTC)
    assert abs(leaf.not_valid_before_utc.timestamp() - time.time()) < 5
    assert leaf.public_key() == KEY.public_key()
    assert leaf.subject == x509.Name([])
    assert leaf.issuer == AUTHORITY.certificate.subject
    extensions = leaf.extensions
    san = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical
    assert san.value.get_values_for_type(x509.UniformResourceIdentifier) == [name]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, False, False)
    assert len(extensions) == 5
    assert AUTHORITY.verify(leaf.public_bytes(Encoding.DER)).spiffe_id == name


def test_the_chain_passes_path_validation() -> None:
    """RFC 5280 §6, by the library's own verifier."""
    leaf = AUTHORITY.issue(SPKI, "spiffe://example.org/a/1", 7, int(time.time()) + 60)
    store = Store([AUTHORITY.certificate])
    verified = (
        PolicyBuilder()
        .store(store)
        .build_client_verifier()
        .verify(x509.load_der_x509_certificate(leaf), [])
    )
    assert verified.subjects == [x509.UniformResourceIdentifier("spiffe://example.org/a/1")]


def test_openssl_loads_the_root() -> None:
    context = ssl.create_default_context(
        cadata=AUTHORITY.certificate.public_bytes(Encoding.PEM).decode()
    )
    assert context.cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_lengths_are_as_short_as_can_be(size: int) -> None:
    octets = der.tlv(der.OCTET_STRING, bytes(size))
    digits = max(1, (size.bit_length() + 7) // 8)
    assert len(octets) == size + (2 if size < 128 else 2 + digits)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**63 - 1, 2**64])
def test_integers_stay_positive(value: int) -> None:
    octets = der.integer(value)
    assert int.from_bytes(octets[2:], "big", signed=True) == value


def test_a_request_is_read_in_pem_and_in_base64() -> None:
    request = csr(KEY, "spiffe://example.org/a/1")
    der_text = base64.b64encode(request.public_bytes(Encoding.DER)).decode()
    for text in (request.public_bytes(Encoding.PEM).decode(), der_text):
        found = decode_csr(text)
        assert found.public_key == SPKI
        assert found.identities == ["spiffe://example.org/a/1"]
    assert decode_csr(csr(KEY).public_bytes(Encoding.PEM).decode()).identities == []


def _tampered() -> str:
    octets = bytearray(csr(KEY).public_bytes(Encoding.DER))
    octets[-1] ^= 1
    return base64.b64encode(octets).decode()


BAD = {
    "empty": "",
    "no base64": "%%%",
    "half a PEM": "-----BEGIN CERTIFICATE REQUEST-----\nMII",
    "rubbish DER": base64.b64encode(bytes(100)).decode(),
    "not ASCII": "é",
    "too long": "A" * 20_000,
    "tampered": _tampered(),
    "P-384": base64.b64encode(
        csr(ec.generate_private_key(ec.SECP384R1())).public_bytes(Encoding.DER)
    ).decode(),
    "Ed25519": csr(ed25519.Ed25519PrivateKey.generate()).public_bytes(Encoding.PEM).decode(),
    "RSA": csr(rsa.generate_private_key(65537, 2048)).public_bytes(Encoding.PEM).decode(),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(Refusal, match=r"^csr: [^\n]+$") as caught:
        decode_csr(text)
    assert caught.value.status == 400


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_rubbish_for_a_certificate_is_refused(octets: bytes) -> None:
    with pytest.raises(Refusal):
        AUTHORITY.verify(octets)


def test_a_certificate_of_another_authority_is_refused() -> None:
    other = Authority("example.org")
    with pytest.raises(Refusal, match="not issued by"):
        AUTHORITY.verify(other.issue(SPKI, "spiffe://example.org/a/1", 7, NO_END))
