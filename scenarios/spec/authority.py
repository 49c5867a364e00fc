"""Who signs, and whom verifiers believe: certificate authorities and foreign trust domains."""

from typing import Annotated

from pydantic import Field

from scenarios.spec.regime import PositiveSeconds, Seconds, Strict


class CertificateAuthority(Strict):
    """The signing authority of a trust domain and its rotation.

    Each CA prepares its successor, which is published in the bundle from then on, at one fraction
    of its life and hands over to it at another. SPIRE: pkg/server/ca/manager/slot.go, where the two
    are capped at 30 and 7 days before the end, which matters above a life of 42 days.
    """

    ttl_s: PositiveSeconds = 86_400.0
    prepare_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    activate_fraction: Annotated[float, Field(gt=0, lt=1)] = 5 / 6
    active_for_s: Seconds | None = None
    """how long the present CA has signed at t = 0; uniform over its term, drawn, when absent"""

    @property
    def term_s(self) -> float:
        """How long one CA signs: successors are prepared, hence activated, this far apart."""
        return self.prepare_fraction * self.ttl_s

    @property
    def lead_s(self) -> float:
        """How long a CA is published before it signs."""
        return (self.activate_fraction - self.prepare_fraction) * self.ttl_s

    @property
    def longest_s(self) -> float:
        """What is left of a CA's life when its term begins."""
        return self.ttl_s - self.lead_s

    @property
    def shortest_s(self) -> float:
        """What is left of a CA's life when its term ends."""
        return (1.0 - self.activate_fraction) * self.ttl_s

    @property
    def needed_ratio(self) -> float:
        """Life of a CA as a multiple of the longest life that it never shortens."""
        return 1.0 / (1.0 - self.activate_fraction)
