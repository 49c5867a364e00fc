"""A wire without identities: constant requests, for measuring and testing the generator itself."""

from typing import Any

from loadgen.targets.port import Op, Stolen


class PlainWire:
    """Agent i sends constant request i mod n and calls every 200 ``ok``.

    Args:
        requests: ``{"path": …, "body_bytes": …}`` each; with a body it is a POST.
        host: Host header.
    """

    def __init__(self, requests: list[dict[str, Any]], host: str) -> None:
        self._requests = [
            _request(each["path"], host, each.get("body_bytes", 0)) for each in requests
        ]
        self._n = len(self._requests)

    def prepare(self) -> None:
        """Nothing to prepare."""

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return the agent's constant request."""
        return self._requests[agent % self._n]

    def response(
        self,
        op: Op,  # noqa: ARG002
        agent: int,  # noqa: ARG002
        task: int,  # noqa: ARG002
        status: int,
        body: bytes,  # noqa: ARG002
        now_s: float,  # noqa: ARG002
    ) -> str:
        """Return ``ok`` for 200 and the status otherwise."""
        return "ok" if status == 200 else str(status)

    def steal(self, agent: int, task: int) -> Stolen | None:
        """Return a made-up credential for an agent with an even number, None for the others."""
        if agent % 2:
            return None
        return Stolen(agent, str(task), f"serial-{agent}", 0.0, None)


def _request(path: str, host: str, body_bytes: int) -> bytes:
    method = "POST" if body_bytes else "GET"
    length = f"Content-Length: {body_bytes}\r\n" if body_bytes else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n".encode() + b"x" * body_bytes


def wire(config: dict[str, Any]) -> PlainWire:
    """Make the wire from ``{"requests": […], "host": …}``."""
    return PlainWire(config.get("requests", [{"path": "/"}]), config.get("host", "localhost"))
