"""Lateral movement: what one stolen credential leads to (model.md §4).

Some time after a thief has begun to use a credential, and if it is still of use to him then, he
tries every permission that it opens, once. A permission that leads on leads to one of the agents
whose work needs it, each as likely: they meet in what it reaches, and who was granted a permission
but never uses it is not met there. There he copies the document of the task at hand and goes on
from it. So a narrow scope leaves few doors, a short life little time.
"""

from collections.abc import Generator, Sequence
from math import exp
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np
import simpy

from scenarios.demand.streams import Stream, entity_key
from simulator.control.case import Case, opened, usable_elsewhere
from simulator.control.feed import serial_text
from simulator.control.world import World
from simulator.layout import AgentClass

if TYPE_CHECKING:
    from simulator.control.threats import Threats

LATERAL: Final = "lateral"
_NORMAL: Final = NormalDist()


class Lateral:
    """All movement of one world's thieves.

    Args:
        world: clock, laws and draws.
        threats: takes documents and begins thefts.
    """

    def __init__(self, world: World, threats: "Threats") -> None:
        self._world, self._threats = world, threats
        self._law = world.scenario.threats.lateral
        self._reached: dict[int, set[int]] = {}
        self._behind: dict[str, list[AgentClass]] = {}
        for agent_class in world.layout.classes:
            for permission in sorted(agent_class.workload.needed):
                self._behind.setdefault(permission, []).append(agent_class)
        # a permission's number is its draws' occurrence: the same in every regime
        self._number = {permission: n for n, permission in enumerate(sorted(self._behind))}

    def step(self, case: Case) -> Generator[simpy.Event, object, None]:
        """Let a thief move on from a credential, once, if he can still use it then.

        A theft that was open at t = 0 moved before, or not yet: nothing before t = 0 is made up.
        """
        world, law = self._world, self._law
        u = min(world.uniform(case.entity, Stream.BREAKOUT, 0), 1.0 - 2.0**-53)
        sigma = law.breakout_sigma
        factor = exp(sigma * _NORMAL.inv_cdf(u) - sigma**2 / 2.0)
        at_s = case.first_use_s + law.breakout_mean_s * factor
        if not world.now_s <= at_s < world.horizon_s:
            return
        yield world.clock.at(at_s)
        if not case.has_access(world, at_s):
            return
        doors = (
            opened(world, case, narrowed=world.guard(case.owner).narrows(at_s))
            & self._number.keys()
        )
        for permission in sorted(doors):
            n = self._number[permission]
            if world.uniform(case.entity, Stream.LATERAL_ATTEMPT, n) < law.success:
                self._harvest(case, permission)

    def _harvest(self, case: Case, permission: str) -> None:
        """Copy what an agent holds that has the permission, too; the same one is robbed once."""
        world = self._world
        agent = self._met(case, permission)
        owner = world.layout.group(agent).start
        root = case.root if case.depth else case.entity
        reached = self._reached.setdefault(root, {case.owner})
        document = self._threats.taken(owner)
        if owner in reached or document is None or document.expires_s <= world.now_s:
            return
        reached.add(owner)
        n = self._number[permission]
        key = entity_key(np.uint64(case.entity), np.uint64(n), np.uint64(Stream.LATERAL_TARGET))
        self._threats.begin(
            Case(
                entity=int(key) >> 1,
                persona=LATERAL,
                injected=case.injected,
                agent=agent,
                owner=owner,
                slot=document.slot,
                task=self._threats.task_of(agent, document.slot),
                document=document,
                credential=serial_text(world.layout.of(owner).slots, document),
                stolen_s=world.now_s,
                eviction_s=-float("inf"),
                first_use_s=world.now_s,
                usable=usable_elsewhere(world, int(key) >> 1),
                depth=case.depth + 1,
                root=root,
            )
        )

    def _met(self, case: Case, permission: str) -> int:
        """Return an agent that has the permission, uniform over all of them."""
        behind = self._behind[permission]
        total = sum(agent_class.count for agent_class in behind)
        u = self._world.uniform(case.entity, Stream.LATERAL_TARGET, self._number[permission])
        place = min(int(u * total), total - 1)
        for agent_class in behind:
            if place < agent_class.count:
                return agent_class.first + place
            place -= agent_class.count
        raise AssertionError("a place beyond the last agent")


def reach(cases: Sequence[Case]) -> dict[str, float]:
    """Return how many agents thefts of the run led to: counts by name.

    ``lateral_copies`` and ``lateral_footholds`` are the thefts that others did not lead to,
    ``lateral_agents_of_…`` what they led to within the run. Those open at t = 0 are left out: where
    they had been before is not known. Who forges has no need to move on.
    """
    roots = {
        case.entity: case
        for case in cases
        if case.depth == 0 and case.stolen_s >= 0.0 and not case.forges
    }
    led_to = [roots[case.root] for case in cases if case.depth and case.root in roots]
    return {
        "lateral_copies": float(sum(not case.foothold for case in roots.values())),
        "lateral_footholds": float(sum(case.foothold for case in roots.values())),
        "lateral_agents_of_copies": float(sum(not case.foothold for case in led_to)),
        "lateral_agents_of_footholds": float(sum(case.foothold for case in led_to)),
    }
