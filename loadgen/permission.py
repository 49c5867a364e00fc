"""Load goes to loopback; anywhere else only where somebody says that he is allowed to."""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from loadgen.targets.port import Endpoint
from scenarios.errors import TargetUnavailable, UsageError


def refuse_foreign(endpoint: Endpoint, allowed: Collection[str]) -> None:
    """Return if every address of an endpoint is on loopback, or it is among the allowed URLs.

    Args:
        endpoint: where the load would go.
        allowed: URLs; host and port must be the endpoint's (the scheme's port when none is given).

    Raises:
        UsageError: one line with the option that allows it.
        TargetUnavailable: the name has no address.
    """
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise TargetUnavailable(f"{endpoint.host}: {error.strerror}") from error
    if all(ipaddress.ip_address(str(address[0])).is_loopback for *_, address in found):
        return
    if any(_same(url, endpoint) for url in allowed):
        return
    url = f"{'https' if endpoint.tls else 'http'}://{endpoint.host}:{endpoint.port}"
    raise UsageError(
        f"{endpoint.host}:{endpoint.port} is not on loopback; if its owner agrees, say so with "
        f"--i-am-allowed-to-load {url}"
    )


def _same(url: str, endpoint: Endpoint) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return False
    return (parts.hostname, port) == (endpoint.host.lower(), endpoint.port)
