"""Harmless changes of an identity's rate: batch jobs, and chance."""

from collections.abc import Generator
from itertools import count

import simpy

from scenarios.demand.streams import Stream
from simulator.control.feed import Feed
from simulator.control.owner import Access
from simulator.control.response import Response
from simulator.control.sight import RATE_CHANGE, seen
from simulator.control.threats import Threats
from simulator.control.world import CHANCE, World, case_entity

Events = Generator[simpy.Event, object, None]


class Bursts:
    """What the detector of changed rates takes for abuse.

    Args:
        world: clock, laws and the detector.
        threats: has added up the lines of identities.
        response: what happens to the alerts.
    """

    def __init__(self, world: World, threats: Threats, response: Response) -> None:
        self._world, self._threats, self._response = world, threats, response
        self._alarms = 0

    def by_chance(self, owner: int) -> None:
        """Raise the alerts to which an identity's ordinary work alone leads."""
        for at_s, level in self._threats.signals.lines.false_crossings(owner):
            entity = case_entity(CHANCE, self._alarms)
            self._alarms += 1
            self._world.clock.process(self._alert(entity, owner, at_s, level))

    def batch_job(self, entity: int, owner: int) -> Events:
        """Let an agent have more to do for a while; the sum may reach the threshold by that."""
        world, benign = self._world, self._world.scenario.benign
        length_s = world.exponential(benign.batch_job_mean_s, entity, Stream.BENIGN_LENGTH)
        end_s = min(world.now_s + length_s, world.horizon_s)
        t_s, uses = world.now_s, []
        for number in count():
            t_s += world.exponential(
                1.0 / benign.batch_job_rate_hz, entity, Stream.BATCH_GAP, number
            )
            if t_s >= end_s:
                break
            if seen(world, owner, entity, number, RATE_CHANGE):
                uses.append(t_s)
        crossing = self._threats.signals.lines.crossing(owner, uses)
        if crossing is not None:
            yield from self._alert(entity, owner, *crossing)

    def _alert(self, entity: int, owner: int, at_s: float, level: float) -> Events:
        world = self._world
        yield world.clock.at(at_s)
        held = world.population.read(owner)
        document = max(held, key=lambda view: view.issued_s, default=None)
        rate_change = world.watch(owner).rate_change
        if document is None or rate_change is None:
            return
        access = Access(at_s, self._threats.task_of(owner, document.slot), document)
        line = Feed(world, owner).line(access)
        alert = rate_change.alert(line, level)
        yield from self._response.false_alarm(entity, owner, document, alert)
