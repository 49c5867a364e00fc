"""One place for a credential in the reference, and the request that is under way for it."""

from dataclasses import dataclass
from math import inf

from scenarios.demand.initial import SLOTS
from simulator.population import CredentialView

IDLE, ACCEPTED, BACKING_OFF = range(3)
"""states of a slot's request"""


@dataclass(slots=True)
class Slot:
    """What a slot holds; ``serial`` −1 while that is nothing."""

    agent: int
    index: int
    serial: int
    issued_s: float
    due_s: float
    expires_s: float
    request: int = IDLE
    failures: int = 0
    """refusals and time-outs of the request that is under way"""
    timeouts: int = 0
    accepted_from_s: float = -inf
    """when verifiers begin to accept what the slot holds"""
    lost_s: float = -inf
    """when a restart lost the document (0 of a cold start), less the idle time that counts for no
    wait"""
    again_s: float = -inf
    """from when a lost document may be asked for anew; −inf where a request was in flight"""

    @property
    def lost(self) -> bool:
        """Whether the document was lost, or there was none at the start, and not yet replaced."""
        return self.lost_s > -inf

    def asks_from_s(self, late_s: float) -> float:
        """Return from when on a use makes a request (AT_USE).

        When it is due, or expired by the agent's own clock, which is ``late_s`` behind.
        """
        if self.lost:
            return self.again_s
        return -inf if self.serial < 0 else min(self.due_s, self.expires_s + late_s)

    def stop_idling(self, now_s: float) -> None:
        """Take the time for which nobody asked for a lost document out of its wait."""
        if self.lost and self.again_s > -inf:
            self.lost_s += max(0.0, now_s - self.again_s)

    def occurrence(self, serial: int) -> int:
        """Return the occurrence number of draws for one of this slot's credentials."""
        return SLOTS * serial + self.index

    def view(self) -> CredentialView:
        """Return the credential as others see it."""
        return CredentialView(
            self.agent,
            self.index,
            self.serial,
            self.issued_s,
            self.expires_s,
            self.accepted_from_s,
        )
