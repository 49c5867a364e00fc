"""What a scenario may not say about bundles: ours abroad, and a poisoned one of somebody else."""

from collections.abc import Iterator

from scenarios.errors import Problem
from scenarios.spec.authority import Federation
from scenarios.spec.lifetimes import robbed_domain
from scenarios.spec.schema import Scenario


def problems(scenario: Scenario) -> Iterator[Problem]:
    """Yield every contradiction about who fetches our bundle and whose is poisoned."""
    total = sum(foreign.our_access_share for foreign in scenario.federation)
    if total > 1.0:
        yield Problem(
            "federation[*].our_access_share",
            f"a sum of {total:g}",
            "must be ≤ 1; what is left of 1 our own verifiers judge",
        )
    for index, foreign in enumerate(scenario.federation):
        if foreign.our_bundle_refresh_s is not None and foreign.our_access_share == 0.0:
            yield Problem(
                f"federation[{index}].our_access_share",
                "0",
                f"must be > 0 where {foreign.trust_domain} fetches our bundle: nobody of ours is "
                "judged there otherwise",
            )
        if foreign.our_bundle_refresh_s is None and foreign.our_access_share > 0.0:
            yield Problem(
                f"federation[{index}].our_bundle_refresh_s",
                "nothing",
                f"must say how often {foreign.trust_domain} fetches our bundle: without one it "
                "believes nobody of ours",
            )
    yield from _poisoned(scenario)


def _poisoned(scenario: Scenario) -> Iterator[Problem]:
    domain = scenario.threats.bundle.trust_domain
    known = [foreign.trust_domain for foreign in scenario.federation]
    allowed = f"must be one of {', '.join(known)}" if known else "needs a table [[federation]]"
    if domain is None and _poisons(scenario):
        yield Problem("threats.bundle.trust_domain", "nothing", allowed)
    elif domain is not None and domain not in known:
        yield Problem("threats.bundle.trust_domain", repr(domain), allowed)


def _poisons(scenario: Scenario) -> bool:
    threats = scenario.threats
    return threats.bundle.rate_per_year > 0.0 or threats.injected_bundle_poisonings > 0


def _issuer_robbed(scenario: Scenario) -> bool:
    threats = scenario.threats
    return threats.issuer.rate_per_year > 0.0 or threats.injected_issuer_compromises > 0


def warnings(scenario: Scenario) -> Iterator[str]:
    """Yield a line for a new key that signs too soon, and for a poison that stays or never is."""
    for foreign in scenario.federation:
        if _issuer_robbed(scenario):
            yield from _new_key(scenario, foreign)
        if _poisons(scenario) and foreign.trust_domain == scenario.threats.bundle.trust_domain:
            yield from _profile(scenario, foreign)


def _new_key(scenario: Scenario, foreign: Federation) -> Iterator[str]:
    prepare_s, robbed = scenario.response.new_issuer.prepare_s, robbed_domain(scenario)
    whose, refresh_s = "our", foreign.our_bundle_refresh_s
    if robbed == foreign.trust_domain:
        whose, refresh_s = "its", foreign.bundle_refresh_s
    elif robbed != scenario.trust_domain:
        return
    if refresh_s is not None and refresh_s > prepare_s:
        yield (
            f"{foreign.trust_domain}: {whose} bundle is fetched every {refresh_s:g} s, but a new "
            f"issuer key stands in it only {prepare_s:g} s before it signs "
            f"(response.new_issuer.prepare_s): what it signs is refused for up to "
            f"{refresh_s - prepare_s:g} s"
        )


def _profile(scenario: Scenario, foreign: Federation) -> Iterator[str]:
    law = scenario.threats.bundle
    if foreign.bundle_profile != "https_spiffe":
        return
    robbed = _issuer_robbed(scenario) and robbed_domain(scenario) == foreign.trust_domain
    if law.endpoint_share == 0.0 and not robbed:
        yield (
            f"{foreign.trust_domain}: https_spiffe refuses whoever answers in place of its "
            "endpoint, so with threats.bundle.endpoint_share = 0 no bundle is ever poisoned"
        )
    elif law.replaces and scenario.response.bundle.by_hand_s is None:
        yield (
            f"{foreign.trust_domain}: an endpoint whose keys were replaced cannot prove itself by "
            "https_spiffe any more, so without response.bundle.by_hand_s a poisoned bundle stays"
        )
