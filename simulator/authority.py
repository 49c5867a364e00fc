"""What life the documents of each workload class get: its own, the regime's, or the CA's."""

from math import inf
from typing import NamedTuple

import numpy as np

from scenarios.demand.streams import Stream, uniform
from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.lifetimes import signed, ttl_of
from scenarios.spec.regime import Regime
from scenarios.spec.rules import ca_truncation
from scenarios.spec.schema import Scenario


class Authority(NamedTuple):
    """Terms of one trust domain's CAs: each signs for ``term_s`` and is then succeeded."""

    since_s: float = 0.0
    """when the CA that is active at t = 0 began to sign, at most 0"""
    term_s: float = inf
    life_s: float = inf
    """what a CA has left when it begins to sign"""


ENDLESS = Authority()
"""a CA that is never succeeded and never ends"""


class Grant(NamedTuple):
    """The numbers that decide the life of one class's documents."""

    ttl_s: float
    ca: Authority

    def life_s(self, issued_s: float, factor: float = 1.0) -> float:
        """Return the life that is granted at an instant when ``factor`` times it is asked for."""
        return ca_truncation(issued_s, factor * self.ttl_s, *self.ca)

    def shortest_s(self, factor: float = 1.0) -> float:
        """Return the shortest life that is granted: at most what a CA has left after its term."""
        if self.ttl_s == inf or self.ca.life_s == inf:
            return factor * self.ttl_s
        return min(factor * self.ttl_s, self.ca.life_s - self.ca.term_s)

    @property
    def truncates(self) -> bool:
        """Whether the CA shortens some documents."""
        return self.shortest_s() < self.ttl_s


def authority(ca: CertificateAuthority | None, seed_key: np.uint64, number: int) -> Authority:
    """Return the terms of a trust domain's CAs.

    Args:
        ca: as the scenario says; None for one without end.
        seed_key: from ``streams.seed_key``.
        number: of the trust domain, the entity of the draw of its phase; 0 is our own.
    """
    if ca is None:
        return ENDLESS
    active_for_s = ca.active_for_s
    if active_for_s is None:
        active_for_s = uniform(seed_key, number, Stream.CA_PHASE, 0) * ca.term_s
    return Authority(-active_for_s, ca.term_s, ca.longest_s)


def grants(scenario: Scenario, regime: Regime, seed_key: np.uint64) -> tuple[Grant, ...]:
    """Return what decides the life of documents, for each workload class in order."""
    ca = authority(scenario.issuer.ca, seed_key, 0) if signed(regime) else ENDLESS
    return tuple(Grant(ttl_of(workload, regime), ca) for workload in scenario.workloads)
