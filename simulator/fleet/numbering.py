"""Which records are whose, for Python: what ``layout`` tells kernels."""

import numpy as np
from numpy.typing import NDArray


class Numbering:
    """Numbers of agents ↔ numbers of records of one fleet.

    Args:
        classes: rows of ``AGENT_CLASS``.

    Attributes:
        most_slots: of any agent.
    """

    def __init__(self, classes: NDArray[np.void]) -> None:
        names = ["first_agent", "first_record", "slots"]
        self._classes: list[tuple[int, int, int]] = classes[names].tolist()
        self.most_slots = max(slots for _, _, slots in self._classes)

    def first_record(self, agent: int) -> int:
        """Return the number of an agent's first record."""
        first_agent, first_record, slots = next(c for c in reversed(self._classes) if c[0] <= agent)
        return first_record + (agent - first_agent) * slots

    def records_of(self, agent: int) -> slice:
        """Return the numbers of an agent's records."""
        _, _, slots = next(c for c in reversed(self._classes) if c[0] <= agent)
        first = self.first_record(agent)
        return slice(first, first + slots)

    def agent_and_slot(self, record: int) -> tuple[int, int]:
        """Return whose slot a record is."""
        first_agent, first_record, slots = next(
            c for c in reversed(self._classes) if c[1] <= record
        )
        offset = record - first_record
        return first_agent + offset // slots, offset % slots
