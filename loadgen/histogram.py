"""Latency histograms as they stand in a record: HdrHistogram V2, compressed, microseconds."""

from base64 import b64decode, b64encode

from hdrh.histogram import HdrHistogram

MIN_US, MAX_US, DIGITS = 1, 3_600_000_000, 3
"""1 µs to 1 h with 3 significant digits, the same in every process, so that they can be added"""


def empty() -> HdrHistogram:
    """Return a histogram without values."""
    return HdrHistogram(MIN_US, MAX_US, DIGITS)


def encode(histogram: HdrHistogram) -> bytes:
    """Return the compressed V2 form, header included; the library wraps it in base64."""
    return b64decode(histogram.encode())


def decode(data: bytes) -> HdrHistogram:
    """Return the histogram that ``encode`` wrote."""
    return HdrHistogram.decode(b64encode(data))
