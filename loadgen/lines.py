"""What every child of ours says alike: JSON lines on a pipe, a start, a fault.

The generator and the swarm each have a protocol of their own beside it.
"""

import msgspec


class Start(msgspec.Struct, frozen=True):
    """The start: ``zero_monotonic_s`` is run clock zero as CLOCK_MONOTONIC seconds."""

    zero_monotonic_s: float


class Fault(msgspec.Struct, frozen=True):
    """One line in plain words; ``exit_code`` is what the process will return."""

    message: str
    exit_code: int


class Result(msgspec.Struct, kw_only=True, frozen=True):
    """What a run was, beside its histograms; each child adds what it alone can say."""

    valid: bool
    reason: str
    """empty, or why not valid: ``generator saturated: …``, ``stopped``, ``worker lost`` …"""
    seconds: float
    errors: dict[str, int]
    lag_p99_s: float | None


def encode(message: msgspec.Struct) -> bytes:
    """Return one JSON line, newline included."""
    return msgspec.json.encode(message) + b"\n"
