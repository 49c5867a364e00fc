"""The arrival schedule: every task start and every renewal of a window at its due instant.

Instants are computed as if issuing took no time, so a slow service cannot delay what is asked of
it: the schedule is open-loop. Draws are the simulator's own, so both worlds see the same switches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.initial import SLOTS, initial_slot
from scenarios.demand.streams import Stream, entity_key, seed_key, uniform
from scenarios.demand.switches import Switch, SwitchLaw, switch_law, switches, use_rate_hz
from scenarios.spec.regime import RegimeRow, Scope, regime_row
from scenarios.spec.schema import Scenario

AUTHORIZE, ISSUE = 0, 1
"""codes of ``Demand.op``"""


@dataclass(frozen=True, slots=True)
class Demand:
    """Arrivals in ascending order of time.

    Attributes:
        t_s: intended instants, float64, shape (n,).
        agent: int64, shape (n,).
        task: index of the task within the agent's class, int32, shape (n,); for an ISSUE under
            scope ALL_TASKS it is 0.
        op: AUTHORIZE or ISSUE, uint8, shape (n,). An ISSUE stands before the AUTHORIZE of the same
            instant that needs it.
        primed: (agent, task) pairs that hold a credential when the window opens, int64, shape
            (m, 2); the driver issues them before the clock starts.
        primed_s: when each of them was issued, at most 0, float64, shape (m,); 0 where that has no
            meaning: a credential without end, or everything issued at the start.
    """

    t_s: NDArray[np.float64]
    agent: NDArray[np.int64]
    task: NDArray[np.int32]
    op: NDArray[np.uint8]
    primed: NDArray[np.int64]
    primed_s: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of arrivals."""
        return len(self.t_s)


def arrivals(scenario: Scenario, seed: int) -> Demand:
    """Return the arrivals of a scenario with one regime, from 0 to its horizon.

    Switches, renewal ages and the stationary state at t = 0 are the simulator's own draws of
    replication 0; only the issuer's time is left out.
    """
    (regime,) = scenario.regimes
    key, numbers = seed_key(seed), regime_row(regime)
    rows: list[Row] = []
    primed: list[tuple[int, int]] = []
    primed_s: list[float] = []
    agent = 0
    for workload in scenario.workloads:
        law = switch_law(workload, scenario.start.hour_of_day)
        for _ in range(workload.count):
            owner = _Agent(key, agent, law, numbers)
            held = owner.start(scenario.start.ages == "stationary")
            primed += [(agent, slot) for slot in held]
            primed_s += [issued_s for issued_s, _ in held.values()]
            due_s = {slot: due for slot, (_, due) in held.items()}
            if regime.renewal.at_use:
                rows += owner.renewed_at_use(due_s, scenario.horizon_s)
            else:
                rows += owner.renewed_by_timer(due_s, scenario.horizon_s)
            agent += 1
    rows.sort()
    return Demand(
        t_s=np.array([row.t_s for row in rows], dtype=np.float64),
        agent=np.array([row.agent for row in rows], dtype=np.int64),
        task=np.array([row.task for row in rows], dtype=np.int32),
        op=np.array([row.op for row in rows], dtype=np.uint8),
        primed=np.array(primed, dtype=np.int64).reshape(-1, 2),
        primed_s=np.array(primed_s, dtype=np.float64),
    )


class Row(NamedTuple):
    """One arrival; at one instant an ISSUE sorts before the AUTHORIZE that needs it."""

    t_s: float
    agent: int
    before: int
    task: int
    op: int


class _Agent:
    """One agent's part of the demand."""

    def __init__(self, key: np.uint64, agent: int, law: SwitchLaw, row: RegimeRow) -> None:
        self._key, self._agent, self._law, self._row = key, agent, law, row
        self._per_task = row.scope == Scope.ONE_TASK
        self._slots = len(law.cumulative_hz) if self._per_task else 1

    def start(self, stationary: bool) -> dict[int, tuple[float, float]]:
        """Return (issued, due) of the slots that hold a credential at t = 0."""
        if not stationary:
            return {slot: (0.0, self._due_age(slot, 0)) for slot in range(self._slots)}
        row, held = self._row, {}
        for slot in range(self._slots):
            issued_s, due, _ = initial_slot(
                *row.rule_numbers,
                use_rate_hz(self._law, slot if self._per_task else None),
                self._stream(Stream.INITIAL_AGE),
                self._stream(Stream.INITIAL_LIFE),
                self._stream(Stream.INITIAL_TASK),
                slot,
            )
            if issued_s < inf:
                held[slot] = issued_s, due
        return held

    def renewed_by_timer(self, due_s: dict[int, float], horizon_s: float) -> Iterator[Row]:
        """Yield task starts, and issuances whenever one is due."""
        for switch in self._switches(horizon_s):
            yield self._authorize(switch)
        for slot, due in due_s.items():
            t_s, serial = due, 0
            while t_s < horizon_s:
                yield self._issue(t_s, slot)
                serial += 1
                t_s += self._due_age(slot, serial)

    def renewed_at_use(self, due_s: dict[int, float], horizon_s: float) -> Iterator[Row]:
        """Yield task starts, and issuances at those that find their slot empty or due."""
        serials = dict.fromkeys(due_s, 0)
        for switch in self._switches(horizon_s):
            slot = switch.task if self._per_task else 0
            if switch.t_s >= due_s.get(slot, -inf):
                yield self._issue(switch.t_s, slot)
                serials[slot] = serials.get(slot, -1) + 1
                due_s[slot] = switch.t_s + self._due_age(slot, serials[slot])
            yield self._authorize(switch)

    def _switches(self, horizon_s: float) -> Iterator[Switch]:
        found = switches(self._key, self._agent, self._law)
        return takewhile(lambda switch: switch.t_s < horizon_s, found)

    def _authorize(self, switch: Switch) -> Row:
        return Row(switch.t_s, self._agent, 1, switch.task, AUTHORIZE)

    def _issue(self, t_s: float, slot: int) -> Row:
        return Row(t_s, self._agent, 0, slot, ISSUE)

    def _stream(self, stream: Stream) -> np.uint64:
        return np.uint64(entity_key(self._key, np.uint64(self._agent), np.uint64(stream)))

    def _due_age(self, slot: int, serial: int) -> float:
        occurrence = SLOTS * serial + slot
        return self._row.renewal_age(
            uniform(self._key, self._agent, Stream.POLL_PHASE, occurrence),
            uniform(self._key, self._agent, Stream.RENEWAL, occurrence),
        )
