"""Comparing the histories of two populations; the first difference is the bug report."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.layout import EVERYBODY
from simulator.population import (
    TRACE_DTYPE,
    Command,
    CommandKind,
    Counters,
    EventKind,
    Population,
)

SUMS = ("expired_agent_s", "queue_wait_s", "limited_wait_s", "first_credential_wait_s")
BEFORE, AFTER = 6, 3


def line(row: Any) -> str:  # noqa: ANN401  (a row of a structured array)
    t_s, kind, agent, slot, serial = row.item()
    return f"{t_s!r} {EventKind(kind).name} agent {agent} slot {slot} serial {serial}"


def first_difference(
    names: tuple[str, str], traces: tuple[NDArray[np.void], NDArray[np.void]]
) -> str:
    """Return the first differing event with both histories of its agent, empty when equal."""
    one, other = traces
    shared = min(len(one), len(other))
    differs = np.flatnonzero(one[:shared] != other[:shared])
    if not len(differs) and len(one) == len(other):
        return ""
    place = int(differs[0]) if len(differs) else shared
    rows = [trace[place] for trace in traces if place < len(trace)]
    row = min(rows, key=lambda row: row.item())
    report = [f"event {place} differs, agent {row['agent']}, t = {float(row['t_s'])!r} s"]
    for name, trace in zip(names, traces, strict=True):
        own = trace[trace["agent"] == row["agent"]]
        at = int(np.searchsorted(own["t_s"], row["t_s"]))
        report.append(f"{name}:")
        report += [f"  {line(event)}" for event in own[max(0, at - BEFORE) : at + AFTER]]
    return "\n".join(report)


def same_counters(one: Counters, other: Counters) -> bool:
    """Return whether integer totals are equal and sums of seconds equal to rounding."""
    for name, a, b in zip(Counters._fields, one, other, strict=True):
        if name == "events_executed":
            continue  # what passes through an engine one by one is the engine's own affair
        if name in SUMS and not np.isclose(a, b, rtol=1e-9):
            return False
        if name not in SUMS and a != b:
            return False
    return True


def roam(
    population: Population,
    agents: int,
    horizon_s: float,
    stops: int,
    seed: int,
    tenants: int = 0,
) -> list[object]:
    """Read and command a population at random instants; return everything that it answered.

    Where there are tenants, half of the orders to fleets go to one of them.
    """
    rng = np.random.default_rng(seed)
    answers: list[object] = []
    roamer = _Roamer(population, answers, tenants)
    actions: list[Callable[[int], None]] = [
        roamer.flip,
        roamer.partition,
        roamer.slow,
        roamer.watch,
        roamer.watch,
        roamer.replace,
        roamer.replace,
        roamer.look,
        roamer.look,
        roamer.set_ttl,
        roamer.renew_all,
        roamer.restart,
    ]
    for stop_s in np.sort(rng.uniform(0.0, horizon_s, stops)).tolist():
        population.advance(stop_s)
        actions[int(rng.integers(len(actions)))](int(rng.integers(agents)))
        if rng.random() < 0.1:
            answers.append((population.expired_now(), population.in_flight()))
            answers.append(population.backlog())
    population.advance(horizon_s)
    return answers


class _Roamer:
    """What may be done to a population at an instant, to an agent drawn for it."""

    def __init__(self, population: Population, answers: list[object], tenants: int) -> None:
        self._population, self._answers, self._tenants = population, answers, tenants
        self._down = self._cut_off = False
        self._watched: set[int] = set()

    def _command(self, kind: CommandKind, agent: int = -1, value: float = 0.0) -> None:
        self._population.command(Command(kind, agent, value))

    def _order(self, kind: CommandKind, agent: int, value: float) -> None:
        of = agent // 12 % (2 * self._tenants) if self._tenants else EVERYBODY
        tenant = of if of < self._tenants else EVERYBODY
        self._population.command(Command(kind, value=value, tenant=tenant))

    def flip(self, _: int) -> None:
        self._down = not self._down
        self._command(CommandKind.ISSUER_DOWN if self._down else CommandKind.ISSUER_UP)

    def partition(self, _: int) -> None:
        self._cut_off = not self._cut_off
        kind = CommandKind.CUT_OFF if self._cut_off else CommandKind.RECONNECT
        self._population.command(Command(kind, value=0.4, fault=0))

    def slow(self, agent: int) -> None:
        kind = CommandKind.SLOW_DATASTORE if agent % 2 else CommandKind.SLOW_SIGNING
        self._command(kind, value=(1.0, 3.0, 20.0)[agent % 3])

    def watch(self, agent: int) -> None:
        watched = agent in self._watched
        self._watched ^= {agent}
        self._command(CommandKind.UNWATCH if watched else CommandKind.WATCH, agent)

    def replace(self, agent: int) -> None:
        self._command(CommandKind.REPLACE, agent)
        self._answers.append(self._population.read(agent))

    def set_ttl(self, agent: int) -> None:
        self._order(CommandKind.SET_TTL, agent, (0.3, 1.0, 1.5)[agent % 3])

    def renew_all(self, agent: int) -> None:
        if agent % 4 == 0:
            self._order(CommandKind.RENEW_ALL, agent, 60.0)

    def restart(self, agent: int) -> None:
        if agent % 4 == 0:
            restarts = Command(CommandKind.MASS_RESTART, value=0.3, fault=agent, over_s=30.0)
            self._population.command(restarts)

    def look(self, agent: int) -> None:
        population = self._population
        self._answers.append((population.read(agent), population.current_task(agent)))
        self._answers.append([population.issued(agent) for agent in sorted(self._watched)])
        self._answers.append([population.lost(agent) for agent in sorted(self._watched)])
        self._answers.append(population.first_waits().tolist())


def kinds(trace: NDArray[np.void]) -> set[EventKind]:
    """Return the kinds of event in a trace."""
    assert trace.dtype == TRACE_DTYPE
    return {EventKind(kind) for kind in np.unique(trace["kind"]).tolist()}
