"""The five tables of a run record, the same in the simulated and the measured world.

A value that an engine cannot know is None, with its reason in ``Manifest.not_observable``.
All times are seconds on the run clock, 0 at the start of the run.
"""

from typing import Literal

import msgspec

End = Literal["expired", "revoked", "evicted", "open", "refused"]


class Count(msgspec.Struct, frozen=True, gc=False):
    """One number of one replication, by name; the unit ends the name."""

    point: str
    regime: str
    replication: int
    name: str
    value: float


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value of a time series; ``t_s`` is the start of its interval."""

    point: str
    regime: str
    replication: int
    t_s: float
    name: str
    value: float


class OperationRow(msgspec.Struct, frozen=True, gc=False):
    """Latencies of one operation with one result code, from the intended start."""

    point: str
    regime: str
    replication: int
    batch: int
    """consecutive batch of the run, for intervals on percentiles"""
    op: str
    code: str
    """``ok`` or why not: an HTTP status, ``timeout``, ``refused``, ``protocol`` …"""
    count: int
    histogram: bytes
    """HdrHistogram V2 compressed encoding, microseconds; empty where no latency exists"""


class Incident(msgspec.Struct, frozen=True):
    """One theft, from the theft to its end (model.md §5).

    ``end`` is how the *credential* ended for the thief; ``evicted_s`` when his last access ended.
    """

    point: str
    regime: str
    replication: int
    persona: str
    injected: bool
    agent: int
    credential: str
    """serial taken, as text"""
    stolen_s: float
    """negative for one that was already open when the run started"""
    first_use_s: float | None
    alert_s: float | None
    detector: str | None
    decided_s: float | None
    revoked_s: float | None
    """when the verifiers refuse it"""
    last_accepted_s: float | None
    expires_s: float | None
    """None for a credential without end"""
    evicted_s: float | None
    end: End
    uses_accepted: int
    uses_refused: int
    permissions: int
    """permissions that the stolen credential opened"""
    expected: str
    """outcome that the design of this theft expects: a detector's name, ``expired``,
    ``undetected`` or empty where nothing is expected"""


class AlertRow(msgspec.Struct, frozen=True, gc=False):
    """One alert; ``incident`` is the row number in the incidents table, None for a false alarm."""

    point: str
    regime: str
    replication: int
    t_s: float
    event_s: float
    """when the event that raised it happened: ``t_s - event_s`` is the detector's latency"""
    detector: str
    identity: str
    incident: int | None
