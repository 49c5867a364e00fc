"""From a scenario to what a measured run does: identities, arrivals, and the generator's plan.

The run clock is zero where the window opens. Credentials that agents hold at that instant are
issued before, in a *prologue* at negative run times; the generator, whose clock starts with the
prologue, reports it apart. Then follow the window's arrivals, of which the first ones (the warm-up)
are reported apart too.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadgen.generator.protocol import (
    DEMAND_FILE,
    PLAN_FILE,
    GeneratorPlan,
    WirePlan,
    default_warmup_s,
)
from loadgen.prologue import Prologue, prologue
from loadgen.shapes import SCENARIO_SHAPE, Shape, shaped
from loadgen.targets.port import Capability, Endpoint, Identity, Op
from scenarios.demand.schedule import ISSUE, Demand
from scenarios.demand.streams import seed_key
from scenarios.demand.window import window
from scenarios.errors import UsageError
from scenarios.spec.regime import Artifact, Enforcer, Regime, Scope
from scenarios.spec.schema import Scenario, Task

OPS = [Op.AUTHORIZE, Op.ISSUE_KEY, Op.ISSUE_X509, Op.ISSUE_JWT]
_ISSUE = {
    Artifact.STATIC_KEY: Op.ISSUE_KEY,
    Artifact.X509_SVID: Op.ISSUE_X509,
    Artifact.JWT_SVID: Op.ISSUE_JWT,
}
_CAPABILITY = {
    Artifact.STATIC_KEY: Capability.STATIC_KEY,
    Artifact.X509_SVID: Capability.X509_SVID,
    Artifact.JWT_SVID: Capability.JWT_SVID,
}
ISSUE_ALLOWANCE_S = 0.1
"""An agent that renews at use asks for a credential and then uses it. The schedule is open-loop, so
the use follows the request by this much, whether the answer has come by then or not."""


@dataclass(frozen=True)
class Plan:
    """One regime's measured run, decided before it starts."""

    scenario: Scenario
    """the window: one regime, as many agents as the rate asks for"""
    seed: int
    demand: Demand
    """arrivals of the window, on the run clock"""
    identities: list[Identity]
    """one per agent, in order; agents that share a secret have the same name"""
    prologue: Prologue
    warmup_s: float
    """of the window's beginning, reported apart"""
    shape: Shape = SCENARIO_SHAPE

    @property
    def regime(self) -> Regime:
        """Return the regime that is driven."""
        return self.scenario.regimes[0]

    @property
    def seconds(self) -> float:
        """Return the length of the window."""
        return self.scenario.horizon_s

    @property
    def task_scope(self) -> bool:
        """Return whether a document opens one task only."""
        return self.regime.scope is Scope.ONE_TASK

    @property
    def issue_op(self) -> Op:
        """Return the operation that issues this regime's credentials."""
        return _ISSUE[self.regime.artifact]

    @property
    def ttl_s(self) -> float | None:
        """Return the lifetime asked for, None for a credential without end."""
        return None if self.regime.ttl_s == inf else self.regime.ttl_s

    def task_name(self, agent: int, task: int) -> str:
        """Return the name of an agent's task."""
        return list(self.identities[agent].permissions)[task]

    @cached_property
    def primed_s(self) -> dict[tuple[int, int], float]:
        """Return when each (agent, slot) is asked for that holds a credential at the opening."""
        slots = (tuple(slot) for slot in self.prologue.slots.tolist())
        return dict(zip(slots, self.prologue.t_s.tolist(), strict=True))

    @cached_property
    def seed_key(self) -> np.uint64:
        """Return the hashed seed of keyed draws."""
        return seed_key(self.seed)

    @cached_property
    def active(self) -> list[int]:
        """Return the agents that do anything in the window, ascending."""
        return [int(agent) for agent in np.unique(self.demand.agent)]

    @cached_property
    def holders(self) -> dict[str, list[int]]:
        """Return the agents that hold a document of each identity: several share a secret."""
        found: dict[str, list[int]] = {}
        for identity in self.identities:
            found.setdefault(identity.name, []).append(identity.agent)
        return found

    @cached_property
    def order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the window's arrivals grouped by agent: (indices, first position per agent)."""
        indices = np.argsort(self.demand.agent, kind="stable")
        edges = np.searchsorted(self.demand.agent[indices], np.arange(len(self.identities) + 1))
        return indices, edges

    def of_agent(self, agent: int) -> NDArray[np.int64]:
        """Return the positions of an agent's arrivals in the demand, in order of time."""
        indices, edges = self.order
        return indices[edges[agent] : edges[agent + 1]]


