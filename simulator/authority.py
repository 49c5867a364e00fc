"""What decides the dates of a document: its class, the CA, the verifiers' bundle, the clock."""

from math import inf
from typing import NamedTuple

import numpy as np

from scenarios.demand.streams import Stream, uniform
from scenarios.spec.authority import CertificateAuthority, Federation
from scenarios.spec.lifetimes import federation_of, signed, ttl_of
from scenarios.spec.regime import Regime
from scenarios.spec.rules import ca_truncation, trusted_from, usable_from
from scenarios.spec.schema import Scenario, Workload
from simulator.layout import Layout


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
    """The numbers that decide the dates of one class's documents."""

    ttl_s: float
    ca: Authority = ENDLESS
    lead_s: float = 0.0
    """from the preparation of a CA to its term"""
    refresh_s: float = 0.0
    """between two fetches of its domain's bundle; 0 for our own domain"""
    refresh_phase_s: float = 0.0
    skew_share: float = 0.0
    """share of nodes whose clock is off"""
    skewed_s: float = 0.0
    """how far such a clock is behind"""
    backdate_s: float = 0.0

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

    @property
    def refuses(self) -> bool:
        """Whether some documents are refused for a while after their issue."""
        behind = self.skew_share > 0.0 and self.skewed_s > self.backdate_s
        return behind or (self.refresh_s > 0.0 and self.ca.term_s < inf)

    @property
    def lateness_s(self) -> tuple[float, ...]:
        """How far agents' clocks are behind: the right one and, where there are any, the wrong."""
        return (0.0, self.skewed_s) if self.skew_share > 0.0 else (0.0,)

    def accepted_from_s(self, issued_s: float, late_s: float) -> float:
        """Return from when a document is accepted; before its issue where nothing refuses it.

        Args:
            issued_s: when it was issued.
            late_s: how far its agent's clock is behind.
        """
        usable_s = usable_from(issued_s, late_s, self.backdate_s)
        return max(self.trusted_from_s(issued_s), usable_s)

    def trusted_from_s(self, issued_s: float) -> float:
        """Return from when verifiers with a right clock believe what was issued at an instant."""
        ca = self.ca
        return trusted_from(
            issued_s, ca.since_s, ca.term_s, self.lead_s, self.refresh_s, self.refresh_phase_s
        )


class Lifetimes:
    """The dates of the documents of all agents, as functions of their issue instants.

    Args:
        scenario: ``issuer``, ``federation`` and ``workloads`` are used.
        regime: of all agents.
        seed_key: from ``streams.seed_key``.
        layout: of the two.
    """

    def __init__(
        self, scenario: Scenario, regime: Regime, seed_key: np.uint64, layout: Layout
    ) -> None:
        self.grants = grants(scenario, regime, seed_key)
        self._seed_key, self._layout = seed_key, layout

    def grant(self, agent: int) -> Grant:
        """Return what decides the dates of an agent's documents."""
        return self.grants[self._layout.index(agent)]

    def late_s(self, agent: int) -> float:
        """Return how far an agent's clock is behind: that of its node."""
        grant = self.grant(agent)
        if grant.skew_share <= 0.0:
            return 0.0
        node = self._layout.node_number(agent)
        skewed = uniform(self._seed_key, node, Stream.CLOCK_SKEW, 0) < grant.skew_share
        return grant.skewed_s if skewed else 0.0

    def accepted_from_s(self, agent: int, issued_s: float) -> float:
        """Return from when a document that an agent was issued at an instant is accepted."""
        grant = self.grant(agent)
        return grant.accepted_from_s(issued_s, self.late_s(agent)) if grant.refuses else -inf


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
    """Return what decides the dates of documents, for each workload class in order."""
    return tuple(_grant(scenario, regime, workload, seed_key) for workload in scenario.workloads)


def _grant(scenario: Scenario, regime: Regime, workload: Workload, seed_key: np.uint64) -> Grant:
    grant = Grant(ttl_of(workload, regime))
    if not signed(regime):
        return grant
    grant = grant._replace(
        skew_share=workload.clock_skew.share,
        skewed_s=-workload.clock_skew.offset_s,
        backdate_s=scenario.issuer.not_before_backdate_s,
    )
    number = federation_of(scenario, workload)
    if number is None:
        return _under(grant, scenario.issuer.ca, seed_key, 0)
    foreign = scenario.federation[number]
    return _believed(_under(grant, foreign.ca, seed_key, number + 1), foreign, seed_key, number + 1)


def _under(
    grant: Grant, ca: CertificateAuthority | None, seed_key: np.uint64, number: int
) -> Grant:
    lead_s = 0.0 if ca is None else ca.lead_s
    return grant._replace(ca=authority(ca, seed_key, number), lead_s=lead_s)


def _believed(grant: Grant, foreign: Federation, seed_key: np.uint64, number: int) -> Grant:
    refresh_s = foreign.bundle_refresh_s or 0.0
    phase_s = uniform(seed_key, number, Stream.BUNDLE_PHASE, 0) * refresh_s
    return grant._replace(refresh_s=refresh_s, refresh_phase_s=phase_s)
