"""Keys, certificate requests, node certificates and TLS contexts, as SPIRE wants them."""

import base64
import datetime as dt
import hashlib
import json
import os
import ssl
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from scenarios.errors import TargetProtocol

_NONCE_BYTES = 32
_NODE_CERT_DAYS = 30


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key, what SPIRE's own agents use."""
    return ec.generate_private_key(ec.SECP256R1())


def csr(key: ec.EllipticCurvePrivateKey, spiffe_id: str = "") -> bytes:
    """Return a certificate request as DER; the SPIFFE ID matters only where SPIRE reads it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if spiffe_id:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pem(der: bytes) -> bytes:
    """Return a DER certificate as PEM."""
    return ssl.DER_cert_to_PEM_cert(der).encode("ascii")


@dataclass(frozen=True, slots=True)
class Svid:
    """An X.509-SVID with its key: all that a thief needs."""

    spiffe_id: str
    chain: tuple[bytes, ...]
    """DER, leaf first"""
    key: ec.EllipticCurvePrivateKey
    not_before_s: float
    """Unix time"""
    not_after_s: float
    serial: str
    """decimal, as SPIRE's log writes it"""

    @classmethod
    def of(cls, chain: tuple[bytes, ...], key: ec.EllipticCurvePrivateKey) -> "Svid":
        """Read an issued chain.

        Raises:
            TargetProtocol: it is no X.509-SVID.
        """
        try:
            leaf = x509.load_der_x509_certificate(chain[0])
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            (spiffe_id,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        except (ValueError, IndexError, x509.ExtensionNotFound) as error:
            raise TargetProtocol(f"SPIRE issued no X.509-SVID: {error}") from error
        return cls(
            spiffe_id,
            chain,
            key,
            leaf.not_valid_before_utc.timestamp(),
            leaf.not_valid_after_utc.timestamp(),
            str(leaf.serial_number),
        )

    def pem(self) -> bytes:
        """Return key and chain in one text."""
        return key_pem(self.key) + b"".join(pem(der) for der in self.chain)


def client_context(authorities: list[bytes], svid: Svid | None) -> ssl.SSLContext:
    """Return a TLS context for SPIRE's TCP port.

    The server is checked against the trust bundle; its host name is not, for an X.509-SVID has
    only a URI (X509-SVID §5.2). A caller who cares checks it with ``peer_id``.

    Args:
        authorities: certificates of the trust bundle, DER.
        svid: the client's own, None before attestation.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    # SPIRE speaks it; the lists of older ciphers would be a part of what thousands of agents weigh
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    context.load_verify_locations(cadata="".join(pem(der).decode() for der in authorities))
    if svid is not None:
        load_svid(context, svid)
    return context


def load_svid(context: ssl.SSLContext, svid: Svid) -> None:
    """Give a context a certificate chain and its key."""
    load_pem(context, svid.pem())


def load_pem(context: ssl.SSLContext, text: bytes) -> None:
    """Give a context key and certificates; OpenSSL's binding takes them from a file only.

    On Linux that file lies in memory: a key never reaches a disk, and a busy one delays nobody.
    """
    if sys.platform == "linux":
        descriptor = os.memfd_create("svid")
        try:
            os.write(descriptor, text)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(prefix="midas-", suffix=".pem") as file:
        file.write(text)
        file.flush()
        context.load_cert_chain(file.name)


def peer_id(connection: ssl.SSLSocket | ssl.SSLObject) -> str:
    """Return the SPIFFE ID of a peer whose certificate was verified, empty when it has none."""
    certificate = connection.getpeercert() or {}
    names = certificate.get("subjectAltName", ())
    found = [str(pair[1]) for pair in names if isinstance(pair, tuple) and pair[0] == "URI"]
    return found[0] if len(found) == 1 else ""


class NodeAuthority:
    """The CA whose certificates the x509pop attestor trusts: a stand-in for a TPM vendor's."""

    def __init__(self) -> None:
        self._key = new_key()
        self._name = _name("midas node authority")
        now = dt.datetime.now(dt.UTC)
        self._from = now - dt.timedelta(minutes=5)
        self._until = now + dt.timedelta(days=_NODE_CERT_DAYS)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._until)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def save(self, path: Path) -> None:
        """Write the CA certificate as PEM."""
        path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def fingerprint(self) -> str:
        """Return the CA's SHA-1 as the selector ``x509pop:ca:fingerprint:…`` has it."""
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        return hashlib.sha1(der, usedforsecurity=False).hexdigest()

    def node(self, name: str, key: ec.EllipticCurvePrivateKey) -> bytes:
        """Return a node's certificate, DER."""
        usage = x509.KeyUsage(
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
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._until)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def x509pop_path(certificate: bytes) -> str:
    """Return the path of the agent ID that x509pop gives to a node certificate."""
    digest = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()
    return f"/spire/agent/x509pop/{digest}"


def x509pop_payload(certificate: bytes) -> bytes:
    """Return the attestation payload of a node certificate (SPIRE pkg/common/plugin/x509pop)."""
    return json.dumps({"certificates": [base64.b64encode(certificate).decode()]}).encode()


def x509pop_response(challenge: bytes, key: ec.EllipticCurvePrivateKey, nonce: bytes) -> bytes:
    """Return the answer to a challenge: ECDSA over SHA-256 of both nonces.

    Args:
        challenge: as the server sent it.
        key: of the node certificate.
        nonce: 32 fresh random bytes.

    Raises:
        TargetProtocol: it is no ECDSA challenge.
    """
    try:
        theirs = base64.b64decode(json.loads(challenge)["ecdsa_signature"]["nonce"])
    except (ValueError, KeyError, TypeError) as error:
        raise TargetProtocol("SPIRE's x509pop challenge cannot be read") from error
    digest = hashlib.sha256(theirs + nonce).digest()
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
    answer = {"nonce": _b64(nonce), "r": _b64(_bytes(r)), "s": _b64(_bytes(s))}
    return json.dumps({"ecdsa_signature": answer}).encode()


def _bytes(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