def plan(
    scenario: Scenario,
    regime: str,
    seed: int,
    *,
    rate_hz: float,
    seconds: float,
    warmup_s: float | None = None,
    shape: Shape = SCENARIO_SHAPE,
) -> Plan:
    """Return the measured run of one regime.

    Args:
        scenario: the resolved scenario, of which a window is taken.
        regime: name of one of its regimes.
        seed: of every draw.
        rate_hz: operations a second that the window's agents offer together.
        seconds: length of the window.
        warmup_s: reported apart; None for the usual rule (a tenth of the run, at most 5 s), or
            nothing after a restart, whose beginning is what matters.
        shape: how the arrivals lie in time.

    Raises:
        UsageError: the window offers nothing at all, or is all warm-up.
        ScenarioError: a recording cannot be read or does not fit.
    """
    small, demand = shaped(window(scenario, regime, rate_hz, seconds), seed, shape)
    if not len(demand):
        raise UsageError(f"{rate_hz:g}/s for {seconds:g} s: no arrival falls into the window")
    if small.regimes[0].renewal.at_use and shape.kind != "trace":
        demand = _use_after_issue(demand)
    if warmup_s is None:
        warmup_s = 0.0 if shape.kind == "herd" else default_warmup_s(seconds)
    if warmup_s >= seconds:
        raise UsageError(f"warm-up: found {warmup_s:g} s, must be shorter than {seconds:g} s")
    ttl_s = small.regimes[0].ttl_s
    return Plan(
        scenario=small,
        seed=seed,
        demand=demand,
        identities=identities(small),
        prologue=prologue(demand, seconds, rate_hz, None if ttl_s == inf else ttl_s),
        warmup_s=warmup_s,
        shape=shape,
    )


def identities(scenario: Scenario) -> list[Identity]:
    """Return who asks: a SPIFFE ID for each agent, or a name for each shared secret."""
    regime = scenario.regimes[0]
    found: list[Identity] = []
    for workload in scenario.workloads:
        permissions = {task.name: task.permissions for task in workload.tasks}
        for number in range(workload.count):
            if regime.artifact is Artifact.STATIC_KEY:
                name = f"key://{workload.name}/{number // regime.shared_by}"
            else:
                name = f"spiffe://{scenario.trust_domain}/{workload.name}/{number}"
            found.append(Identity(len(found), name, workload.name, permissions))
    return found


def needed_capabilities(scenario: Scenario) -> frozenset[Capability]:
    """Return what a target must be able to do to run a window.

    Deciding about uses is not among it: where a target does not, ``write`` leaves them out.
    """
    regime = scenario.regimes[0]
    needed = {_CAPABILITY[regime.artifact]}
    if regime.scope is Scope.ONE_TASK and regime.scope_enforced_by is not Enforcer.NOBODY:
        needed.add(Capability.TASK_SCOPE)
    return frozenset(needed)


def foreign_permission(scenario: Scenario, own: frozenset[str]) -> str:
    """Return a permission outside ``own``: another task's if there is one, else a made-up one."""
    for task in _tasks(scenario):
        for permission in task.permissions:
            if permission not in own:
                return permission
    return "identity-admin:impersonate"


def _tasks(scenario: Scenario) -> list[Task]:
    return [task for workload in scenario.workloads for task in workload.tasks]


def _use_after_issue(demand: Demand) -> Demand:
    """Let each use that directly follows a request of its agent come no sooner than allowed."""
    t_s = demand.t_s.copy()
    needs = np.zeros(len(t_s), dtype=bool)
    issue = demand.op == ISSUE
    needs[1:] = issue[:-1] & ~issue[1:] & (demand.agent[:-1] == demand.agent[1:])
    asked_s = np.roll(t_s, 1)
    t_s[needs] = np.maximum(t_s[needs], asked_s[needs] + ISSUE_ALLOWANCE_S)
    order = np.argsort(t_s, kind="stable")
    return replace(
        demand,
        t_s=t_s[order],
        agent=demand.agent[order],
        task=demand.task[order],
        op=demand.op[order],
    )


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """How the load is generated, whatever it is."""

    workers: int = 1
    """processes"""
    lag_bound_s: float = 0.010
    """p99 of the generator's own delay above which a run is not valid"""


def write(
    plan: Plan,
    rundir: Path,
    endpoint: Endpoint,
    wire: WirePlan,
    options: GeneratorOptions,
    *,
    uses: bool = True,
    issues: bool = True,
) -> int:
    """Write ``demand.npz`` and ``plan.json`` for the generator; return the number of arrivals.

    Without ``uses`` only issuances are sent: what agents do with their documents never reaches a
    target that does not decide about it. Without ``issues`` only uses are: a decision point hands
    out nothing. Its clock is ahead of the run clock by the prologue, so
    that no arrival lies before its zero.
    """
    issue_op = OPS.index(plan.issue_op)
    before, demand = plan.prologue, plan.demand
    ahead_s, primed = before.seconds, slice(None) if issues else slice(0)
    slots = before.slots[primed]
    sent = np.where(demand.op == ISSUE, issues, uses)
    window_ops = np.where(demand.op[sent] == ISSUE, issue_op, OPS.index(Op.AUTHORIZE))
    np.savez(
        rundir / DEMAND_FILE,
        t_s=np.concatenate([before.t_s[primed], demand.t_s[sent]]) + ahead_s,
        agent=np.concatenate([slots[:, 0], demand.agent[sent]]),
        task=np.concatenate([slots[:, 1], demand.task[sent]]).astype(np.int32),
        op=np.concatenate([np.full(len(slots), issue_op), window_ops]).astype(np.uint8),
    )
    generator = GeneratorPlan(
        endpoint=endpoint,
        wire=wire,
        ops=OPS,
        seconds=ahead_s + plan.seconds,
        warmup_s=ahead_s + plan.warmup_s,
        workers=options.workers,
        lag_bound_s=options.lag_bound_s,
        regime=plan.regime.name,
    )
    (rundir / PLAN_FILE).write_bytes(msgspec.json.encode(generator))
    return len(slots) + len(window_ops)
