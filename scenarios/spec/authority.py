"""Who signs, and whom verifiers believe: certificate authorities and foreign trust domains."""

from typing import Annotated, Literal

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
    """time between two fetches of its bundle: its ``spiffe_refresh_hint``, if we follow it"""
    bundle_profile: Literal["https_web", "https_spiffe"] = "https_web"
    """how the endpoint of its bundle proves itself: by the web's PKI, or by a key of the bundle
    that was fetched before (SPIFFE Federation §5.2)"""
    ca: CertificateAuthority | None = None
    """its CA, in place of ``issuer.ca``; one without end when absent"""
    our_bundle_refresh_s: PositiveSeconds | None = None
    """time between two fetches of our bundle by its verifiers; they judge nobody of ours when
    absent"""
    our_access_share: Share = 0.0
    """share of the accesses of our agents that its verifiers judge"""


class PoisonedBundle(Strict):
    """A key of an attacker's own in the bundle of a federated domain, for our verifiers to fetch.

    From the first fetch of it on he forges for that domain's classes, never for ours.
    """

    trust_domain: TrustDomain | None = None
    """whose bundle"""
    rate_per_year: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    endpoint_share: Share = 0.0
    """of poisonings made at the endpoint itself, its server or who administers it, which proves
    itself as ever; the others answer in its place (DNS, routing, a certificate obtained by such
    means), which ``https_spiffe`` refuses unless a key of that domain is in a thief's hands"""
    replaces: bool = False
    """in place of the domain's own keys, whose documents are then refused; beside them otherwise"""
    lasts_mean_s: PositiveSeconds | None = None
    """mean of the exponential time for which it is served; until it is removed when absent"""


class ClockSkew(Strict):
    """Nodes whose clock is off for the whole run."""

    share: Share = 0.0
    """share of a class's nodes"""
    offset_s: Annotated[float, Field(ge=-1e7, le=1e7)] = 0.0
    """what such a clock shows more than the right one; negative is behind"""
