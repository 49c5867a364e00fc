"""What no HTTP library would send: every answer is 4xx in JSON, and the service lives on."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.targets.embedded.target import EmbeddedTarget
from loadgen.targets.port import Endpoint, Op
from tests.conformance.subjects import identities

JSON = "Content-Type: application/json\r\n"
PATH = "/access/v1/evaluation"
REQUESTS = {
    "no HTTP": (b"\x16\x03\x01\x00\xa5\x01\x00\x00", 400),
    "no version": (b"GET\r\n\r\n", 400),
    "bad length": (f"POST {PATH} HTTP/1.1\r\n{JSON}Content-Length: -1\r\n\r\n".encode(), 400),
    "two lengths": (
        f"POST {PATH} HTTP/1.1\r\n{JSON}Content-Length: 2\r\n".encode()
        + b"Content-Length: 3\r\n\r\n{}",
        400,
    ),
    "length and chunks": (
        f"POST {PATH} HTTP/1.1\r\n{JSON}Content-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
        400,
    ),
    "another scheme": (b"GET /healthz HTTP/1.1\r\nAuthorization: Basic eDp5\r\n\r\n", 401),
    "no media type": (f"POST {PATH} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}".encode(), 415),
    "huge body": (
        f"POST {PATH} HTTP/1.1\r\n{JSON}Content-Length: 70000\r\n\r\n".encode() + b" " * 70_000,
        413,
    ),
    "huge registration from a stranger": (
        f"POST /v1/entries HTTP/1.1\r\n{JSON}Content-Length: 70000\r\n\r\n".encode()
        + b" " * 70_000,
        413,
    ),
    "another method": (b"BREW /healthz HTTP/1.1\r\n\r\n", 400),
    "wrong method": (b"DELETE /healthz HTTP/1.1\r\n\r\n", 405),
    "traversal": (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
    "odd octets in a token": (
        f"POST {PATH} HTTP/1.1\r\n{JSON}".encode()
        + b"Authorization: Bearer \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
        400,
    ),
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    target = EmbeddedTarget()
    try:
        target.setup(tmp_path_factory.mktemp("http"), "example.org")
        target.provision(identities(Op.ISSUE_JWT), 60.0, task_scope=False)
        yield target.endpoint()
    finally:
        target.teardown()


def exchange(endpoint: Endpoint, request: bytes) -> tuple[int, bytes, http.client.HTTPResponse]:
    with socket.create_connection((endpoint.host, endpoint.port), timeout=5) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read(), response


@pytest.mark.parametrize("name", REQUESTS)
def test_bad_http_is_a_clear_4xx(endpoint: Endpoint, name: str) -> None:
    request, expected = REQUESTS[name]
    status, body, response = exchange(endpoint, request)
    assert status == expected
    assert response.getheader("content-type") == "application/json"
    fault = json.loads(body)
    assert fault["error"]
    assert "\n" not in fault["message"]
    assert exchange(endpoint, b"GET /healthz HTTP/1.1\r\n\r\n")[0] == 200


def test_a_caller_cannot_choose_the_origin_that_is_logged(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    target = EmbeddedTarget()
    try:
        target.setup(tmp_path, "example.org")
        place = target.endpoint()
        head = f"POST {PATH} HTTP/1.1\r\n{JSON}X-Forwarded-For: 10.9.8.7\r\n"
        exchange(place, f"{head}Forwarded: for=10.9.8.7\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        (log,) = tmp_path.rglob("audit.sqlite3")
        with closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as db:
            assert db.execute("SELECT DISTINCT origin FROM audit").fetchall() == [("127.0.0.1",)]
    finally:
        target.teardown()


def test_a_client_that_goes_away_in_the_middle_hurts_nobody(endpoint: Endpoint) -> None:
    for part in (b"P", b"POST /v1/keys HTTP/1.1\r\n", f"POST {PATH} HTTP/1.1\r\n{JSON}".encode()):
        with socket.create_connection((endpoint.host, endpoint.port), timeout=5) as connection:
            connection.sendall(part + b"Content-Length: 100\r\n\r\n{" * (len(part) > 1))
    assert exchange(endpoint, b"GET /healthz HTTP/1.1\r\n\r\n")[0] == 200
