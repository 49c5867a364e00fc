"""What breaks: outages of the issuer, once or periodically."""

from collections.abc import Generator
from itertools import count
from math import inf

import simpy

from scenarios.spec.schema import Scenario
from simulator.control.world import World
from simulator.population import Command, CommandKind


def outages(scenario: Scenario) -> list[tuple[float, float]]:
    """Return start and end of every outage that begins within the horizon, in order of start."""
    found = []
    for fault in scenario.faults:
        for repetition in count():
            start_s = fault.start_s + repetition * (fault.every_s or inf if repetition else 0.0)
            if start_s >= scenario.horizon_s:
                break
            found.append((start_s, start_s + fault.duration_s))
    return sorted(found)


class Faults:
    """Every fault of the scenario; where outages overlap, the issuer is down until the last ends.

    Args:
        world: clock and population.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._outages = 0
        for start_s, end_s in outages(world.scenario):
            world.clock.process(self._outage(start_s, end_s))

    def _outage(self, start_s: float, end_s: float) -> Generator[simpy.Event, object, None]:
        yield self._world.clock.at(start_s)
        self._command(+1)
        yield self._world.clock.at(end_s)
        self._command(-1)

    def _command(self, step: int) -> None:
        was_down, self._outages = self._outages > 0, self._outages + step
        is_down = self._outages > 0
        if is_down != was_down:
            kind = CommandKind.ISSUER_DOWN if is_down else CommandKind.ISSUER_UP
            self._world.population.command(Command(kind))
