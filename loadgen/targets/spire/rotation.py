"""A server's X.509 authority replaced by hand: prepare, activate, taint, revoke.

Activation alone leaves documents of the old authority valid beside the new ones. Tainting tells
every agent to replace them at its next sync; revoking takes the old authority out of the trust
bundle, and with it whatever was not replaced (SPIRE pkg/server/api/localauthority/v1/service.go).
"""

from cryptography import x509

from loadgen.targets.spire.call import (
    ACTIVATE_X509_AUTHORITY,
    GET_BUNDLE,
    PREPARE_X509_AUTHORITY,
    REVOKE_X509_AUTHORITY,
    TAINT_X509_AUTHORITY,
)
from loadgen.targets.spire.process import SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.errors import TargetProtocol


def replace_authority(server: SpireServer) -> str:
    """Prepare and activate a new authority; return the id of the old one.

    Raises:
        TargetError: the server refused.
    """
    with server.admin() as caller:
        bundle = caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
        prepared = caller.call(
            PREPARE_X509_AUTHORITY,
            api.PrepareX509AuthorityRequest(),
            api.PrepareX509AuthorityResponse,
        ).prepared_authority
        caller.call(
            ACTIVATE_X509_AUTHORITY,
            api.ActivateX509AuthorityRequest(authority_id=prepared.authority_id),
            api.ActivateX509AuthorityResponse,
        )
    if len(bundle.x509_authorities) != 1:
        raise TargetProtocol(f"SPIRE has {len(bundle.x509_authorities)} authorities, expected one")
    return key_id(bundle.x509_authorities[0].asn1).hex()


def taint_authority(server: SpireServer, authority_id: str) -> None:
    """Have every agent replace what the old authority signed.

    Raises:
        TargetError: the server refused.
    """
    with server.admin() as caller:
        request = api.TaintX509AuthorityRequest(authority_id=authority_id)
        caller.call(TAINT_X509_AUTHORITY, request, api.TaintX509AuthorityResponse)


def revoke_authority(server: SpireServer, authority_id: str) -> None:
    """Take a tainted authority out of the trust bundle.

    Raises:
        TargetError: the server refused.
    """
    with server.admin() as caller:
        request = api.RevokeX509AuthorityRequest(authority_id=authority_id)
        caller.call(REVOKE_X509_AUTHORITY, request, api.RevokeX509AuthorityResponse)


def key_id(der: bytes) -> bytes:
    """Return an authority's subject key identifier, which is its id and stands in what it signs."""
    certificate = x509.load_der_x509_certificate(der)
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
