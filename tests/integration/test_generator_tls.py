"""Mutual TLS: full and resumed handshakes are counted and timed apart; a wrong peer is refused."""

import datetime as dt
import ipaddress
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadgen.targets.port import Endpoint
from tests.integration.generator_runs import rogue_server, run, write_run

SERVER_ID = "spiffe://test.example/server"
N = 30


def _issue(
    folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.UniformResourceIdentifier(f"spiffe://test.example/{name}"),
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                ]
            ),
            critical=False,
        )
    )
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(chain if issuer is None else pem + chain)
    return certificate, key


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    ca = _issue(folder, "ca", None)
    _issue(folder, "server", ca)
    _issue(folder, "client", ca)
    _issue(folder, "stranger", None)
    return folder


def _endpoint(pki: Path, port: int, **change: str) -> Endpoint:
    settings = {
        "ca_file": str(pki / "ca.pem"),
        "cert_file": str(pki / "client.pem"),
        "key_file": str(pki / "client.pem"),
    }
    return Endpoint("127.0.0.1", port, tls=True, **(settings | change))


@pytest.mark.parametrize("resume", [False, True])
def test_handshake_per_request(tmp_path: Path, pki: Path, resume: bool) -> None:
    with rogue_server(str(pki)) as (port, _):
        write_run(
            tmp_path,
            _endpoint(pki, port),
            np.arange(N) * 0.03,
            ["/ok"],
            requests_per_connection=1,
            tls_resume=resume,
        )
        outcome = run(tmp_path)
    assert outcome.counts() == {"ok": N}
    full = outcome.histogram("tls-handshake").get_total_count()
    resumed = outcome.histogram("tls-resume").get_total_count()
    assert full + resumed == outcome.result.connections_opened == N
    if resume:
        assert resumed > 0.5 * N
    else:
        assert resumed == 0
    # the handshake is inside the latency of the request that needed it
    shortest_us = outcome.histogram("tls-resume" if resume else "tls-handshake").get_min_value()
    assert outcome.histogram().get_min_value() > shortest_us


def test_large_bodies_and_many_answers_over_kept_connections(tmp_path: Path, pki: Path) -> None:
    with rogue_server(str(pki)) as (port, _):
        write_run(
            tmp_path,
            _endpoint(pki, port, server_name=SERVER_ID),
            np.arange(200) * 0.004,
            ["/ok", "/chunked", "/ok#1000000", "/closing", "/half", "/drop"],
        )
        outcome = run(tmp_path)
    counts = outcome.counts()
    assert sum(counts.values()) == 200
    assert counts["ok"] == 134
    assert counts["half"] == 33
    assert counts["closed"] == 33


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"server_name": "spiffe://test.example/other"}, "peer is not spiffe://test.example/other"),
        ({"server_name": "other.example"}, "Hostname mismatch"),
        ({"ca_file": "stranger.pem"}, "self-signed certificate"),
    ],
)
def test_wrong_peer_is_refused_before_anything_is_sent(
    tmp_path: Path, pki: Path, change: dict[str, str], reason: str
) -> None:
    if "ca_file" in change:
        change = {"ca_file": str(pki / change["ca_file"])}
    with rogue_server(str(pki)) as (port, _):
        write_run(tmp_path, _endpoint(pki, port, **change), [0.0, 0.1], ["/ok"])
        outcome = run(tmp_path)
    assert outcome.code == 1
    assert reason.lower() in outcome.fault.message.lower()
    assert "\n" not in outcome.fault.message


def test_plain_port_and_missing_client_certificate_are_told(tmp_path: Path, pki: Path) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, _endpoint(pki, port), [0.0], ["/ok"], connect_timeout_s=2.0)
        outcome = run(tmp_path)
    assert outcome.code == 1
    with rogue_server(str(pki)) as (port, _):
        write_run(tmp_path, _endpoint(pki, port, cert_file="", key_file=""), [0.0], ["/ok"])
        outcome = run(tmp_path)
    assert outcome.code == 1
    # a server that sends its alert has "certificate required" here; asyncio just closes
    assert "the server closed every connection at once" in outcome.fault.message
