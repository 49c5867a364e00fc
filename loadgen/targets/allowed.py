"""Load goes to this machine, unless its owner has said otherwise of a URL."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from scenarios.errors import UsageError


def check_allowed(name: str, url: str, allowed_urls: Collection[str]) -> None:
    """Refuse a URL that is neither on loopback nor allowed.

    Args:
        name: of the target, for the message.
        url: what is to be loaded.
        allowed_urls: those of ``--i-am-allowed-to-load``; scheme, host and port count.

    Raises:
        UsageError: one line with the remedy.
    """
    if _loopback(url) or _origin(url) in {_origin(allowed) for allowed in allowed_urls}:
        return
    raise UsageError(
        f"{name}: {url} is not on this machine; if you may load it: --i-am-allowed-to-load {url}"
    )


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    try:
        port = parts.port or default
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port
