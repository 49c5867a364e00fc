"""A credential asked for outside the schedule, in the place of one that was revoked.

It takes a connection of its own and is no arrival: no latency of it is counted. The wire takes the
answer as any other, so the owner goes on with the new document.
"""

import http.client
import socket
from collections.abc import Callable

from loadgen.generator.tls import TlsContext
from loadgen.targets.port import Endpoint, Op, Wire

TIMEOUT_S = 5.0
UNSUPPORTED = "unsupported"
"""over HTTP/2: no target that speaks it can revoke"""


def replace(
    endpoint: Endpoint, wire: Wire, op: Op, agent: int, task: int, now_s: Callable[[], float]
) -> str:
    """Ask once and return the wire's code for the answer, or a code of the generator's own.

    Blocks its greenlet, never the loop.

    Args:
        endpoint: of the service.
        wire: of this worker; it holds the agent's credential.
        op: which kind of credential.
        agent: who asks.
        task: for which of its tasks.
        now_s: the generator's clock.
    """
    if endpoint.http2:
        return UNSUPPORTED
    try:
        with _connected(endpoint) as connection:
            connection.sendall(wire.request(op, agent, task, now_s()))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            body = answer.read()
    except TimeoutError:
        return "timeout"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "closed"
    except http.client.HTTPException:
        return "protocol"
    return wire.response(op, agent, task, answer.status, body, now_s())


def _connected(endpoint: Endpoint) -> socket.socket:
    if endpoint.socket_path:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(TIMEOUT_S)
        plain.connect(endpoint.socket_path)
        return plain
    plain = socket.create_connection((endpoint.host, endpoint.port), TIMEOUT_S)
    if not endpoint.tls:
        return plain
    tls = TlsContext(endpoint, resume=False)
    return tls.context.wrap_socket(plain, server_hostname=tls.server_name or None)
