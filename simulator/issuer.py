"""The issuer of the reference: limiter, bound, datastore and signing, as ``population.py`` says.

It knows nothing of credentials. What becomes of an attempt it tells its ``Client``.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, log
from typing import NamedTuple

import numpy as np

from scenarios.demand.streams import Stream, uniform
from scenarios.spec import rules
from scenarios.spec.schema import Scenario
from simulator.clock import Clock
from simulator.layout import Layout
from simulator.limits import limits
from simulator.population import Command, CommandKind, EventKind
from simulator.slot import ACCEPTED, Slot
from simulator.tally import Tally

SLOWED = {
    CommandKind.SLOW_DATASTORE: Stream.DATASTORE,
    CommandKind.SLOW_SIGNING: Stream.SERVICE,
}


@dataclass(slots=True)
class Attempt:
    """One accepted attempt at a request."""

    slot: Slot
    serial: int
    """of the slot when it was made"""
    work_s: dict[Stream, float]
    """what each stage will take, its factor left out"""
    joined_s: float = 0.0
    """when it joined the queue of its stage"""
    finished: bool = False
    given_up: bool = False


class Client(NamedTuple):
    """Who asks: the clock that everything shares, and what an agent does with an answer."""

    clock: Clock
    call: Callable[[Callable[[Slot], None], float, EventKind, Slot], None]
    """have something done with a slot at an instant, with the ties of a kind"""
    log: Callable[[EventKind, int, int, int], None]
    """take note of kind, agent, slot, serial"""
    answer: Callable[[Slot], None]
    """issue the credential that was asked for"""
    fail: Callable[[Slot, EventKind], None]
    """let a refused or timed-out agent back off"""


@dataclass(slots=True)
class Stage:
    """Servers in parallel behind one FIFO queue."""

    stream: Stream
    """of its service times"""
    free: int
    mean_s: float
    factor: float = 1.0
    queue: deque[Attempt] = field(default_factory=deque)


class Issuer:
    """What decides on attempts and works on them.

    Args:
        scenario: ``issuer`` is used.
        layout: who is on which node.
        seed_key: from ``streams.seed_key``.
        tally: where queueing and limits are counted.
        client: who asks.

    Attributes:
        unfinished: accepted attempts whose work is not done.
    """

    def __init__(
        self, scenario: Scenario, layout: Layout, seed_key: np.uint64, tally: Tally, client: Client
    ) -> None:
        self._of, self._layout, self._seed_key = scenario.issuer, layout, seed_key
        self._tally, self._client = tally, client
        self._down = False
        self._partitions: dict[int, float] = {}
        """number → share of nodes, of those under way"""
        self._stages = [Stage(Stream.SERVICE, self._of.servers, self._of.service_time_s)]
        if (store := self._of.datastore) is not None:
            self._stages.insert(0, Stage(Stream.DATASTORE, store.servers, store.service_time_s))
        self._capacity = inf
        if self._of.queue_limit is not None:
            self._capacity = sum(stage.free for stage in self._stages) + self._of.queue_limit
        self._held = 0
        self._batch, self._in_batch = (-inf, -1), 0
        """instant and node of the last accepted attempt, and how many were of the same"""
        self.unfinished = 0
        self._limits, _ = limits(scenario, layout.nodes)
        self._next_turn_s: dict[int, float] = {}

    @property
    def _now_s(self) -> float:
        return float(self._client.clock.now)

    def command(self, command: Command) -> None:
        """Execute an order that concerns the issuer."""
        match command.kind:
            case CommandKind.ISSUER_DOWN | CommandKind.ISSUER_UP:
                self._down = command.kind == CommandKind.ISSUER_DOWN
            case CommandKind.CUT_OFF:
                self._partitions[command.fault] = command.value
            case CommandKind.RECONNECT:
                self._partitions.pop(command.fault, None)
            case CommandKind.SLOW_DATASTORE | CommandKind.SLOW_SIGNING:
                slowed = SLOWED[command.kind]
                for stage in self._stages:
                    if stage.stream == slowed:
                        stage.factor = command.value

    def attempt(self, slot: Slot) -> None:
        """Accept an attempt, or refuse it."""
        if not self.reaches(self._layout.node_number(slot.agent)):
            self._client.fail(slot, EventKind.REFUSED)
            return
        wait_s = self._wait_for_turn(slot.agent)
        if wait_s == inf:
            self._client.fail(slot, EventKind.REFUSED)
            return
        slot.request = ACCEPTED
        self.unfinished += 1
        attempt = Attempt(
            slot, slot.serial, {of.stream: self._draw(slot, of) for of in self._stages}
        )
        attempt.work_s[Stream.SERVICE] += self._overhead_s(slot)
        now_s, deadline_s = self._now_s, self._of.deadline_s
        if deadline_s is not None:
            self._client.call(
                lambda _: self._time_out(attempt), now_s + deadline_s, EventKind.TIMED_OUT, slot
            )
        if wait_s > 0.0:
            self._tally.limited += 1
            self._tally.limited_wait_s += wait_s
            self._client.call(
                lambda _: self._arrive(attempt), now_s + wait_s, EventKind.REQUEST, slot
            )
        else:
            self._arrive(attempt)

    def reaches(self, node: int) -> bool:
        """Return whether the issuer is up and no partition under way concerns a node."""
        return not self._down and not any(
            uniform(self._seed_key, node, Stream.CUT_OFF, number) < share
            for number, share in self._partitions.items()
        )

    def batch_is_full(self, agent: int) -> bool:
        """Return whether as many attempts of the agent's node as may be were accepted just now."""
        batch = self._now_s, self._layout.node_number(agent)
        limit = self._of.batch_limit
        return limit is not None and self._batch == batch and self._in_batch >= limit

    def _wait_for_turn(self, agent: int) -> float:
        """Return how long the limiter holds an attempt; inf when its deadline comes before."""
        limit, now_s = self._limits[self._layout.index(agent)], self._now_s
        if limit.rate_hz == 0.0:
            return 0.0
        source = limit.of(self._layout.node_number(agent))
        next_s = self._next_turn_s.get(source, -inf)
        wait_s, next_s = rules.limiter(now_s, next_s, limit.rate_hz, limit.burst)
        if self._of.deadline_s is not None and wait_s >= self._of.deadline_s:
            return inf
        self._next_turn_s[source] = next_s
        return wait_s

    def _draw(self, slot: Slot, stage: Stage) -> float:
        k = slot.occurrence(slot.serial + 1) + (slot.timeouts << 40)
        return -log(uniform(self._seed_key, slot.agent, stage.stream, k)) * stage.mean_s

    def _overhead_s(self, slot: Slot) -> float:
        """Return the work that the batch of an accepted attempt adds: none but to its first."""
        batch = self._now_s, self._layout.node_number(slot.agent)
        last, self._batch = self._batch, batch
        self._in_batch = self._in_batch + 1 if batch == last else 1
        return 0.0 if batch == last else self._of.batch_overhead_s

    def _time_out(self, attempt: Attempt) -> None:
        if not attempt.finished:
            attempt.given_up = True
            attempt.slot.timeouts += 1
            self._client.fail(attempt.slot, EventKind.TIMED_OUT)

    def _arrive(self, attempt: Attempt) -> None:
        if self._held >= self._capacity:
            self._finish(attempt)
            self._client.fail(attempt.slot, EventKind.REFUSED)
        else:
            self._held += 1
            self._join(attempt, 0)

    def _join(self, attempt: Attempt, number: int) -> None:
        """Let an attempt be taken up by a stage, or queue for it."""
        stage = self._stages[number]
        attempt.joined_s = self._now_s
        if stage.free:
            stage.free -= 1
            self._take_up(attempt, number)
        else:
            self._tally.queue_waits += 1
            stage.queue.append(attempt)

    def _take_up(self, attempt: Attempt, number: int) -> None:
        stage, now_s = self._stages[number], self._now_s
        self._tally.queue_wait_s += now_s - attempt.joined_s
        done_s = now_s + attempt.work_s[stage.stream] * stage.factor
        self._client.call(
            lambda _: self._done(attempt, number), done_s, EventKind.ISSUED, attempt.slot
        )

    def _done(self, attempt: Attempt, number: int) -> None:
        """Pass an attempt on, or answer it, and take up the next."""
        if number + 1 < len(self._stages):
            self._join(attempt, number + 1)
        else:
            self._held -= 1
            self._finish(attempt)
            if attempt.given_up:
                slot = attempt.slot
                self._client.log(EventKind.WASTED, slot.agent, slot.index, attempt.serial)
            else:
                self._client.answer(attempt.slot)
        if self._stages[number].queue:
            self._take_up(self._stages[number].queue.popleft(), number)
        else:
            self._stages[number].free += 1

    def _finish(self, attempt: Attempt) -> None:
        attempt.finished = True
        self.unfinished -= 1
