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
