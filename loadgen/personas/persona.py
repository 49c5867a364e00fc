"""What a persona is: a choice of victim made from the plan, and a behaviour."""

from typing import Protocol

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import Thief


class Persona(Protocol):
    """One kind of thief."""

    name: str
    story: str
    """one sentence for people"""

    def suits(self, stage: Stage) -> bool:
        """Return whether the regime has what this thief takes."""
        ...

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:
        """Return the times at which theft ``number`` could rob ``agent``, None if it cannot."""
        ...

    def act(self, thief: Thief) -> None:
        """Steal and use; returns when refused, expired, or the run ends."""
        ...
