"""Refusals of the service: a status, a stable code for programs and one sentence for people."""

from scenarios.errors import RunError


class Refusal(RunError):  # noqa: N818  (an answer, not a failure of ours)
    """An answer of 4xx or 5xx; ``app`` turns it into JSON and an audit line.

    Attributes:
        status: HTTP status.
        code: stable, for programs, such as ``expired``.
        headers: further response headers, lower-case names.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or []


def unauthenticated(code: str, message: str) -> Refusal:
    """Return a 401 with the challenge that RFC 9110 §11.6.1 asks for."""
    return Refusal(401, code, message, [(b"www-authenticate", b'Bearer realm="midas"')])
