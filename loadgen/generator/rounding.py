"""Rounding of response times for Locust's statistics."""

import math

_DIGITS = 3


def round_ms(milliseconds: float) -> float:
    """Return a response time with 3 significant digits.

    Locust's own rule keeps whole milliseconds, under which a service that answers in 0.3 ms has a
    median of 0, and 906 ms becomes 910.
    """
    if milliseconds <= 0:
        return 0.0
    return round(milliseconds, _DIGITS - 1 - math.floor(math.log10(milliseconds)))
