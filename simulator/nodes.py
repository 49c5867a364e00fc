"""The agents of the nodes in the reference: chains of syncs, as ``population.py`` says.

A SimPy process per node, that syncs whether or not anything is due. What is due waits for it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np
import simpy

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, uniform
from scenarios.spec import rules
from scenarios.spec.schema import Scenario
from simulator.clock import Clock
from simulator.layout import Layout
from simulator.population import EventKind
from simulator.slot import Slot


@dataclass(slots=True)
class Node:
    """One node's agent."""

    number: int
    next_s: float
    """when it syncs next"""
    sync: int = 0
    """number of that sync"""
    synced_s: float = -1.0
    """when it synced last"""
    failures: int = 0
    """syncs in a row that failed"""
    waiting: dict[tuple[int, int], Slot] = field(default_factory=dict)
    """what it will ask for at its next sync, by agent and slot"""


class Nodes:
    """Every node's agent.

    Args:
        scenario: ``issuer`` is used.
        layout: who is on which node.
        seed_key: from ``streams.seed_key``.
        clock: that everything shares.
        reaches: whether a node reaches the issuer now.
        attempt: makes an attempt at what a slot waits for.
    """

    def __init__(
        self,
        scenario: Scenario,
        layout: Layout,
        seed_key: np.uint64,
        clock: Clock,
        reaches: Callable[[int], bool],
        attempt: Callable[[Slot], None],
    ) -> None:
        self._of, self._layout, self._seed_key = scenario.issuer, layout, seed_key
        self._clock, self._reaches, self._attempt = clock, reaches, attempt
        self._nodes = [self._begin(number) for number in range(layout.nodes)]

    def _begin(self, number: int) -> Node:
        phase = uniform(self._seed_key, number, Stream.SYNC_PHASE, 0)
        node = Node(number, phase * self._of.agent_sync_s)
        self._clock.process(self._sync(node))
        return node

    def _place(self, kind: EventKind, agent: int, slot: int) -> int:
        return (kind * self._layout.agents + agent) * SLOTS + slot

    def _sync(self, node: Node) -> Generator[simpy.Event, object, None]:
        """Sync for ever; before the requests of the instant, so that those of the node belong."""
        before_requests = self._place(EventKind.REQUEST, 0, 0) - 1
        while True:
            yield self._clock.at(node.next_s, before_requests)
            if self._clock.now < node.next_s:
                continue  # put off meanwhile
            self._step(node)
            for slot in node.waiting.values():
                self._try_now(slot)

    def _step(self, node: Node) -> None:
        failed = self._of.sync_backoff is not None and not self._reaches(node.number)
        node.failures = node.failures + 1 if failed else 0
        node.sync += 1
        node.synced_s = node.next_s
        if failed:
            node.next_s += self._delay_s(node, node.failures)
        else:
            u = self._draw(node)
            node.next_s += rules.sync_gap(self._of.agent_sync_s, self._of.agent_sync_jitter, u)

    def _delay_s(self, node: Node, failures: int) -> float:
        """Return the back-off before the sync to come."""
        b = self._of.sync_backoff
        assert b is not None  # noqa: S101  (asked by the callers)
        return rules.backoff_delay(
            failures, b.base_s, b.factor, b.cap_s, b.jitter, self._draw(node)
        )

    def _draw(self, node: Node) -> float:
        return uniform(self._seed_key, node.number, Stream.SYNC_GAP, node.sync)

    def _try_now(self, slot: Slot) -> None:
        """Make an attempt in its turn among the requests of this instant."""
        place = self._place(EventKind.REQUEST, slot.agent, slot.index)
        self._clock.at(self._clock.now, place).callbacks.append(lambda _: self._try(slot))

    def _try(self, slot: Slot) -> None:
        waiting = self._nodes[self._layout.node_number(slot.agent)].waiting
        if waiting.pop((slot.agent, slot.index), None) is not None:
            self._attempt(slot)

    def wait(self, slot: Slot) -> None:
        """Let what is due wait for the first sync that is not before now."""
        node = self._nodes[self._layout.node_number(slot.agent)]
        node.waiting[slot.agent, slot.index] = slot
        if node.synced_s == self._clock.now:
            self._try(slot)

    def forget(self, slot: Slot) -> None:
        """Let a slot wait no more."""
        node = self._nodes[self._layout.node_number(slot.agent)]
        node.waiting.pop((slot.agent, slot.index), None)

    def fail(self, slot: Slot) -> None:
        """Let what failed just now wait for the next sync, and put that off."""
        node = self._nodes[self._layout.node_number(slot.agent)]
        node.waiting[slot.agent, slot.index] = slot
        node.next_s = max(node.next_s, self._clock.now + self._delay_s(node, slot.failures))
