"""What catalogue scenarios about authorities and verifiers say is what the simulator gives."""

from math import pi, sqrt

import pytest

from analysis.summary import RegimeSummary, summarise
from scenarios.spec import resolve
from scenarios.spec.schema import Scenario
from simulator import theory
from simulator.simulate import simulate
from tests.verification.test_catalogue_answers import agrees, at_most, polled, summary

HOUR_S, DAY_S = 3_600.0, 86_400.0


def scenario(name: str) -> Scenario:
    return resolve.load(resolve.catalog()[name]).scenario


def mean_age_s(life_s: float) -> float:
    return polled(life_s).mean


def herd_sd_s(lives_s: tuple[float, ...]) -> float:
    """Return the least spread of a herd: each renewal shrinks it by 1 − f and adds its own."""
    shrunk, added = 1.0, 0.0
    for life_s in lives_s:
        keep = 1.0 - mean_age_s(life_s) / life_s
        shrunk, added = shrunk * keep**2, added * keep**2 + polled(life_s).sd ** 2
    return sqrt(added / (1.0 - shrunk))


def test_ca_truncation() -> None:
    of = summary("ca-truncation", 16, 5_000).regimes
    asked = scenario("ca-truncation")
    assert asked.issuer.ca is not None
    lives_s = theory.truncated_lives(
        mean_age_s, DAY_S, asked.issuer.ca.term_s, asked.issuer.ca.longest_s
    )
    assert [round(life_s / HOUR_S, 1) for life_s in lives_s] == [14.3, 7.8, 4.3]
    day, hour = of["x509-svid-24h"].metrics, of["x509-svid-1h"].metrics
    mean_hz = 5_000 * len(lives_s) / asked.issuer.ca.term_s
    agrees(day["issuances_per_s"], mean_hz, 0.01)
    residual_s = theory.residual_of_lives(lives_s, mean_age_s)
    agrees(day["residual_validity_s"], residual_s, 0.06)
    densest_hz = 5_000 / (herd_sd_s(lives_s) * sqrt(2.0 * pi))
    agrees(day["peak_issuances_per_s"], densest_hz + 3.0 * sqrt(densest_hz), 0.15)
    agrees(hour["issuances_per_s"], 5_000 / polled(HOUR_S).mean, 0.01)
    at_most(hour["peak_issuances_per_s"], 6.0 * 5_000 / polled(HOUR_S).mean)


def test_a_ca_of_six_lives_shortens_none() -> None:
    asked = resolve.scale(scenario("ca-truncation"), 4_000)
    assert asked.issuer.ca is not None
    ca = asked.issuer.ca.model_copy(update={"ttl_s": 6.0 * DAY_S})
    asked = asked.model_copy(update={"issuer": asked.issuer.model_copy(update={"ca": ca})})
    found = summarise(simulate(asked, 1, "fleet", replications=4, regimes=["x509-svid-24h"]))
    metrics = found.regimes["x509-svid-24h"].metrics
    agrees(metrics["issuances_per_s"], 4_000 / polled(DAY_S).mean, 0.02)
    agrees(metrics["residual_validity_s"], theory.residual_validity(DAY_S, polled(DAY_S)), 0.03)


PARTNER_SHARE = 0.75
USES_A_DAY = 0.01 * DAY_S


def refused(asked: Scenario, replications: int) -> RegimeSummary:
    return summarise(simulate(asked, 1, "fleet", replications)).regimes["x509-svid-1h"]


def test_federation_stale_bundle() -> None:
    asked = scenario("federation-stale-bundle")
    (partner,) = asked.federation
    assert partner.ca is not None
    assert partner.bundle_refresh_s == 2.0 * partner.ca.term_s
    # a copy falls U(0, 12 h) after the preparation of every second CA, which so waits 4 h longer
    age = polled(HOUR_S)
    until_held_s = age.square / (2.0 * age.mean)
    mean_s = 4.0 * HOUR_S + partner.ca.term_s / 2.0 - until_held_s
    share = mean_s / partner.bundle_refresh_s
    assert round(share, 2) == 0.41
    found = refused(asked, 40).metrics["auth_failures_per_agent_day"]
    agrees(found, share * USES_A_DAY * PARTNER_SHARE, 0.25)


@pytest.mark.parametrize("refresh_s", [300.0, 7.9 * HOUR_S])
def test_a_bundle_fetched_within_the_lead_refuses_nobody(refresh_s: float) -> None:
    asked = scenario("federation-stale-bundle")
    (partner,) = asked.federation
    fresh = partner.model_copy(update={"bundle_refresh_s": refresh_s})
    of = refused(asked.model_copy(update={"federation": (fresh,)}), 8)
    # none in eight times three days of 120 agents: −ln(0.025)/2880 = 0.0013 is what 95 % cannot
    # exclude, and no more than twice that is what 99 % cannot
    at_most(of.metrics["auth_failures_per_agent_day"], 0.0026)
