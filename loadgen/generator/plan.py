"""Reading ``plan.json``."""

import math
from pathlib import Path

import msgspec

from loadgen.generator.protocol import PLAN_FILE, GeneratorPlan
from scenarios.errors import InputError

_POSITIVE = ("seconds", "batches", "workers", "lag_bound_s", "max_connections", "timeout_s")
_NOT_NEGATIVE = ("warmup_s", "connections", "requests_per_connection", "drain_s")


def read_plan(rundir: Path) -> GeneratorPlan:
    """Read and check the plan of a run folder.

    Raises:
        InputError: missing, not readable, or a value that makes no sense; one line.
    """
    path = rundir / PLAN_FILE
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=GeneratorPlan)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from error
    for name in (*_POSITIVE, "connect_timeout_s", *_NOT_NEGATIVE):
        value = getattr(plan, name)
        allowed = value >= 0 if name in _NOT_NEGATIVE else value > 0
        if not math.isfinite(value) or not allowed:
            rule = "at least 0" if name in _NOT_NEGATIVE else "above 0"
            raise InputError(f"{path}: {name}: found {value}, allowed {rule}")
    if plan.warmup_s >= plan.seconds:
        raise InputError(f"{path}: warmup_s: found {plan.warmup_s}, allowed below seconds")
    if not plan.ops:
        raise InputError(f"{path}: ops: found none, allowed at least one")
    return plan
