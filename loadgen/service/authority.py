"""The certificate authority: one P-256 root of a trust domain, held in memory.

X.509-SVIDs follow SPIFFE's X509-SVID §4: exactly one URI SAN, ``digitalSignature``, no CA. The CSR
contributes its public key and the proof that its sender holds the private one; what the certificate
says is decided by the registration, as in SPIRE.
"""

import base64
import binascii
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from loadgen.service import der
from loadgen.service.faults import Refusal, unauthenticated
from loadgen.service.jwk import public_jwk

ECDSA = ec.ECDSA(hashes.SHA256())
NO_END = 253402300799  # 9999-12-31T23:59:59Z, "no well-defined expiration" (RFC 5280 §4.1.2.5)
_CA_DAYS = 3650
_MAX_CSR_OCTETS = 16_384

_ECDSA_SHA256 = der.tlv(der.SEQUENCE, bytes.fromhex("06082a8648ce3d040302"))
_V3 = der.tlv(0xA0, der.integer(2))
_NO_SUBJECT = der.tlv(der.SEQUENCE)
_SAN = bytes.fromhex("0603551d11") + der.TRUE


def _extension(oid_value: x509.ExtensionType, *, critical: bool) -> bytes:
    """Return one extension of the profile, encoded once at start by the library."""
    oid = oid_value.oid.dotted_string.split(".")
    head = bytes((int(oid[0]) * 40 + int(oid[1]), *(int(arc) for arc in oid[2:])))
    return der.tlv(
        der.SEQUENCE,
        der.tlv(0x06, head),
        der.TRUE if critical else b"",
        der.tlv(der.OCTET_STRING, oid_value.public_bytes()),
    )


_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_EXTENDED = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a certificate request proves and asks for."""

    public_key: bytes
    """SubjectPublicKeyInfo in DER, of the private key that signed the request"""
    identities: list[str]
    """URI SANs; none when it leaves its identity to the registration"""


def decode_csr(text: str) -> Request:
    """Read a certificate request in PEM or base64 DER and check its signature.

    Raises Refusal 400 when it is neither, not signed by its own key, or its key is not P-256.
    """
    if len(text) > _MAX_CSR_OCTETS:
        raise Refusal(400, "bad-csr", f"csr: longer than {_MAX_CSR_OCTETS} characters")
    try:
        if text.startswith("-----BEGIN"):
            request = x509.load_pem_x509_csr(text.encode())
        else:
            request = x509.load_der_x509_csr(base64.b64decode(text, validate=True))
        key = request.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            signed = request.is_signature_valid
            info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            asked = _uris(request.extensions)
        else:
            signed = False
    except (ValueError, TypeError, binascii.Error, x509.InvalidVersion) as exc:
        raise Refusal(400, "bad-csr", "csr: not a PKCS #10 request in PEM or base64 DER") from exc
    except UnsupportedAlgorithm as exc:
        raise Refusal(400, "bad-csr", "csr: key or signature of an unsupported kind") from exc
    if not signed:
        raise Refusal(400, "bad-csr", "csr: not signed by its own P-256 key")
    return Request(info, asked)


def _uris(extensions: x509.Extensions) -> list[str]:
    """Return the URI SANs. Raises ValueError when they cannot be read."""
    try:
        san = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return san.value.get_values_for_type(x509.UniformResourceIdentifier)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a verified X.509-SVID says."""

    spiffe_id: str
    serial: int
    not_after_s: int


class Authority:
    """Issues and verifies the X.509-SVIDs of one trust domain."""

    def __init__(self, trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._self_signed()
        self.jwk = public_jwk(self._key.public_key())
        self.not_after_s = int(self.certificate.not_valid_after_utc.timestamp())
        self._issuer = self.certificate.subject.public_bytes()
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        self._profile = (
            _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            + _extension(_USAGE, critical=True)
            + _extension(_EXTENDED, critical=False)
            + _extension(key_id, critical=False)
        )

    def _self_signed(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.trust_domain[:64])])
        now = datetime.now(UTC)
        public = self._key.public_key()
        uri = x509.UniformResourceIdentifier(f"spiffe://{self.trust_domain}")
        return (
            x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(days=_CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=False,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, public_key: bytes, spiffe_id: str, serial: int, not_after_s: int) -> bytes:
        """Return the DER of an X.509-SVID, valid from now (rounded down to the second).

        Args:
            public_key: SubjectPublicKeyInfo in DER.
            spiffe_id: the one URI SAN; the subject stays empty, so the SAN is critical
                (RFC 5280 §4.1.2.6).
            serial: positive, unique.
            not_after_s: last valid second, since the epoch; see ``NO_END``.
        """
        uri = der.tlv(der.SEQUENCE, der.tlv(der.URI, spiffe_id.encode("ascii")))
        body = der.tlv(
            der.SEQUENCE,
            _V3,
            der.integer(serial),
            _ECDSA_SHA256,
            self._issuer,
            der.tlv(der.SEQUENCE, der.time(int(time.time())), der.time(not_after_s)),
            _NO_SUBJECT,
            public_key,
            der.tlv(
                0xA3,
                der.tlv(
                    der.SEQUENCE,
                    self._profile,
                    der.tlv(der.SEQUENCE, _SAN, der.tlv(der.OCTET_STRING, uri)),
                ),
            ),
        )
        signature = self._key.sign(body, ECDSA)
        return der.tlv(der.SEQUENCE, body, _ECDSA_SHA256, der.bit_string(signature))

    def verify(self, certificate: bytes) -> Leaf:
        """Return what an X.509-SVID in DER says, after checking issuer and signature.

        Validity and revocation are the caller's: he wants to log whose document it was.
        Raises Refusal 401.
        """
        try:
            leaf = x509.load_der_x509_certificate(certificate)
            leaf.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature) as exc:
            raise self._not_ours() from exc
        return self._read(leaf)

    def read(self, certificate: bytes) -> Leaf:
        """Return what a certificate in DER says whose chain the TLS layer has verified."""
        return self._read(x509.load_der_x509_certificate(certificate))

    def _not_ours(self) -> Refusal:
        message = f"certificate: not issued by spiffe://{self.trust_domain}"
        return unauthenticated("bad-certificate", message)

    def _read(self, leaf: x509.Certificate) -> Leaf:
        try:
            uris = _uris(leaf.extensions)
        except ValueError as exc:
            raise self._not_ours() from exc
        if len(uris) != 1:
            raise unauthenticated("bad-certificate", "certificate: needs exactly one URI SAN")
        return Leaf(uris[0], leaf.serial_number, int(leaf.not_valid_after_utc.timestamp()))

    def server_credentials(self, host: str) -> tuple[bytes, bytes]:
        """Return certificate and key in PEM for the service's own TLS port, valid as the CA is."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(f"spiffe://{self.trust_domain}/midas"),
            x509.DNSName("localhost"),
            x509.IPAddress(ip_address(host)),
        ]
        certificate = (
            x509.CertificateBuilder(
                issuer_name=self.certificate.subject,
                subject_name=x509.Name([]),
                public_key=key.public_key(),
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.certificate.not_valid_before_utc)
            .not_valid_after(self.certificate.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_USAGE, critical=True)
            .add_extension(_EXTENDED, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate.public_bytes(Encoding.PEM), pem
