"""A policy that tightens with risk and relaxes again (model.md §6).

So many alerts within a window, true or false, put the whole fleet on its guard: what is issued from
then on lives shorter, a decision point grants only what the task at hand needs, and sensitive
permissions take a step-up. Some time after the last alert that found the fleet on its guard, or put
it there, everything is as before.

A shorter life changes nothing about a document that is out already; ``renew_within_s`` replaces
those of the owners, not the thief's. Exact: when the fleet is on its guard, what is issued, what a
thief's uses are answered. In the mean only: how many step-ups healthy agents make, because their
task switches are not looked at one by one.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Sequence
from math import inf
from typing import TYPE_CHECKING

import simpy

from scenarios.demand.switches import mean_starts
from scenarios.spec.regime import Enforcer
from scenarios.spec.schema import Policy, Sensitivity, Workload
from simulator.layout import EVERYBODY, tenant_numbers
from simulator.population import Command, CommandKind

if TYPE_CHECKING:
    from simulator.control.world import World

Events = Generator[simpy.Event, object, None]


class Guard:
    """When the fleet of one world, or those of some tenants, are on their guard.

    Args:
        world: clock, laws and population.
        law: the policy.
        numbers: of the tenants concerned, or EVERYBODY's alone.

    Attributes:
        refused_edges: uses of a permission not yet declared that a narrower scope refused.
    """

    def __init__(self, world: "World", law: Policy, numbers: Sequence[int]) -> None:
        self._world, self.law, self._numbers = world, law, numbers
        self._workloads = [
            workload
            for workload, of in zip(
                world.scenario.workloads, tenant_numbers(world.scenario), strict=True
            )
            if of in numbers or EVERYBODY in numbers
        ]
        self._recent: deque[float] = deque()
        self._since: list[float] = []
        self._until: list[float] = []
        self._relax_s = -inf
        self.refused_edges = 0
        self._sensitive = frozenset(
            permission
            for workload in self._workloads
            for task in workload.tasks
            if task.sensitivity is Sensitivity.HIGH
            for permission in task.permissions
        )

    @property
    def in_force(self) -> bool:
        """Whether there is a policy at all."""
        return self.law.alerts > 0

    def alert(self) -> None:
        """Take an alert into account that arrives now."""
        if not self.in_force:
            return
        now_s, recent = self._world.now_s, self._recent
        recent.append(now_s)
        while recent[0] < now_s - self.law.window_s:
            recent.popleft()
        if len(recent) < self.law.alerts:
            return
        on_guard = now_s < self._relax_s
        self._relax_s = now_s + self.law.relax_after_s
        if not on_guard:
            self._since.append(now_s)
            self._until.append(inf)
            self._tighten()
            self._world.clock.process(self._relax())

    def _tighten(self) -> None:
        if self.law.ttl_factor < 1.0:
            self._order(CommandKind.SET_TTL, self.law.ttl_factor)
        if self.law.renew_within_s is not None:
            self._order(CommandKind.RENEW_ALL, self.law.renew_within_s)

    def _order(self, kind: CommandKind, value: float) -> None:
        for number in self._numbers:
            self._world.population.command(Command(kind, value=value, tenant=number))

    def _relax(self) -> Events:
        world = self._world
        while (until_s := self._relax_s) > world.now_s:
            if until_s >= world.horizon_s:
                return
            yield world.clock.at(until_s)
        self._until[-1] = world.now_s
        if self.law.ttl_factor < 1.0:
            self._order(CommandKind.SET_TTL, 1.0)

    # -- what it changes -------------------------------------------------------------------------

    def on(self, t_s: float) -> bool:
        """Return whether the fleet is on its guard at ``t_s``, not later than now."""
        place = bisect_right(self._since, t_s) - 1
        return place >= 0 and t_s < self._until[place]

    def narrows(self, t_s: float) -> bool:
        """Return whether only what the task at hand needs is granted; somebody must decide so."""
        enforced = self._world.regime.scope_enforced_by is not Enforcer.NOBODY
        return self.law.narrow_scope and enforced and self.on(t_s)

    def steps_up(self, t_s: float, permission: str) -> bool:
        """Return whether a use of a permission takes a step-up."""
        return permission in self._sensitive and self.on(t_s)

    # -- what it costs ---------------------------------------------------------------------------

    def _spans(self) -> list[tuple[float, float]]:
        horizon_s = self._world.horizon_s
        return [
            (since, min(until, horizon_s))
            for since, until in zip(self._since, self._until, strict=True)
        ]

    def tight_s(self) -> float:
        """Return for how long the fleet was on its guard."""
        return sum(until - since for since, until in self._spans())

    def counts(self) -> dict[str, float]:
        """Return how long and how often the fleet was on its guard, and what that asked of it.

        ``tight_s`` is that of its agents, divided by all of the scenario's.
        """
        spans, scenario = self._spans(), self._world.scenario
        part = sum(workload.count for workload in self._workloads) / scenario.agents
        steps = sum(
            workload.count * _sensitive_starts(workload, scenario.start.hour_of_day, *span)
            for span in spans
            for workload in self._workloads
        )
        return {
            "tightenings": float(len(spans)),
            "tight_s": part * self.tight_s(),
            "step_ups": steps,
            "step_up_failures": steps * self.law.step_up_fails,
            "refused_edges": float(self.refused_edges),
        }


class Guards:
    """The guard of everybody, and of each tenant with a policy of its own.

    Args:
        world: clock, laws and population.
    """

    def __init__(self, world: "World") -> None:
        scenario = world.scenario
        own = {n: of.policy for n, of in enumerate(scenario.tenants) if of.policy is not None}
        others = [n for n in range(len(scenario.tenants)) if n not in own] if own else [EVERYBODY]
        common = Guard(world, scenario.policy, others)
        guards = {n: Guard(world, law, [n]) for n, law in own.items()}
        self._of_class = [guards.get(n, common) for n in tenant_numbers(scenario)]
        self._all = [common, *guards.values()]
        self._own = {scenario.tenants[n].name: guard for n, guard in guards.items()}

    def of(self, class_number: int) -> Guard:
        """Return the guard of a class of agents."""
        return self._of_class[class_number]

    def counts(self) -> dict[str, float]:
        """Return the sums of what each counts; none where nobody has a policy.

        ``tenant:NAME:tight_s`` for a tenant with a policy of its own.
        """
        found: dict[str, float] = {}
        for guard in (guard for guard in self._all if guard.in_force):
            for name, value in guard.counts().items():
                found[name] = found.get(name, 0.0) + value
        for name, guard in self._own.items():
            found[f"tenant:{name}:tight_s"] = guard.tight_s()
        return found


def _sensitive_starts(
    workload: Workload, start_hour: float, since_s: float, until_s: float
) -> float:
    """Return how many sensitive tasks one agent starts in a span, on average."""

    def sensitive(task: int) -> bool:
        return workload.tasks[task].sensitivity is Sensitivity.HIGH

    return mean_starts(workload, start_hour, since_s, until_s, sensitive)
