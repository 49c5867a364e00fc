"""What breaks: outages of the issuer, once or periodically."""

from collections.abc import Generator

import simpy

from scenarios.spec.schema import IssuerOutage
from simulator.control.world import World
from simulator.population import Command, CommandKind


class Faults:
    """Every fault of the scenario; where outages overlap, the issuer is down until the last ends.

    Args:
        world: clock and population.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._outages = 0
        for fault in world.scenario.faults:
            world.clock.process(self._outage(fault))

    def _outage(self, fault: IssuerOutage) -> Generator[simpy.Event, object, None]:
        clock, horizon_s = self._world.clock, self._world.horizon_s
        repetition = 0
        while True:
            start_s = fault.start_s + repetition * (fault.every_s or 0.0)
            if start_s >= horizon_s:
                return
            yield clock.at(start_s)
            self._command(+1)
            yield clock.at(start_s + fault.duration_s)
            self._command(-1)
            if fault.every_s is None:
                return
            repetition += 1

    def _command(self, step: int) -> None:
        was_down, self._outages = self._outages > 0, self._outages + step
        is_down = self._outages > 0
        if is_down != was_down:
            kind = CommandKind.ISSUER_DOWN if is_down else CommandKind.ISSUER_UP
            self._world.population.command(Command(kind))
