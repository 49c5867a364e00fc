"""Other shapes of the same demand: who asks for what stays, when it is asked changes.

``scenario`` is the scenario's own: Poisson starts of every task with its active hours (hence the
time of day), and renewals when they are due; both worlds share it. The others are for questions to
a service: ``constant`` and ``poisson`` spread the same arrivals evenly or at random, ``herd`` lets
everything restart at once, ``trace:FILE`` replays a recording.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from scenarios.demand.schedule import AUTHORIZE, ISSUE, Demand, arrivals
from scenarios.demand.streams import Stream, seed_key, uniform
from scenarios.errors import Problem, ScenarioError, UsageError
from scenarios.spec.regime import Scope
from scenarios.spec.resolve import scale
from scenarios.spec.schema import Scenario, Start

Kind = Literal["scenario", "constant", "poisson", "herd", "trace"]
TRACE_COLUMNS = ["t_s", "agent", "task", "op"]
OP_NAMES = {"authorize": AUTHORIZE, "issue": ISSUE}
MAX_FAULTS = 20
HERD_SPREAD_S = 1.0
"""in which everything that restarts asks again, at uniform instants"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How arrivals lie in time; ``trace`` is the recording of a ``trace``."""

    kind: Kind = "scenario"
    trace: Path | None = None


SCENARIO_SHAPE = Shape()


def parse_shape(text: str) -> Shape:
    """Read ``scenario``, ``constant``, ``poisson``, ``herd`` or ``trace:FILE``.

    Raises:
        UsageError: it is none of them.
    """
    kind, _, path = text.partition(":")
    if kind == "trace" and path:
        return Shape("trace", Path(path))
    for known in get_args(Kind):
        if text == known != "trace":
            return Shape(known)
    raise UsageError(
        f"--arrivals: found {text!r}, allowed scenario, constant, poisson, herd, trace:FILE"
    )


def shaped(scenario: Scenario, seed: int, shape: Shape) -> tuple[Scenario, Demand]:
    """Return the window as it is driven, and its arrivals.

    A herd changes the window's start, a recording the number of its agents.

    Raises:
        ScenarioError, UsageError: the recording cannot be read or does not fit the window.
    """
    seconds = scenario.horizon_s
    if shape.kind == "trace" and shape.trace is not None:
        per_task = scenario.regimes[0].scope is Scope.ONE_TASK
        return _fitted(scenario, read_trace(shape.trace, per_task=per_task), shape.trace)
    if shape.kind == "herd":
        scenario = herded(scenario)
        return scenario, herd(arrivals(scenario, seed), seed)
    demand = arrivals(scenario, seed)
    if shape.kind == "constant":
        demand = constant(demand, seconds)
    elif shape.kind == "poisson":
        demand = poisson(demand, seconds, seed)
    return scenario, demand


def _fitted(scenario: Scenario, demand: Demand, path: Path) -> tuple[Scenario, Demand]:
    """Return the window with as many agents as a recording names, cut at the window's end."""
    agents = max(int(demand.agent.max()) + 1, len(scenario.workloads))
    scenario = scale(scenario, agents)
    tasks = np.repeat(
        [len(workload.tasks) for workload in scenario.workloads],
        [workload.count for workload in scenario.workloads],
    )
    wrong = np.flatnonzero(demand.task >= tasks[demand.agent])
    if len(wrong):
        agent, task = int(demand.agent[wrong[0]]), int(demand.task[wrong[0]])
        allowed = (
            f"agent {agent} has tasks 0 … {tasks[agent] - 1}, {len(wrong)} arrivals name others"
        )
        raise ScenarioError(path, [Problem("task", str(task), allowed)])
    inside = demand.t_s < scenario.horizon_s
    kept = {name: getattr(demand, name)[inside] for name in ("t_s", "agent", "task", "op")}
    return scenario, replace(demand, **kept)


def constant(demand: Demand, seconds: float) -> Demand:
    """Return the arrivals in their order, at equal distances."""
    count = len(demand)
    middle = np.arange(count, dtype=np.float64) + 0.5
    return replace(demand, t_s=np.multiply(middle, seconds / max(count, 1)))


def poisson(demand: Demand, seconds: float, seed: int) -> Demand:
    """Return the arrivals in their order, at the instants of a Poisson process of their number.

    Given its number of points, a Poisson process is that many uniform points, sorted.
    """
    key = seed_key(seed)
    drawn = [uniform(key, 0, Stream.ARRIVAL, k) for k in range(len(demand))]
    return replace(demand, t_s=np.sort(np.array(drawn, dtype=np.float64)) * seconds)


