"""What life a document is asked for and granted, and what a scenario may not say about it."""

from collections.abc import Iterator
from math import inf

from scenarios.errors import Problem
from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.regime import Artifact, Issuance, Regime, Renewal, regime_row
from scenarios.spec.schema import Scenario, Workload


def ttl_of(workload: Workload, regime: Regime) -> float:
    """Return the life that a class's documents are asked for: its own where it has one."""
    if workload.ttl_s is None or regime.ttl_s == inf:
        return regime.ttl_s
    return workload.ttl_s


def holders(workload: Workload, regime: Regime) -> int:
    """Return how many documents are renewed for the agents of a class: theirs or their nodes'."""
    return -(-workload.count // (workload.agents_per_node if regime.shared_on_node else 1))


def signed(regime: Regime) -> bool:
    """Return whether a CA signs the regime's documents."""
    return regime.issuance is Issuance.ISSUER and regime.artifact is not Artifact.STATIC_KEY


def federation_of(scenario: Scenario, workload: Workload) -> int | None:
    """Return the number of the foreign trust domain that a class belongs to, None for our own."""
    for number, foreign in enumerate(scenario.federation):
        if workload.name in foreign.workloads:
            return number
    return None


def robbed_domain(scenario: Scenario) -> str:
    """Return the trust domain whose issuer's key is stolen, if any is."""
    return scenario.threats.issuer.trust_domain or scenario.trust_domain


def _robbed_domain(scenario: Scenario) -> Iterator[Problem]:
    known = [scenario.trust_domain, *(foreign.trust_domain for foreign in scenario.federation)]
    if robbed_domain(scenario) not in known:
        yield Problem(
            "threats.issuer.trust_domain",
            repr(robbed_domain(scenario)),
            f"must be one of {', '.join(known)}",
        )


def trust_domain(scenario: Scenario, workload: Workload) -> str:
    """Return the trust domain that a class belongs to."""
    number = federation_of(scenario, workload)
    return scenario.trust_domain if number is None else scenario.federation[number].trust_domain


def ca_of(scenario: Scenario, workload: Workload) -> CertificateAuthority | None:
    """Return the CA that signs a class's documents, None for one without end."""
    number = federation_of(scenario, workload)
    return scenario.issuer.ca if number is None else scenario.federation[number].ca


def problems(scenario: Scenario) -> Iterator[Problem]:
    """Yield every contradiction between lifetimes, renewal, CAs, bundles and clocks."""
    if scenario.issuer.ca is not None:
        yield from rotation_problems(scenario.issuer.ca, "issuer.ca")
    yield from _federation(scenario)
    yield from _robbed_domain(scenario)
    for regime in scenario.regimes:
        if regime.ttl_s < inf:
            for index, workload in enumerate(scenario.workloads):
                yield from _class(scenario, regime, workload, f"workloads[{index}]")


def _federation(scenario: Scenario) -> Iterator[Problem]:
    known = [workload.name for workload in scenario.workloads]
    domains = [scenario.trust_domain]
    claimed: dict[str, str] = {}
    for index, foreign in enumerate(scenario.federation):
        key = f"federation[{index}]"
        if foreign.trust_domain in domains:
            yield Problem(
                f"{key}.trust_domain", repr(foreign.trust_domain), "must differ from all others"
            )
        domains.append(foreign.trust_domain)
        for name in foreign.workloads:
            if name not in known:
                yield Problem(f"{key}.workloads", repr(name), f"must be one of {', '.join(known)}")
            elif name in claimed:
                yield Problem(f"{key}.workloads", repr(name), f"belongs to {claimed[name]}")
            claimed.setdefault(name, foreign.trust_domain)
        if foreign.bundle_refresh_s is None:
            yield Problem(
                f"{key}.bundle_refresh_s",
                "nothing",
                f"must say how often the bundle of {foreign.trust_domain} is fetched: without one "
                "nobody believes its documents",
            )
        if foreign.ca is not None:
            yield from rotation_problems(foreign.ca, f"{key}.ca")


def _class(scenario: Scenario, regime: Regime, workload: Workload, key: str) -> Iterator[Problem]:
    least_s, ttl_s = shortest_renewable_s(regime), ttl_of(workload, regime)
    if workload.ttl_s is not None and workload.ttl_s <= least_s:
        yield Problem(
            f"{key}.ttl_s",
            f"{workload.ttl_s:g}",
            f"must be > {least_s:g} s, or {regime.name} renews it after it has expired",
        )
    if not signed(regime):
        return
    ca = ca_of(scenario, workload)
    if ca is not None and ca.shortest_s < ttl_s and ca.shortest_s <= least_s:
        number = federation_of(scenario, workload)
        yield Problem(
            "issuer.ca.ttl_s" if number is None else f"federation[{number}].ca.ttl_s",
            f"{ca.ttl_s:g}",
            f"leaves {workload.name}'s documents of {regime.name} {ca.shortest_s:g} s at the end "
            f"of a term, must leave > {least_s:g} s, or they expire before they are renewed",
        )
    elif workload.clock_skew.offset_s > 0.0:
        life_s = min(ttl_s, inf if ca is None else ca.shortest_s)
        earliest_s = earliest_renewal_s(regime, life_s)
        if workload.clock_skew.offset_s >= earliest_s:
            yield Problem(
                f"{key}.clock_skew.offset_s",
                f"{workload.clock_skew.offset_s:g}",
                f"must be < {earliest_s:g} s, the age at which {regime.name} may be renewed, or a "
                "clock so far ahead renews without end",
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


def earliest_renewal_s(regime: Regime, life_s: float) -> float:
    """Return the least age at which a document of this life is renewed of itself."""
    if regime.renewal.rule is Renewal.PER_REQUEST:
        return inf
    row = regime_row(regime).at(life_s)
    return min(row.renewal_age(0.0, u_draw) for u_draw in (0.0, 1.0))


def warnings(scenario: Scenario) -> Iterator[str]:
    """Yield a line for what a CA shortens, a stale bundle refuses and a clock does not see yet."""
    for regime in scenario.regimes:
        if signed(regime) and regime.ttl_s < inf:
            yield from _shortened(scenario, regime)
    for foreign in scenario.federation:
        refresh_s, ca = foreign.bundle_refresh_s, foreign.ca
        if refresh_s is not None and ca is not None and refresh_s > ca.lead_s:
            yield (
                f"{foreign.trust_domain}: its bundle is fetched every {refresh_s:g} s, but a new "
                f"CA stands in it only {ca.lead_s:g} s before it signs: what it signs is refused "
                f"for up to {refresh_s - ca.lead_s:g} s of each term of {ca.term_s:g} s"
            )
    backdate_s = scenario.issuer.not_before_backdate_s
    for workload in scenario.workloads:
        behind_s = -workload.clock_skew.offset_s
        if workload.clock_skew.share > 0.0 and behind_s > backdate_s:
            yield (
                f"{workload.name}: a clock {behind_s:g} s behind takes a new document for one from "
                f"the future until {behind_s - backdate_s:g} s after its issue: it is backdated "
                f"by {backdate_s:g} s"
            )


def _shortened(scenario: Scenario, regime: Regime) -> Iterator[str]:
    for ca in dict.fromkeys(ca_of(scenario, workload) for workload in scenario.workloads):
        if ca is None:
            continue
        asked = [ttl_of(w, regime) for w in scenario.workloads if ca_of(scenario, w) == ca]
        if ca.shortest_s < max(asked):
            yield (
                f"{regime.name}: documents of {max(asked):g} s under a CA of {ca.ttl_s:g} s live "
                f"{ca.shortest_s:g} to {min(max(asked), ca.longest_s):g} s and end together with "
                f"it; they need a CA of {max(asked) * ca.needed_ratio:g} s"
            )
