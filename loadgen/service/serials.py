"""Serials that grow with time, so that a document carries the instant of its issue.

X.509 validity and JWT NumericDate have whole seconds; detection needs to know which of two
documents is the newer one. A serial is the wall clock in microseconds, shifted by 12 bits for a
counter (the construction of UUIDv7, RFC 9562 §6.2), strictly increasing in one service and, as 16
hexadecimal digits, in text order too. It is a positive integer of 8 octets (RFC 5280 §4.1.2.2
allows 20); a public CA would need random bits instead, which a serial here has no use for.
"""

import time
from collections.abc import Callable

_COUNTER_BITS = 12


class Serials:
    """Makes serials; strictly increasing even when the wall clock steps back."""

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._wall_ns = wall_ns
        self._last = 0

    def next(self) -> int:
        """Return the next serial, larger than every one before."""
        self._last = max(self._last + 1, (self._wall_ns() // 1000) << _COUNTER_BITS)
        return self._last


def serial_text(serial: int) -> str:
    """Return the serial as it stands in audit lines, ``jti`` and answers: 16 hexadecimal digits."""
    return f"{serial:016x}"


def issued_wall_s(serial: int) -> float:
    """Return the instant of issue, in seconds since the epoch, that a serial carries."""
    return (serial >> _COUNTER_BITS) / 1e6
