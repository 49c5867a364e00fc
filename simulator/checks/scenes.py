"""Small scenarios in which one thing happens."""

from typing import Any

from scenarios.spec.defence import OFF
from scenarios.spec.regime import (
    Artifact,
    Issuance,
    Regime,
    Renewal,
    RenewalRule,
    Revocation,
    RevocationRule,
)
from scenarios.spec.schema import (
    Backoff,
    Detection,
    Issuer,
    Scenario,
    Start,
    Task,
    Threats,
    Workload,
)

INSTANT_S = 1e-6
"""a service time that is nothing beside a lifetime"""
RARE_HZ = 1e-9
"""a rate at which nothing happens within a check"""

BLIND = Detection(superseded_serial=OFF, two_origins=OFF, new_permission=OFF, delivery_s=0.0)
"""no detector reads the log"""


def regime(
    ttl_s: float,
    rule: Renewal = Renewal.FRACTION,
    fraction: float = 0.5,
    jitter: float = 0.0,
    poll_s: float = 5.0,
    revocation: RevocationRule | None = None,
    **more: Any,  # noqa: ANN401
) -> Regime:
    """Return a regime whose credentials live ``ttl_s``; without end and by hand under NEVER.

    ``more`` are further keys of the renewal rule.
    """
    return Regime(
        name="checked",
        title="",
        source="",
        artifact=Artifact.X509_SVID,
        ttl_s=ttl_s,
        issuance=Issuance.MANUAL if rule is Renewal.NEVER else Issuance.ISSUER,
        renewal=RenewalRule(rule=rule, fraction=fraction, jitter=jitter, poll_s=poll_s, **more),
        revocation=revocation or RevocationRule(method=Revocation.NONE),
        attribution="workload",
    )


def scenario(
    checked: Regime,
    agents: int,
    horizon_s: float,
    tasks: tuple[Task, ...] = (Task(name="work", rate_hz=RARE_HZ, permissions=("a:a",)),),
    issuer: Issuer | None = None,
    threats: Threats | None = None,
    detection: Detection = BLIND,
    synchronised: bool = False,
) -> Scenario:
    """Return a scenario of one class of agents and one regime."""
    return Scenario(
        name="check",
        title="",
        question="",
        expected="",
        source="",
        horizon_s=horizon_s,
        regimes=(checked,),
        workloads=(Workload(name="agent", count=agents, tasks=tasks),),
        start=Start(ages="synchronised" if synchronised else "stationary"),
        issuer=issuer or Issuer(servers=64, service_time_s=INSTANT_S),
        threats=threats or Threats(),
        detection=detection,
        probes=0,
    )


def retry_every(seconds: float) -> Backoff:
    """Return a back-off that neither grows nor jitters."""
    return Backoff(base_s=seconds, factor=1.0, cap_s=seconds, jitter=0.0)
