"""What a hollow agent says to the server: header blocks and bodies of its calls."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec

from loadgen.http2 import header_block, message, messages
from loadgen.swarm.protocol import ATTEST_OP, BUNDLE_OP, RENEW_AGENT_OP, RENEW_OP, SYNC_OP
from loadgen.targets.spire.call import (
    ATTEST,
    BATCH_NEW_X509,
    GET_BUNDLE,
    RENEW,
    SYNC_ENTRIES,
)
from loadgen.targets.spire.credentials import csr, x509pop_payload
from loadgen.targets.spire.proto import spire_api_pb2 as api

HEADERS = {
    ATTEST_OP: header_block(ATTEST),
    SYNC_OP: header_block(SYNC_ENTRIES),
    BUNDLE_OP: header_block(GET_BUNDLE),
    RENEW_OP: header_block(BATCH_NEW_X509),
    RENEW_AGENT_OP: header_block(RENEW),
}
SYNC_BODY = message(
    api.SyncAuthorizedEntriesRequest(
        output_mask=api.EntryMask(
            spiffe_id=True,
            selectors=True,
            federates_with=True,
            admin=True,
            downstream=True,
            revision_number=True,
            store_svid=True,
            hint=True,
            created_at=True,
        )
    ).SerializeToString()
)
BUNDLE_BODY = message(api.GetBundleRequest().SerializeToString())


def attest_body(
    attestor: str, token: str, certificate: bytes, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return the first message of an attestation by join token or node certificate."""
    payload = x509pop_payload(certificate) if attestor == "x509pop" else token.encode()
    params = api.AttestAgentRequest.Params(
        data=api.AttestationData(type=attestor, payload=payload),
        params=api.AgentX509SvidParams(csr=csr(key)),
    )
    return message(api.AttestAgentRequest(params=params).SerializeToString())


def challenge_body(response: bytes) -> bytes:
    """Return the answer to an attestor's challenge."""
    return message(api.AttestAgentRequest(challenge_response=response).SerializeToString())


def renew_agent_body(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a request for the agent's own next document."""
    params = api.AgentX509SvidParams(csr=csr(key))
    return message(api.RenewAgentRequest(params=params).SerializeToString())


def renew_body(requests: list[tuple[str, bytes]]) -> bytes:
    """Return a request for documents; each (entry, certificate request)."""
    params = [api.NewX509SvidParams(entry_id=entry, csr=der) for entry, der in requests]
    return message(api.BatchNewX509SvidRequest(params=params).SerializeToString())


@lru_cache(64)
def entry_ids(body: bytes) -> tuple[str, ...]:
    """Return the ids of the entries in a sync's answer; agents alike get the same bytes."""
    ids: list[str] = []
    for one in messages(body):
        ids += [entry.id for entry in api.SyncAuthorizedEntriesResponse.FromString(one).entries]
    return tuple(ids)
