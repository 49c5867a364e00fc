"""The TLS port: the handshake asks for an X.509-SVID, and resumption does not weaken that."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.targets.decisions import evaluation
from loadgen.targets.embedded.target import EmbeddedTarget
from loadgen.targets.port import Endpoint, Op, Stolen
from tests.conformance.client import Client
from tests.conformance.subjects import identities


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTarget]:
    folder = tmp_path_factory.mktemp("mtls")
    target = EmbeddedTarget()
    try:
        target.setup(folder, "example.org")
        yield target
    finally:
        target.teardown()


def svid(target: EmbeddedTarget, folder: Path) -> tuple[Endpoint, Stolen]:
    target.provision(identities(Op.ISSUE_X509), 60.0, task_scope=False)
    with Client(target) as client:
        assert client.do(Op.ISSUE_X509) == "ok"
        stolen = client.steal()
    certificate, key = folder / "svid.pem", folder / "svid.key"
    text = stolen.secret["document"]
    certificate.write_text(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    key.write_text(stolen.secret["private_key"])
    return target.mtls_endpoint(certificate, key), stolen


def context(endpoint: Endpoint) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=endpoint.ca_file)
    made.load_cert_chain(endpoint.cert_file, endpoint.key_file)
    return made


def ask(
    endpoint: Endpoint, tls: ssl.SSLContext, headers: dict[str, str] | None = None
) -> tuple[int, dict]:
    connection = http.client.HTTPSConnection("localhost", endpoint.port, timeout=5, context=tls)
    try:
        body = evaluation(identities(Op.ISSUE_X509)[0].name, "ticket:read")
        connection.request(
            "POST",
            "/access/v1/evaluation",
            body,
            {"Content-Type": "application/json", **(headers or {})},
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_the_certificate_of_the_connection_is_the_credential(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    endpoint, stolen = svid(target, tmp_path)
    tls = context(endpoint)
    assert ask(endpoint, tls) == (200, {"decision": True})
    target.revoke(identities(Op.ISSUE_X509)[0].name, stolen.serial)
    status, body = ask(endpoint, tls)
    assert (status, body["error"]) == (401, "revoked")


def test_no_certificate_no_handshake(target: EmbeddedTarget, tmp_path: Path) -> None:
    endpoint, _ = svid(target, tmp_path)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        ask(endpoint, ssl.create_default_context(cafile=endpoint.ca_file))


def test_a_certificate_of_another_service_is_not_taken(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    endpoint, _ = svid(target, tmp_path)
    other = EmbeddedTarget()
    try:
        other.setup(tmp_path / "other", "example.org")
        stranger, _ = svid(other, tmp_path)
        tls = ssl.create_default_context(cafile=endpoint.ca_file)
        tls.load_cert_chain(stranger.cert_file, stranger.key_file)
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
            ask(endpoint, tls)
    finally:
        other.teardown()


def test_a_header_does_not_replace_the_certificate_of_the_connection(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    """A client of the TLS port is no proxy: its Client-Cert header counts for nothing."""
    endpoint, stolen = svid(target, tmp_path)
    tls = context(endpoint)
    target.revoke(identities(Op.ISSUE_X509)[0].name, stolen.serial)
    with Client(target) as client:
        assert client.do(Op.ISSUE_X509) == "ok"
        fresh = client.steal().secret["document"]
    status, body = ask(endpoint, tls, {"Client-Cert": f":{fresh}:"})
    assert (status, body["error"]) == (401, "revoked")


def test_sessions_are_resumed_with_the_certificate_that_opened_them(
    target: EmbeddedTarget, tmp_path: Path
) -> None:
    endpoint, stolen = svid(target, tmp_path)
    tls = context(endpoint)
    session = None
    body = evaluation(identities(Op.ISSUE_X509)[0].name, "ticket:read")
    request = (
        b"POST /access/v1/evaluation HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body
    seen = []
    for _ in range(3):
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout=5) as plain,
            tls.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
        ):
            secure.sendall(request)
            answer = http.client.HTTPResponse(secure)
            answer.begin()
            seen.append((secure.session_reused, answer.status))
            answer.read()
            session = secure.session
        if len(seen) == 2:
            target.revoke(identities(Op.ISSUE_X509)[0].name, stolen.serial)
    assert seen == [(False, 200), (True, 200), (True, 401)]
