"""The arrival schedule: every task start and every renewal of a window at its due instant.

Instants are computed as if issuing took no time, so a slow service cannot delay what is asked of
it: the schedule is open-loop. Draws are the simulator's own, so both worlds see the same switches.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import Stream, seed_key, uniform
from scenarios.demand.switches import SwitchLaw, switch_law, switches
from scenarios.spec.regime import Regime, Renewal, Scope
from scenarios.spec.rules import renewal_age
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
    """

    t_s: NDArray[np.float64]
    agent: NDArray[np.int64]
    task: NDArray[np.int32]
    op: NDArray[np.uint8]
    primed: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of arrivals."""
        return len(self.t_s)


def arrivals(scenario: Scenario, seed: int) -> Demand:
    """Return the arrivals of a scenario with one regime, from 0 to its horizon.

    Credential ages at the start are stationary: a timer's first renewal falls uniformly into its
    cycle; a slot renewed at use is somewhere in its cycle of due age plus waiting for a use, which
    takes 1/Λ in the mean. Under ONE_TASK slots start empty; otherwise they are primed.
    """
    (regime,) = scenario.regimes
    key = seed_key(seed)
    rows: list[tuple[float, int, int, int]] = []
    primed: list[tuple[int, int]] = []
    agent = 0
    for workload in scenario.workloads:
        law = switch_law(workload, scenario.start.hour_of_day)
        for _ in range(workload.count):
            if regime.renewal.rule is Renewal.AT_USE:
                _at_use(key, agent, law, regime, scenario, rows)
            else:
                _by_timer(key, agent, law, regime, scenario, rows)
            if regime.scope is Scope.ALL_TASKS:
                primed.append((agent, 0))
            agent += 1
    rows.sort()
    return Demand(
        t_s=np.array([row[0] for row in rows], dtype=np.float64),
        agent=np.array([row[2] for row in rows], dtype=np.int64),
        task=np.array([row[3] for row in rows], dtype=np.int32),
        op=np.array([1 - row[1] for row in rows], dtype=np.uint8),
        primed=np.array(primed, dtype=np.int64).reshape(-1, 2),
    )


def due_age(key: np.uint64, agent: int, issue: int, regime: Regime) -> float:
    """Return the age at which credential ``issue`` is due: ``rules.renewal_age``."""
    renewal = regime.renewal
    return renewal_age(
        int(renewal.rule),
        regime.ttl_s,
        renewal.fraction,
        renewal.jitter,
        renewal.poll_s,
        renewal.before_expiry_s,
        uniform(key, agent, Stream.POLL_PHASE, issue),
        uniform(key, agent, Stream.RENEWAL, issue),
    )


def _by_timer(
    key: np.uint64,
    agent: int,
    law: SwitchLaw,
    regime: Regime,
    scenario: Scenario,
    rows: list[tuple[float, int, int, int]],
) -> None:
    horizon_s = scenario.horizon_s
    for switch in switches(key, agent, law):
        if switch.t_s >= horizon_s:
            break
        rows.append((switch.t_s, 1, agent, switch.task))
    age_s = due_age(key, agent, 0, regime)
    if age_s == inf:
        return
    t_s = age_s
    if scenario.start.ages == "stationary":
        t_s *= uniform(key, agent, Stream.INITIAL_AGE, 0)
    issue = 0
    while t_s < horizon_s:
        rows.append((t_s, 0, agent, 0))
        issue += 1
        t_s += due_age(key, agent, issue, regime)


def _at_use(
    key: np.uint64,
    agent: int,
    law: SwitchLaw,
    regime: Regime,
    scenario: Scenario,
    rows: list[tuple[float, int, int, int]],
) -> None:
    if law.total_rate_hz <= 0.0:
        return
    per_task = regime.scope is Scope.ONE_TASK
    due_s: dict[int, float] = {}
    issue = 0
    if not per_task:
        age_s = due_age(key, agent, 0, regime)
        elapsed_s = 0.0
        if scenario.start.ages == "stationary":
            cycle_s = age_s + 1.0 / law.total_rate_hz
            elapsed_s = cycle_s * uniform(key, agent, Stream.INITIAL_AGE, 0)
        due_s[0] = max(0.0, age_s - elapsed_s)
    for switch in switches(key, agent, law):
        if switch.t_s >= scenario.horizon_s:
            return
        slot = switch.task if per_task else 0
        if switch.t_s >= due_s.get(slot, 0.0):
            issue += 1
            rows.append((switch.t_s, 0, agent, slot))
            due_s[slot] = switch.t_s + due_age(key, agent, issue, regime)
        rows.append((switch.t_s, 1, agent, switch.task))
