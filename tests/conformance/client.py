"""A generator of one connection: sends what a wire builds, gives back what the service answers."""

import http.client
import socket
import ssl
import time
from typing import Self

from loadgen.http2 import Answer, Http2Client, unpack
from loadgen.targets.port import Endpoint, Op, Stolen, Target, Wire
from loadgen.targets.registry import make_wire


class Client:
    """Speaks for the agents of a target through its own wire, one request after the other."""

    def __init__(self, target: Target) -> None:
        self.wire: Wire = make_wire(target.name, target.wire_plan())
        self.wire.prepare()
        self.zero_s = time.monotonic()
        self._socket = connect(target.endpoint())
        self._http2 = Http2Client() if target.endpoint().http2 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def now_s(self) -> float:
        return time.monotonic() - self.zero_s

    def do(self, op: Op, agent: int = 0, task: int = 0) -> str:
        """Send one arrival and return the code of its answer."""
        if self._http2 is not None:
            return self._do_http2(self._http2, op, agent, task)
        self._socket.sendall(self.wire.request(op, agent, task, self.now_s))
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        body = response.read()
        return self.wire.response(op, agent, task, response.status, body, self.now_s)

    def _do_http2(self, client: Http2Client, op: Op, agent: int, task: int) -> str:
        client.request(*unpack(self.wire.request(op, agent, task, self.now_s)))
        answers: list[Answer] = []
        while not answers:
            self._socket.sendall(client.take())
            answers = client.receive(self._socket.recv(65536))
        (answer,) = answers
        body = answer.text.encode() if answer.status else answer.body
        return self.wire.response(op, agent, task, answer.status, body, self.now_s)

    def steal(self, agent: int = 0, task: int = 0) -> Stolen:
        stolen = self.wire.steal(agent, task)
        assert stolen is not None
        return stolen


def connect(endpoint: Endpoint) -> socket.socket:
    if endpoint.socket_path:
        unix = socket.socket(socket.AF_UNIX)
        unix.settimeout(10)
        unix.connect(endpoint.socket_path)
        return unix
    plain = socket.create_connection((endpoint.host, endpoint.port), timeout=10)
    if not endpoint.tls:
        return plain
    context = ssl.create_default_context(cafile=endpoint.ca_file or None)
    if endpoint.cert_file:
        context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
    return context.wrap_socket(plain, server_hostname=endpoint.server_name or endpoint.host)
