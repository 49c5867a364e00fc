"""The least that an operation costs: its signatures and nothing else, with the same library."""

from collections.abc import Callable
from time import process_time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CERTIFICATE_OCTETS, _TOKEN_OCTETS = 320, 330
"""what is signed: about the size of an X.509-SVID's and a JWT-SVID's signed part"""


def raw_operations() -> dict[str, Callable[[], None]]:
    """Return the bare cryptography of each operation, on P-256 with SHA-256.

    ``issue-x509``: read a CSR, verify its signature, export its key, sign a certificate's octets.
    ``issue-jwt``: sign a token's octets. ``authorize-x509``, ``authorize-jwt``: verify one.
    """
    algorithm = ec.ECDSA(hashes.SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = request.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    certificate, token = bytes(_CERTIFICATE_OCTETS), bytes(_TOKEN_OCTETS)
    signed_certificate, signed_token = key.sign(certificate, algorithm), key.sign(token, algorithm)

    def issue_x509() -> None:
        found = x509.load_der_x509_csr(csr)
        if not found.is_signature_valid:
            raise ValueError("a CSR of our own")
        found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        key.sign(certificate, algorithm)

    def issue_jwt() -> None:
        key.sign(token, algorithm)

    return {
        "issue-x509": issue_x509,
        "issue-jwt": issue_jwt,
        "authorize-x509": lambda: public.verify(signed_certificate, certificate, algorithm),
        "authorize-jwt": lambda: public.verify(signed_token, token, algorithm),
    }


def per_core(operation: Callable[[], None], seconds: float) -> float:
    """Return operations per second of CPU time."""
    began_s = process_time()
    count = 0
    while (used_s := process_time() - began_s) < seconds:
        for _ in range(50):
            operation()
        count += 50
    return count / used_s
