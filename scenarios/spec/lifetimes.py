"""What life a document is asked for and granted, and what a scenario may not say about it."""

from collections.abc import Iterator
from math import inf

from scenarios.errors import Problem
from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.regime import Artifact, Issuance, Regime, Renewal
from scenarios.spec.schema import Scenario, Workload


def ttl_of(workload: Workload, regime: Regime) -> float:
    """Return the life that a class's documents are asked for: its own where it has one."""
    if workload.ttl_s is None or regime.ttl_s == inf:
        return regime.ttl_s
    return workload.ttl_s


def signed(regime: Regime) -> bool:
    """Return whether a CA signs the regime's documents."""
    return regime.issuance is Issuance.ISSUER and regime.artifact is not Artifact.STATIC_KEY


def problems(scenario: Scenario) -> Iterator[Problem]:
    """Yield every contradiction between lifetimes, renewal and the CA."""
    ca = scenario.issuer.ca
    if ca is not None:
        yield from rotation_problems(ca, "issuer.ca")
    for regime in scenario.regimes:
        for index, workload in enumerate(scenario.workloads):
            if workload.ttl_s is not None and regime.ttl_s < inf:
                least_s = shortest_renewable_s(regime)
                if workload.ttl_s <= least_s:
                    yield _too_short(f"workloads[{index}].ttl_s", workload.ttl_s, least_s, regime)
        if ca is not None and signed(regime) and regime.ttl_s < inf:
            least_s = shortest_renewable_s(regime)
            longest_s = max(ttl_of(workload, regime) for workload in scenario.workloads)
            if ca.shortest_s < longest_s and ca.shortest_s <= least_s:
                yield Problem(
                    "issuer.ca.ttl_s",
                    f"{ca.ttl_s:g}",
                    f"leaves documents of {regime.name} {ca.shortest_s:g} s at the end of a term, "
                    f"must leave > {least_s:g} s, or they expire before they are renewed",
                )


def rotation_problems(ca: CertificateAuthority, key: str) -> Iterator[Problem]:
    """Yield what is wrong with the rotation of one CA."""
    prepare, activate = ca.prepare_fraction, ca.activate_fraction
    if not prepare < activate <= 2.0 * prepare:
        yield Problem(
            f"{key}.activate_fraction",
            f"{activate:g}",
            f"must be > prepare_fraction = {prepare:g} and ≤ {2.0 * prepare:g}, or a CA would have "
            "to prepare its successor before it signs itself",
        )
    elif ca.active_for_s is not None and ca.active_for_s >= ca.term_s:
        yield Problem(
            f"{key}.active_for_s",
            f"{ca.active_for_s:g}",
            f"must be < {ca.term_s:g} s, the term of a CA: prepare_fraction·ttl_s",
        )


def shortest_renewable_s(regime: Regime) -> float:
    """Return the life at or below which a document expires before its rule has it renewed."""
    renewal = regime.renewal
    if renewal.rule is Renewal.BEFORE_EXPIRY:
        return renewal.before_expiry_s
    if renewal.rule in {Renewal.FRACTION_POLLED, Renewal.AVAILABILITY_TARGET}:
        # from the first chance to expiry: (1 + j)(1 − f)T must exceed a poll
        return renewal.poll_s / ((1.0 + renewal.jitter) * (1.0 - renewal.fraction))
    return 0.0


def _too_short(key: str, ttl_s: float, least_s: float, regime: Regime) -> Problem:
    return Problem(
        key,
        f"{ttl_s:g}",
        f"must be > {least_s:g} s, or {regime.name} renews it after it has expired",
    )


def warnings(scenario: Scenario) -> Iterator[str]:
    """Yield a line for each regime some of whose documents the CA shortens."""
    ca = scenario.issuer.ca
    if ca is None:
        return
    for regime in scenario.regimes:
        longest_s = max(ttl_of(workload, regime) for workload in scenario.workloads)
        if signed(regime) and ca.shortest_s < longest_s < inf:
            yield (
                f"{regime.name}: documents of {longest_s:g} s under a CA of {ca.ttl_s:g} s live "
                f"{ca.shortest_s:g} to {min(longest_s, ca.longest_s):g} s and end together with "
                f"it; they need a CA of {longest_s * ca.needed_ratio:g} s"
            )
