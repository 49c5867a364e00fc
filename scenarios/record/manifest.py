"""What a run was: enough to repeat it and to distrust it."""

from typing import Any, Literal

import msgspec


class Manifest(msgspec.Struct, kw_only=True):
    """Written beside the tables as ``manifest.json``."""

    schema_version: int = 1
    run_id: str
    """16 hex digits; see ``store.simulated_run_id`` and ``store.measured_run_id``"""
    world: Literal["simulated", "measured"]
    engine: str
    """``reference`` or ``fleet``; the target's name in the measured world"""
    scenario: dict[str, Any]
    """the resolved form that was run (the window, in the measured world)"""
    sources: dict[str, str]
    """key path of the scenario → key of ``sources.toml``"""
    seed: int
    replications: int
    regimes: list[str]
    code_hash: str
    """SHA-256 of the sources that decide the result"""
    started_utc: str
    wall_s: float
    wall_at_zero_utc: str = ""
    """measured world: wall clock at run clock zero; the two are never subtracted"""
    machine: dict[str, str]
    target: dict[str, str] = {}
    """name and version of the service under test"""
    valid: bool = True
    reason: str = ""
    complete: bool = True
    """False for a partial record of an interrupted or broken run"""
    not_observable: dict[str, str] = {}
    """``table.column`` or detector → why it cannot be known here"""
    ignored: dict[str, str] = {}
    """scenario keys that this engine does not use → why"""
    notes: list[str] = []
