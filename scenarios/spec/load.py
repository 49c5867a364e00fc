"""What a regime asks of the issuer in the mean, and whether it can be served: warnings.

Timer rules ask once a renewal age. Documents fetched at use are asked for once a renewal age and a
wait for the next use, 1/(R + 1/λ) for each slot, so the busiest hour of the day decides.
"""

from collections.abc import Iterator
from typing import NamedTuple

from scenarios.spec import renewals
from scenarios.spec.lifetimes import holders, ttl_of
from scenarios.spec.regime import Issuance, Regime, Renewal, Scope
from scenarios.spec.rules import is_active
from scenarios.spec.schema import HOURS, Scenario, Workload


class Demand(NamedTuple):
    """Requests of all agents."""

    rate_hz: float
    words: str
    """how they come about"""


def warnings(regime: Regime, scenario: Scenario) -> Iterator[str]:
    """Yield a line for each part of the issuer that cannot serve the regime in the mean."""
    demand = requests(regime, scenario)
    if demand is None:
        return
    issuer = scenario.issuer
    stages = [(issuer.servers, issuer.service_time_s, "servers", "a signature")]
    if (store := issuer.datastore) is not None:
        stages.append((store.servers, store.service_time_s, "datastore connections", "a request"))
    for servers, service_s, what, each in stages:
        load = demand.rate_hz * service_s / servers
        if load >= 1:
            yield (
                f"{regime.name}: {demand.words} offer the issuer {load:.3g} times what "
                f"{servers} {what} at {service_s:g} s {each} can serve"
            )
    yield from _quotas(regime, scenario)
    limit = issuer.rate_limit
    if limit is None:
        return
    node = max(workload.agents_per_node for workload in scenario.workloads)
    agents = min(node * limit.nodes_per_address, scenario.agents)
    each_s = scenario.agents / demand.rate_hz
    if agents / each_s > limit.rate_hz:
        yield (
            f"{regime.name}: up to {agents} agents behind one address renewing every {each_s:g} s "
            f"ask {agents / each_s:.3g} times a second, the limit is {limit.rate_hz:g}"
        )


def _quotas(regime: Regime, scenario: Scenario) -> Iterator[str]:
    for tenant in scenario.tenants:
        own = tuple(w for w in scenario.workloads if w.name in tenant.workloads)
        of = requests(regime, scenario.model_copy(update={"workloads": own}))
        if of is not None and tenant.quota is not None and of.rate_hz > tenant.quota.rate_hz:
            yield (
                f"{regime.name}: agents of tenant {tenant.name!r} ask {of.rate_hz:.3g} times a "
                f"second, its quota is {tenant.quota.rate_hz:g}: it will lack documents"
            )


def requests(regime: Regime, scenario: Scenario) -> Demand | None:
    """Return what a regime asks of the issuer; None where it asks nothing."""
    if regime.issuance is Issuance.MANUAL or regime.renewal.rule is Renewal.NEVER:
        return None
    if regime.renewal.at_use:
        rate_hz = max(_at_use_hz(regime, scenario, hour) for hour in range(HOURS))
        if rate_hz <= 0.0:
            return None
        return Demand(
            rate_hz,
            f"{scenario.agents} agents that ask at use, {rate_hz:.4g} times a second in their "
            "busiest hour,",
        )
    rate_hz = sum(
        holders(workload, regime) / _age_s(regime, workload) for workload in scenario.workloads
    )
    each_s = scenario.agents / rate_hz
    return Demand(rate_hz, f"{scenario.agents} agents renewing every {each_s:g} s")


def _at_use_hz(regime: Regime, scenario: Scenario, hour: int) -> float:
    return sum(
        holders(workload, regime) / (_age_s(regime, workload) + 1.0 / use_hz)
        for workload in scenario.workloads
        for use_hz in _uses_hz(regime, workload, hour)
        if use_hz > 0.0
    )


def _uses_hz(regime: Regime, workload: Workload, hour: int) -> list[float]:
    """Return how often each slot of an agent is used in an hour of the day."""
    weight = workload.diurnal[hour] if workload.diurnal else 1.0
    tasks = [
        weight * task.rate_hz * any(is_active(hour + 0.5, *span) for span in task.active_hours)
        for task in workload.tasks
    ]
    return tasks if regime.scope is Scope.ONE_TASK else [sum(tasks)]


def _age_s(regime: Regime, workload: Workload) -> float:
    if regime.renewal.rule is Renewal.PER_REQUEST:
        return 0.0
    return renewals.age_s(regime, ttl_of(workload, regime))
