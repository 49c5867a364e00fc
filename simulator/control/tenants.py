"""What holds for the agents of one tenant: its own rules, and the scenario's where it has none."""

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple

from scenarios.spec.defence import Detection
from scenarios.spec.schema import Scenario, Tenant

EVERYBODY = ""
"""name of the rules that nobody replaced"""


class Rules(NamedTuple):
    """Hazards, detection and response of one tenant."""

    tenant: str
    analysts_of: str
    """whose analysts see to its alerts: the tenant's own or ``EVERYBODY``'s"""
    analysts: int
    leak_per_secret_year: float
    foothold_per_agent_year: float
    coverage: float
    delivery_s: float
    external_notice_mean_s: float
    """inf when nobody outside tells"""
    triage_mean_s: float
    automatic: bool
    detection: Detection
    """which detectors are armed, and what reaches them how late"""


class Hazards(NamedTuple):
    """The highest rates of any tenant: candidates come at these and are thinned to each one's."""

    leak_per_secret_year: float
    foothold_per_agent_year: float


def hazards(of_classes: Sequence[Rules]) -> Hazards:
    """Return the rates of the candidate processes over all agents."""
    return Hazards(
        max(rule.leak_per_secret_year for rule in of_classes),
        max(rule.foothold_per_agent_year for rule in of_classes),
    )


def rules(scenario: Scenario) -> tuple[Rules, ...]:
    """Return the rules of each workload class, in the order of ``scenario.workloads``."""
    plain = _everybodys(scenario)
    of_class = {
        name: _own(plain, tenant) for tenant in scenario.tenants for name in tenant.workloads
    }
    return tuple(of_class.get(workload.name, plain) for workload in scenario.workloads)


def _everybodys(scenario: Scenario) -> Rules:
    detection, response = scenario.detection, scenario.response
    notice_s = detection.external_notice_mean_s
    return Rules(
        tenant=EVERYBODY,
        analysts_of=EVERYBODY,
        analysts=response.analysts,
        leak_per_secret_year=scenario.threats.leak.rate_per_secret_year,
        foothold_per_agent_year=scenario.threats.foothold.rate_per_agent_year,
        coverage=detection.coverage,
        delivery_s=detection.delivery_s,
        external_notice_mean_s=inf if notice_s is None else notice_s,
        triage_mean_s=response.triage_mean_s,
        automatic=response.automatic,
        detection=detection,
    )


def _own(plain: Rules, tenant: Tenant) -> Rules:
    own: dict[str, Any] = {
        "leak_per_secret_year": tenant.leak_rate_per_secret_year,
        "foothold_per_agent_year": tenant.foothold_rate_per_agent_year,
        "coverage": tenant.coverage,
        "delivery_s": tenant.delivery_s,
        "external_notice_mean_s": tenant.external_notice_mean_s,
        "analysts": tenant.analysts,
        "triage_mean_s": tenant.triage_mean_s,
        "automatic": tenant.automatic,
    }
    changed = {name: value for name, value in own.items() if value is not None}
    whose = plain.analysts_of if tenant.analysts is None else tenant.name
    detection = tenant.detection.over(plain.detection)
    return plain._replace(tenant=tenant.name, analysts_of=whose, detection=detection, **changed)
