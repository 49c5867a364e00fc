"""Registers hollow agents and the identities they serve with a SPIRE server."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loadgen.targets.spire.call import (
    BATCH_CREATE_ENTRY,
    CREATE_JOIN_TOKEN,
    GET_BUNDLE,
    Caller,
)
from loadgen.targets.spire.credentials import key_pem, new_key, x509pop_path
from loadgen.targets.spire.process import SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.errors import TargetRefused

FLEET = "/fleet"
"""the alias that every node has: its children are served by all of them"""
TOKEN_TTL_S = 3600
_CHUNK = 200
_OK, _ALREADY_EXISTS = 0, 6

Attestor = Literal["join_token", "x509pop"]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the swarm's plan needs of the server."""

    authorities: list[str]
    join_tokens: list[str]
    node_certificates: list[str]
    node_keys: list[str]


def enrol(
    server: SpireServer,
    agents: int,
    identities: int,
    *,
    attestor: Attestor,
    ttl_s: int,
    shared: bool = True,
) -> Enrolment:
    """Make ``agents`` able to attest, and register ``identities`` workloads for each.

    Args:
        server: running.
        agents: number of nodes.
        identities: workloads on each node.
        attestor: how they attest.
        ttl_s: of the workloads' X.509-SVIDs.
        shared: every node serves the same identities, as a DaemonSet does; otherwise each node has
            entries of its own, which is what makes SPIRE's entry cache large.

    Raises:
        TargetError: the server refused.
    """
    with server.admin() as caller:
        bundle = caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
        authorities = [base64.b64encode(one.asn1).decode() for one in bundle.x509_authorities]
        if attestor == "join_token":
            tokens = _tokens(server, caller, agents)
            found = Enrolment(authorities, tokens, [], [])
            paths = [f"/spire/agent/join_token/{token}" for token in tokens]
        else:
            certificates, keys = _nodes(server, agents)
            encoded = [base64.b64encode(der).decode() for der in certificates]
            found = Enrolment(authorities, [], encoded, keys)
            paths = [x509pop_path(der) for der in certificates]
            _create(caller, [_alias(server)])
        parents = [FLEET] if shared else paths
        _create(
            caller,
            [
                _workload(server, parent, number, ttl_s, shared=shared)
                for parent in parents
                for number in range(identities)
            ],
        )
    return found


def _tokens(server: SpireServer, caller: Caller, agents: int) -> list[str]:
    fleet = api.SpiffeId(trust_domain=server.trust_domain, path=FLEET)
    request = api.CreateJoinTokenRequest(ttl=TOKEN_TTL_S, agent_id=fleet)
    return [caller.call(CREATE_JOIN_TOKEN, request, api.JoinToken).value for _ in range(agents)]


def _nodes(server: SpireServer, agents: int) -> tuple[list[bytes], list[str]]:
    certificates, keys = [], []
    for number in range(agents):
        key = new_key()
        certificates.append(server.nodes.node(f"node-{number}", key))
        keys.append(key_pem(key).decode())
    return certificates, keys


def _alias(server: SpireServer) -> api.Entry:
    """Return the entry that gives every node of our CA the fleet's alias."""
    domain = server.trust_domain
    return api.Entry(
        spiffe_id=api.SpiffeId(trust_domain=domain, path=FLEET),
        parent_id=api.SpiffeId(trust_domain=domain, path="/spire/server"),
        selectors=[
            api.Selector(type="x509pop", value=f"ca:fingerprint:{server.nodes.fingerprint}")
        ],
    )


def _workload(
    server: SpireServer, parent: str, number: int, ttl_s: int, *, shared: bool
) -> api.Entry:
    domain = server.trust_domain
    place = "" if shared else f"/{parent.rpartition('/')[2]}"
    return api.Entry(
        spiffe_id=api.SpiffeId(trust_domain=domain, path=f"/workload{place}/{number}"),
        parent_id=api.SpiffeId(trust_domain=domain, path=parent),
        selectors=[api.Selector(type="unix", value=f"uid:{20_000 + number}")],
        x509_svid_ttl=ttl_s,
    )


def _create(caller: Caller, entries: Sequence[api.Entry]) -> None:
    for at in range(0, len(entries), _CHUNK):
        request = api.BatchCreateEntryRequest(
            entries=entries[at : at + _CHUNK], output_mask=api.EntryMask()
        )
        answer = caller.call(BATCH_CREATE_ENTRY, request, api.BatchCreateEntryResponse)
        for result in answer.results:
            if result.status.code not in (_OK, _ALREADY_EXISTS):
                raise TargetRefused(f"SPIRE refused an entry: {result.status.message}")
