"""What a hollow agent holds, while an authority is replaced, tainted and revoked under it."""

import datetime as dt
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadgen.http2 import message
from loadgen.swarm.authority import Authority
from loadgen.swarm.documents import Documents
from loadgen.targets.spire.credentials import new_key
from loadgen.targets.spire.proto import spire_api_pb2 as api

NOW_S = 1000.0
TTL_S = 600.0
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
FROM = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def signed(subject: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a certificate with the key identifiers of both, as SPIRE's have them."""
    made = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(subject.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(FROM + dt.timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


OLD_KEY, NEW_KEY, LEAF_KEY = new_key(), new_key(), new_key()
OLD, NEW = signed(OLD_KEY, OLD_KEY), signed(NEW_KEY, NEW_KEY)
LEAF_OF_OLD, LEAF_OF_NEW = signed(LEAF_KEY, OLD_KEY), signed(LEAF_KEY, NEW_KEY)


def bundle(*authorities: tuple[bytes, bool]) -> bytes:
    found = [api.X509Certificate(asn1=der, tainted=tainted) for der, tainted in authorities]
    return message(api.Bundle(x509_authorities=found).SerializeToString())


@pytest.fixture
def world() -> SimpleNamespace:
    plan = SimpleNamespace(fraction=0.5, renew_jitter=0.1, backdate_s=10.0, stationary=False)
    return SimpleNamespace(
        plan=plan, authority=Authority([OLD]), expired_identity_s=0.0, signed=0, seed_key=1
    )


def held(world: SimpleNamespace, entries: str, leaf: bytes) -> Documents:
    documents = Documents(world, 0, lambda _stream: 0.5)
    for entry in entries:
        documents.take(entry, NOW_S + TTL_S, leaf, NOW_S)
    documents.taken()
    return documents


def test_missing_documents_are_due_and_fresh_ones_are_not(world: SimpleNamespace) -> None:
    documents = held(world, "ab", LEAF_OF_OLD)
    assert documents.due("abc", NOW_S + 1.0) == ["c"]
    assert documents.due("ab", NOW_S + 1.0) == []
    # half of the backdated life is left at 600 + 10 = 610 / 2 = 305 s before the end
    assert documents.due("ab", NOW_S + TTL_S - 306.0) == []
    assert documents.due("ab", NOW_S + TTL_S - 304.0) == ["a", "b"]


def test_an_expired_document_counts_until_its_successor_is_there(world: SimpleNamespace) -> None:
    documents = held(world, "ab", LEAF_OF_OLD)
    end_s = NOW_S + TTL_S
    assert documents.counts(end_s - 1.0) == (2, 0)
    assert documents.counts(end_s + 7.0) == (0, 2)
    assert documents.ended_for_s(end_s + 7.0) == 14.0
    documents.take("a", end_s + 2 * TTL_S, LEAF_OF_OLD, end_s + 7.0)
    documents.taken()
    assert world.expired_identity_s == 7.0
    assert documents.counts(end_s + 7.0) == (1, 1)


def test_an_activated_authority_makes_nothing_due(world: SimpleNamespace) -> None:
    documents = held(world, "ab", LEAF_OF_OLD)
    world.authority.update(bundle((OLD, False), (NEW, False)), NOW_S)
    assert documents.due("ab", NOW_S + 1.0) == []
    assert documents.counts(NOW_S + 1.0) == (2, 0)


def test_a_tainted_authority_makes_its_documents_due_and_only_those(world: SimpleNamespace) -> None:
    documents = held(world, "ab", LEAF_OF_OLD)
    world.authority.update(bundle((OLD, False), (NEW, False)), NOW_S)
    documents.take("b", NOW_S + TTL_S, LEAF_OF_NEW, NOW_S)
    documents.taken()
    world.authority.update(bundle((OLD, True), (NEW, False)), NOW_S)
    assert documents.due("ab", NOW_S + 1.0) == ["a"]
    assert documents.counts(NOW_S + 1.0) == (2, 0)  # tainted, but still trusted


def test_a_revoked_authority_takes_its_documents_with_it(world: SimpleNamespace) -> None:
    documents = held(world, "ab", LEAF_OF_OLD)
    world.authority.update(bundle((OLD, True), (NEW, False)), NOW_S)
    documents.take("b", NOW_S + TTL_S, LEAF_OF_NEW, NOW_S)
    documents.taken()
    world.authority.update(bundle((NEW, False)), NOW_S + 5.0)
    assert documents.counts(NOW_S + 8.0) == (1, 1)
    assert documents.ended_for_s(NOW_S + 8.0) == 3.0
    documents.take("a", NOW_S + TTL_S, LEAF_OF_NEW, NOW_S + 9.0)
    documents.taken()
    assert world.expired_identity_s == 4.0
    assert documents.counts(NOW_S + 9.0) == (2, 0)
    assert documents.due("ab", NOW_S + 9.0) == []


def test_an_expired_authority_that_was_never_tainted_revokes_nothing(
    world: SimpleNamespace,
) -> None:
    documents = held(world, "a", LEAF_OF_OLD)
    world.authority.update(bundle((OLD, False), (NEW, False)), NOW_S)
    world.authority.update(bundle((NEW, False)), NOW_S + 5.0)
    assert documents.counts(NOW_S + 6.0) == (1, 0)
