"""The arrivals of one worker: its share of the one demand of the run."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadgen.generator.protocol import DEMAND_FILE, GeneratorPlan
from scenarios.errors import InputError


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals in order of their intended start; four arrays of one length."""

    t_s: NDArray[np.float64]
    agent: NDArray[np.int64]
    task: NDArray[np.int32]
    op: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.t_s)

    def share(self, worker: int, workers: int, by: Literal["agent", "arrival"]) -> "Schedule":
        """Return what worker ``worker`` of ``workers`` sends; the shares are a partition.

        By ``agent``: the agents that occur are dealt out in the order of their numbers, so that
        each keeps all its arrivals in one process. By ``arrival``: every n-th one.
        """
        if workers == 1:
            return self
        if by == "arrival":
            mine = slice(worker, None, workers)
            return Schedule(self.t_s[mine], self.agent[mine], self.task[mine], self.op[mine])
        rank = np.unique(self.agent, return_inverse=True)[1]
        chosen = np.flatnonzero(rank % workers == worker)
        return Schedule(self.t_s[chosen], self.agent[chosen], self.task[chosen], self.op[chosen])


def batch_of(
    t_s: NDArray[np.float64], warmup_s: float, seconds: float, batches: int
) -> NDArray[np.int64]:
    """Return the batch of each intended start: equal slices of the time after the warm-up.

    −1 before ``warmup_s``; an arrival after ``seconds`` belongs to the last batch.
    """
    width = max(seconds - warmup_s, 1e-9) / batches
    batch = np.minimum(np.floor((t_s - warmup_s) / width), batches - 1).astype(np.int64)
    return np.where(t_s < warmup_s, -1, batch)


def load_schedule(rundir: Path, plan: GeneratorPlan) -> Schedule:
    """Read ``demand.npz`` of a run folder.

    Raises:
        InputError: missing, not readable, or not the four arrays that the protocol names.
    """
    path = rundir / DEMAND_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            schedule = Schedule(
                np.ascontiguousarray(arrays["t_s"], dtype=np.float64),
                np.ascontiguousarray(arrays["agent"], dtype=np.int64),
                np.ascontiguousarray(arrays["task"], dtype=np.int32),
                np.ascontiguousarray(arrays["op"], dtype=np.uint8),
            )
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{path}: not a demand file: {error}") from error
    _check(schedule, plan, path)
    return schedule


def _check(schedule: Schedule, plan: GeneratorPlan, path: Path) -> None:
    n = len(schedule)
    if n == 0:
        raise InputError(f"{path}: no arrivals")
    if any(len(part) != n for part in (schedule.agent, schedule.task, schedule.op)):
        raise InputError(f"{path}: t_s, agent, task and op differ in length")
    t_s = schedule.t_s
    if not np.isfinite(t_s).all() or t_s[0] < 0 or (np.diff(t_s) < 0).any():
        raise InputError(f"{path}: t_s is not finite, not negative and ascending")
    if int(schedule.op.max()) >= len(plan.ops):
        raise InputError(f"{path}: op {int(schedule.op.max())}, but the plan names {len(plan.ops)}")
