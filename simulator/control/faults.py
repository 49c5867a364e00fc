"""What breaks: every fault of the scenario, once or periodically, one function a kind."""

from collections.abc import Generator
from itertools import count
from math import inf, prod
from typing import NamedTuple, TypeVar

import simpy

from scenarios.spec.fault_kinds import (
    DatastoreSlow,
    IssuerOutage,
    MassRestart,
    Partition,
    SigningSlow,
    Striking,
)
from scenarios.spec.schema import Scenario
from simulator.control.world import World
from simulator.population import Command, CommandKind

F = TypeVar("F", bound=Striking)


class Window(NamedTuple):
    """One time that a fault strikes."""

    start_s: float
    end_s: float
    number: int
    """of the fault in ``scenario.faults``"""


def windows(scenario: Scenario) -> list[Window]:
    """Return every time that a fault strikes within the horizon, in order of start."""
    found = []
    for number, fault in enumerate(scenario.faults):
        for repetition in count():
            start_s = fault.start_s + repetition * (fault.every_s or inf if repetition else 0.0)
            if start_s >= scenario.horizon_s:
                break
            found.append(Window(start_s, start_s + fault.length_s, number))
    return sorted(found)


def outages(scenario: Scenario) -> list[tuple[float, float]]:
    """Return start and end of every outage of the issuer within the horizon, in order of start."""
    return [
        (start_s, end_s)
        for start_s, end_s, number in windows(scenario)
        if isinstance(scenario.faults[number], IssuerOutage)
    ]


class Faults:
    """Every fault of the scenario.

    Args:
        world: clock and population.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._under_way: list[int] = []
        for window in windows(world.scenario):
            world.clock.process(self._strike(window))

    def _strike(self, window: Window) -> Generator[simpy.Event, object, None]:
        yield self._world.clock.at(window.start_s)
        self._change(window.number, begins=True)
        if window.end_s > window.start_s:
            yield self._world.clock.at(window.end_s)
            self._change(window.number, begins=False)

    def _change(self, number: int, begins: bool) -> None:
        match self._world.scenario.faults[number]:
            case IssuerOutage():
                self._outage(number, begins)
            case Partition(share=share):
                self._partition(number, begins, share)
            case MassRestart(share=share, over_s=over_s):
                if begins:
                    self._command(CommandKind.MASS_RESTART, number, share, over_s)
            case DatastoreSlow():
                self._slow(number, begins, DatastoreSlow, CommandKind.SLOW_DATASTORE)
            case SigningSlow():
                self._slow(number, begins, SigningSlow, CommandKind.SLOW_SIGNING)

    def _outage(self, number: int, begins: bool) -> None:
        """Take the issuer down; where outages overlap, until the last ends."""
        was_down = bool(self._active(IssuerOutage))
        self._mark(number, begins)
        if bool(self._active(IssuerOutage)) != was_down:
            self._command(CommandKind.ISSUER_DOWN if begins else CommandKind.ISSUER_UP)

    def _partition(self, number: int, begins: bool, share: float) -> None:
        """Cut nodes off, or let them back."""
        kind = CommandKind.CUT_OFF if begins else CommandKind.RECONNECT
        self._command(kind, fault=number, value=share)

    def _slow(
        self,
        number: int,
        begins: bool,
        kind: type[DatastoreSlow] | type[SigningSlow],
        command: CommandKind,
    ) -> None:
        """Slow a stage down, or let it be; where such faults overlap, their factors multiply."""
        self._mark(number, begins)
        self._command(command, value=prod(fault.factor for fault in self._active(kind)))

    def _mark(self, number: int, begins: bool) -> None:
        """Note that a fault begins or ends."""
        (self._under_way.append if begins else self._under_way.remove)(number)

    def _active(self, kind: type[F]) -> list[F]:
        """Return the faults of a kind that are under way, in the order of the scenario."""
        faults = (self._world.scenario.faults[number] for number in sorted(self._under_way))
        return [fault for fault in faults if isinstance(fault, kind)]

    def _command(
        self, kind: CommandKind, fault: int = -1, value: float = 0.0, over_s: float = 0.0
    ) -> None:
        self._world.population.command(Command(kind, fault=fault, value=value, over_s=over_s))