def herded(scenario: Scenario) -> Scenario:
    """Return the scenario whose credentials are all issued at its start."""
    start = Start(ages="synchronised", hour_of_day=scenario.start.hour_of_day)
    return scenario.model_copy(update={"start": start})


def herd(demand: Demand, seed: int) -> Demand:
    """Return the arrivals after a restart of everything: each slot asks in the first second.

    Nothing is primed. The demand is one of a ``herded`` scenario, so that the herd meets again at
    its renewals.
    """
    primed, key = demand.primed, seed_key(seed)
    asks_s = [uniform(key, 0, Stream.ARRIVAL, k) * HERD_SPREAD_S for k in range(len(primed))]
    t_s = np.concatenate([np.array(asks_s, dtype=np.float64), demand.t_s])
    order = np.argsort(t_s, kind="stable")
    return Demand(
        t_s=t_s[order],
        agent=np.concatenate([primed[:, 0], demand.agent])[order],
        task=np.concatenate([primed[:, 1], demand.task]).astype(np.int32)[order],
        op=np.concatenate([np.full(len(primed), ISSUE), demand.op]).astype(np.uint8)[order],
        primed=primed[:0],
        primed_s=demand.primed_s[:0],
    )


def read_trace(path: Path, *, per_task: bool = False) -> Demand:
    """Read a recording: CSV with the columns ``t_s,agent,task,op``, in any order of time.

    ``op`` is ``authorize`` or ``issue``; agents and tasks count from 0. Slots that are used before
    anything is issued to them are primed.

    Args:
        path: the file.
        per_task: whether each task has a document of its own.

    Raises:
        ScenarioError: naming every fault, at most twenty.
    """
    problems: list[Problem] = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = sorted(_trace_rows(csv.reader(file), problems))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ScenarioError(path, [Problem("", "", f"cannot be read: {reason}")]) from error
    if not rows and not problems:
        problems.append(Problem("", "no arrivals", "must hold at least one"))
    if problems:
        raise ScenarioError(path, problems[:MAX_FAULTS])
    primed = np.array(_used_before_issued(rows, per_task=per_task), dtype=np.int64).reshape(-1, 2)
    return Demand(
        t_s=np.array([row[0] for row in rows], dtype=np.float64),
        agent=np.array([row[1] for row in rows], dtype=np.int64),
        task=np.array([row[2] for row in rows], dtype=np.int32),
        op=np.array([row[3] for row in rows], dtype=np.uint8),
        primed=primed,
        primed_s=np.zeros(len(primed)),
    )


def write_trace(demand: Demand, path: Path) -> None:
    """Write arrivals as a recording that ``read_trace`` reads."""
    names = {code: name for name, code in OP_NAMES.items()}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(TRACE_COLUMNS)
        writer.writerows(
            (repr(t_s), agent, task, names[op])
            for t_s, agent, task, op in zip(
                demand.t_s.tolist(),
                demand.agent.tolist(),
                demand.task.tolist(),
                demand.op.tolist(),
                strict=True,
            )
        )


Row = tuple[float, int, int, int]


def _trace_rows(reader: "Iterator[list[str]]", problems: list[Problem]) -> Iterator[Row]:
    header = next(reader, [])
    if header != TRACE_COLUMNS:
        problems.append(
            Problem("line 1", ",".join(header)[:80], f"must be {','.join(TRACE_COLUMNS)}")
        )
        return
    for number, fields in enumerate(reader, start=2):
        if not fields:
            continue
        row = _trace_row(fields)
        if isinstance(row, str):
            problems.append(Problem(f"line {number}", ",".join(fields)[:80], row))
        else:
            yield row


def _trace_row(fields: list[str]) -> Row | str:
    if len(fields) != len(TRACE_COLUMNS):
        return f"must have {len(TRACE_COLUMNS)} columns"
    try:
        t_s, agent, task = float(fields[0]), int(fields[1]), int(fields[2])
    except ValueError:
        return "t_s must be a number, agent and task whole numbers"
    if not (isfinite(t_s) and t_s >= 0 and 0 <= agent < 10_000_000 and 0 <= task < 16):
        return "t_s must be at least 0, agent in 0 … 9,999,999, task in 0 … 15"
    if fields[3] not in OP_NAMES:
        return f"op must be {' or '.join(OP_NAMES)}"
    return t_s, agent, task, OP_NAMES[fields[3]]


def _used_before_issued(rows: list[Row], *, per_task: bool) -> list[tuple[int, int]]:
    first: dict[tuple[int, int], int] = {}
    for _, agent, task, op in rows:
        first.setdefault((agent, task if per_task else 0), op)
    return [slot for slot, op in sorted(first.items()) if op == AUTHORIZE]
