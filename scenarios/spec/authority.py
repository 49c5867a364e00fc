"""Who signs, and whom verifiers believe: certificate authorities and foreign trust domains."""

from typing import Annotated

from pydantic import Field

from scenarios.spec.regime import Name, PositiveSeconds, Seconds, Share, Strict

TRUST_DOMAIN_PATTERN = r"^[a-z0-9._-]{1,255}$"
TrustDomain = Annotated[str, Field(pattern=TRUST_DOMAIN_PATTERN)]


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


class Federation(Strict):
    """A foreign trust domain whose workloads our verifiers are to believe.

    They believe what a CA signed that stood in the foreign bundle when it was last fetched, and
    each CA stands in it from the instant on at which it is prepared.
    """

    trust_domain: TrustDomain
    workloads: Annotated[tuple[Name, ...], Field(min_length=1)]
    """the classes that belong to it"""
    bundle_refresh_s: PositiveSeconds | None = None
    """time between two fetches of its bundle"""
    ca: CertificateAuthority | None = None
    """its CA, in place of ``issuer.ca``; one without end when absent"""


class ClockSkew(Strict):
    """Nodes whose clock is off for the whole run."""

    share: Share = 0.0
    """share of a class's nodes"""
    offset_s: Annotated[float, Field(ge=-1e7, le=1e7)] = 0.0
    """what such a clock shows more than the right one; negative is behind"""
