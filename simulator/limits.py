"""Whose requests share one limiter at the issuer, and at what rate (``rules.limiter``).

A tenant with a quota has one limiter for all of its agents, which takes the place of the limit by
address for them. Sources are numbered: addresses first, then tenants.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scenarios.spec.schema import Scenario

BY_ADDRESS = -1


class Limit(NamedTuple):
    """What holds for the requests of one class."""

    rate_hz: float
    """0 for no limit"""
    burst: int
    source: int
    """number of the tenant's limiter, or ``BY_ADDRESS``"""
    nodes_per_address: int

    def of(self, node: int) -> int:
        """Return the source of a node's requests."""
        return node // self.nodes_per_address if self.source == BY_ADDRESS else self.source


def limits(scenario: Scenario, nodes: int) -> tuple[Sequence[Limit], int]:
    """Return the limit of each class, in the order of ``scenario.workloads``, and all sources.

    Args:
        scenario: ``issuer.rate_limit`` and the tenants' quotas.
        nodes: of the whole fleet.
    """
    plain, addresses = Limit(0.0, 1, BY_ADDRESS, 1), 0
    if (limit := scenario.issuer.rate_limit) is not None:
        plain = Limit(limit.rate_hz, limit.burst, BY_ADDRESS, limit.nodes_per_address)
        addresses = -(-nodes // limit.nodes_per_address)
    own = {
        name: Limit(tenant.quota.rate_hz, tenant.quota.burst, addresses + number, 1)
        for number, tenant in enumerate(scenario.tenants)
        if tenant.quota is not None
        for name in tenant.workloads
    }
    of_classes = [own.get(workload.name, plain) for workload in scenario.workloads]
    return of_classes, addresses + len(scenario.tenants)


def limited(scenario: Scenario) -> bool:
    """Return whether the issuer limits anybody."""
    quotas = any(tenant.quota is not None for tenant in scenario.tenants)
    return quotas or scenario.issuer.rate_limit is not None
