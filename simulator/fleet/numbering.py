"""Which records are whose, for Python: what ``layout`` tells kernels."""

import numpy as np
from numpy.typing import NDArray

from simulator.layout import Layout


class Numbering:
    """Numbers of agents ↔ numbers of records of one fleet.

    Args:
        classes: rows of ``AGENT_CLASS``.
        layout: of the same fleet.

    Attributes:
        most_slots: of any agent.
    """

    def __init__(self, classes: NDArray[np.void], layout: Layout) -> None:
        self._layout = layout
        names = ["first_agent", "first_record", "slots"]
        self._classes: list[tuple[int, int, int]] = classes[names].tolist()
        self.most_slots = max(slots for _, _, slots in self._classes)

    def records_of(self, agent: int) -> slice:
        """Return the numbers of an agent's records."""
        first_agent, first_record, slots = self._classes[self._layout.index(agent)]
        first = first_record + (agent - first_agent) * slots
        return slice(first, first + slots)

    def agent_and_slot(self, record: int) -> tuple[int, int]:
        """Return whose slot a record is."""
        first_agent, first_record, slots = next(
            c for c in reversed(self._classes) if c[1] <= record
        )
        offset = record - first_record
        return first_agent + offset // slots, offset % slots
