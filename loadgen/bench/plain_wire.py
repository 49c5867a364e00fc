"""A wire without identities: one constant request, for measuring the generator itself."""

from typing import Any

from loadgen.targets.port import Op, Stolen


class PlainWire:
    """Sends ``GET <path>`` and calls every 200 ok."""

    def __init__(self, path: str, host: str) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    def prepare(self) -> None:
        """Nothing to prepare."""

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return the constant request."""
        return self._request

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
        return "ok" if status == 200 else str(status)  # noqa: PLR2004

    def steal(self, agent: int, task: int) -> Stolen | None:  # noqa: ARG002
        """Nobody holds anything here."""
        return None


def wire(config: dict[str, Any]) -> PlainWire:
    """Make the wire from ``{"path": …, "host": …}``."""
    return PlainWire(config.get("path", "/"), config.get("host", "localhost"))
