"""What the control plane watches: issues and losses of single agents, from the lanes' logs."""

from collections.abc import Callable

import numpy as np

from simulator.fleet.layout import WATCHED
from simulator.fleet.memory import Memory
from simulator.fleet.numbering import Numbering
from simulator.layout import Layout
from simulator.population import CredentialView, Loss


class Watch:
    """The logs of the watched agents.

    Args:
        memory: of the fleet; whose records' tags say who is watched.
        numbering: of its records.
        layout: who uses what another one holds.
        view: makes the view of what an agent was issued in a slot, from its serial and its instant.
    """

    def __init__(
        self,
        memory: Memory,
        numbering: Numbering,
        layout: Layout,
        view: Callable[[int, int, int, float], CredentialView],
    ) -> None:
        self._memory, self._numbering, self._layout, self._view = memory, numbering, layout, view
        self._issued: dict[int, list[CredentialView]] = {}
        self._lost: dict[int, list[Loss]] = {}

    def begin(self, agent: int) -> None:
        """Log from now on what becomes of what an agent uses."""
        self._issued.setdefault(agent, [])
        self._lost.setdefault(agent, [])
        self._memory.records["tag"][self._tagged(agent)] |= WATCHED

    def end(self, agent: int) -> None:
        """Stop logging, and drop the log of issues."""
        self._issued.pop(agent, None)
        if not self._watchers(self._layout.holder(agent)):
            self._memory.records["tag"][self._tagged(agent)] &= ~np.uint32(WATCHED)

    def take_issued(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what was issued to a watched agent since this was last asked."""
        log, self._issued[agent] = self._issued[agent], []
        return tuple(log)

    def take_lost(self, agent: int) -> tuple[Loss, ...]:
        """Return what a watched agent lost since this was last asked."""
        log, self._lost[agent] = self._lost[agent], []
        return tuple(log)

    def collect(self) -> None:
        """Take up what the lanes have logged."""
        if not self._issued:
            return
        for i, lane in enumerate(self._memory.lanes):
            count = int(lane["log_rows"])
            if count:
                for row in self._memory.arrays[f"log{i}"][:count].tolist():
                    self._note(*row)
                lane["log_rows"] = 0

    def _note(self, t_s: float, record: int, serial: int) -> None:
        """Note one row: an issue, or, where the serial is negative, the loss of −serial − 1."""
        agent, slot = self._numbering.agent_and_slot(record)
        watchers = self._watchers(agent)
        if not watchers:
            return
        if serial < 0:
            for watcher in watchers:
                self._lost[watcher].append(Loss(slot, -serial - 1, t_s))
            return
        view = self._view(agent, slot, serial, t_s)
        for watcher in watchers:
            self._issued[watcher].append(view)

    def _watchers(self, holder: int) -> list[int]:
        """Return the watched agents among those who use what ``holder`` holds."""
        return [agent for agent in self._layout.users(holder) if agent in self._issued]

    def _tagged(self, agent: int) -> int:
        """Return the record whose tag says that what an agent uses is watched."""
        where = self._numbering.records_of(self._layout.holder(agent))
        return int(where.start)
