"""Keyed random draws: every draw is a pure function of (seed, entity, stream, occurrence).

Engine, thread, window and regime cannot change a draw, and common random numbers between regimes
come free. The mixer is SplitMix64's finaliser (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators", OOPSLA). The seed is hashed first: seed times a constant would only
shift the streams and make replications near-copies of each other.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import cast

import numpy as np
from numba import njit


class Stream(IntEnum):
    """What a draw is for. Values are part of every record's meaning: append, never renumber."""

    SWITCH_GAP = 1
    SWITCH_MARK = 2
    INITIAL_AGE = 3
    INITIAL_LIFE = 4
    INITIAL_TASK = 5
    RENEWAL = 6
    POLL_PHASE = 7
    SERVICE = 8
    BACKOFF = 9
    THEFT_TIME = 10
    THEFT_TARGET = 11
    THEFT_ACCEPT = 12
    FIRST_USE = 13
    USE_GAP = 14
    USE_PERMISSION = 15
    NOTICE = 16
    TRIAGE = 17
    REVOCATION = 18
    EVICTION = 19
    COVERAGE = 20
    PROBE_TIME = 21
    PROBE_TARGET = 22
    OPEN_AT_START = 23
    ARRIVAL = 24
    PERSONA = 25
    SWITCH_COUNT = 26
    SWITCH_SPLIT = 27
    BENIGN_TIME = 28
    BENIGN_AGENT = 29
    BENIGN_LENGTH = 30
    BENIGN_SLOT = 31
    BREAKOUT = 32
    LATERAL_ATTEMPT = 33
    LATERAL_TARGET = 34
    NODE_MEMBER = 35
    LINE_SEEN = 60
    CANARY = 61
    KNOWN_ADDRESS = 62
    BATCH_GAP = 63
    STEP_UP = 64
    FORGED_IDENTITY = 67
    FORGED_TASK = 68
    LEAK_CHANNEL = 69
    TENANT_SAMPLE = 70
    TENANT_ACCEPT = 71
    CUT_OFF = 40
    DATASTORE = 41
    SYNC_PHASE = 42
    RENEW_ALL = 50
    DIURNAL = 51
    RENEWAL_CHECK = 52
    RESTART = 53
    MASS_RESTART = 54
    CA_PHASE = 55
    INITIAL_WALK = 56
    BUNDLE_PHASE = 57
    CLOCK_SKEW = 58
    CLUSTER_SIZE = 95
    CLUSTER_MEMBER = 96
    CLUSTER_UNNOTICED = 97
    OUR_BUNDLE_PHASE = 80
    VERIFIER = 81
    BUNDLE_DOOR = 82
    BUNDLE_LASTS = 83
    BUNDLE_CHANGE = 84
    SYNC_GAP = 85
    DOCUMENT_LINE_SEEN = 90


_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_HALF_ULP = 2.0**-54
_ULP = 2.0**-53


@njit("uint64(uint64)", cache=True)
def _mix(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@njit("uint64(uint64, uint64, uint64)", cache=True)
def entity_key(seed_key: np.uint64, entity: np.uint64, stream: np.uint64) -> np.uint64:
    """Return the key of one entity's stream; draws from it are ``keyed_uniform(key, k)``."""
    return _mix(_mix(seed_key + entity * _GAMMA) ^ (stream * _M2))


@njit("float64(uint64, uint64)", cache=True)
def keyed_uniform(key: np.uint64, k: np.uint64) -> float:
    """Return draw ``k`` of a stream, uniform on the open interval (0, 1)."""
    return float(_mix(key + k * _GAMMA) >> _S11) * _ULP + _HALF_ULP


_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SQRT_HALF_BITS, _MANTISSA_BITS = np.int64(0x3FE6A09E667F3BCD), np.int64(52)


@njit(cache=True, inline="always", error_model="numpy")
def ln(x: float) -> float:
    """Return the natural logarithm of a normal positive number, to one unit in the last place.

    fdlibm's e_log.c (Sun Microsystems 1993) without its branches: the same bits on every machine,
    where the C library's logarithm differs between machines, and fit for vector units, which halve
    the cost of a drawn gap.
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _SQRT_HALF_BITS) >> _MANTISSA_BITS
    f = np.int64(bits - (exponent << _MANTISSA_BITS)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    odd = z * (
        6.666666666666735130e-01
        + w
        * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    k = np.float64(exponent)
    return k * _LN2_HIGH - ((half - (s * (half + (odd + even)) + k * _LN2_LOW)) - f)


def seed_key(seed: int, replication: int = 0) -> np.uint64:
    """Return the hashed seed of one replication, for ``entity_key``.

    Args:
        seed: any integer; negative and large ones are hashed whole.
        replication: number of the replication, at least 0.
    """
    state = np.random.SeedSequence([abs(seed), int(seed < 0), replication]).generate_state(
        1, np.uint64
    )
    return np.uint64(state[0])


@njit("float64(uint64, uint64, uint64, uint64)", cache=True)
def _uniform(seed_key: np.uint64, entity: np.uint64, stream: np.uint64, k: np.uint64) -> float:
    return keyed_uniform(entity_key(seed_key, entity, stream), k)


# plain ints: converting an enum or making numpy scalars would cost more than the draw
_draw = cast("Callable[[int, int, int, int], float]", _uniform)


def uniform(seed_key: np.uint64, entity: int, stream: Stream, k: int) -> float:
    """Return one keyed draw, uniform on (0, 1): the readable form, for code that is not compiled.

    Args:
        seed_key: from ``seed_key``.
        entity: number of the agent, secret, probe … that the draw concerns, at least 0.
        stream: what the draw is for.
        k: occurrence number, at least 0.
    """
    return _draw(int(seed_key), entity, int(stream), k)
