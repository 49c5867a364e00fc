"""Rotation by hand: when it is done, what forgetting costs, whose time it takes."""

from math import inf

import numpy as np
import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Effort, Issuance, Offboarding, Regime
from scenarios.spec.rules import SECONDS_PER_YEAR, age_by_hand, stationary_age_by_hand
from scenarios.spec.schema import Threats
from simulator import theory
from simulator.control.people import effort, orphans
from simulator.simulate import ENGINES, engine_named, simulate
from tests.records import theft
from tests.scenes import make_regime, make_scenario

TTL_S, BEFORE_S, FORGOTTEN, MENDED_S = 1000.0, 250.0, 0.2, 400.0
LAW = TTL_S, BEFORE_S, FORGOTTEN, MENDED_S
GRID = [(i + 0.5) / 20_000 for i in range(20_000)]
WORK = Effort(
    issue_s=600.0, rotation_s=750.0, places=2, breaks_share=0.1, mishap_s=9000.0, incident_s=7200.0
)


def by_hand(**changes: object) -> Regime:
    rule = {
        "before_expiry_s": BEFORE_S,
        "forgotten_share": FORGOTTEN,
        "mended_within_s": MENDED_S,
    }
    regime = make_regime("before-expiry", name="by-hand", ttl_s=TTL_S, issuance=Issuance.MANUAL)
    renewal = regime.renewal.model_copy(update=rule)
    return regime.model_copy(update={"renewal": renewal, "effort": WORK, **changes})


def test_the_law_has_the_moments_of_its_two_cases() -> None:
    law = theory.age_by_hand(*LAW)
    ages_s = [age_by_hand(*LAW, u) for u in GRID]
    assert sum(ages_s) / len(GRID) == pytest.approx(law.mean, rel=1e-6)
    assert sum(age * age for age in ages_s) / len(GRID) == pytest.approx(law.square, rel=1e-6)
    assert min(ages_s) == 750.0
    assert 1399.0 < max(ages_s) <= 1400.0


def test_a_random_instant_falls_into_a_renewal_age_by_its_length() -> None:
    law = theory.age_by_hand(*LAW)
    biased_s = [stationary_age_by_hand(*LAW, u) for u in GRID]
    assert sum(biased_s) / len(GRID) == pytest.approx(law.square / law.mean, rel=1e-4)
    assert stationary_age_by_hand(TTL_S, BEFORE_S, 0.0, 0.0, 1.0 - 2**-53) == 750.0


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_forgotten_is_expired_for_as_long_as_it_takes_to_mend_it(engine: str) -> None:
    """Share of time expired: q·(M/2)/E[R], from the stationary state on, at any instant."""
    regime = by_hand()
    scenario = make_scenario(regime, agents=4000, horizon_s=5.0 * TTL_S)
    population = engine_named(engine)(scenario, regime, seed_key(5))
    expected = FORGOTTEN * MENDED_S / 2.0 / theory.age_by_hand(*LAW).mean
    for at_s in (1.0, 2300.0, 4900.0):
        population.advance(at_s)
        held = [population.read(agent)[0] for agent in range(4000)]
        expired = sum(view.expires_s <= at_s for view in held) / 4000
        assert expired == pytest.approx(expected, abs=0.014), "4 sigma"


def test_both_populations_tell_the_same_story_of_forgetting() -> None:
    regime = by_hand()
    scenario = make_scenario(regime, agents=60, threats=Threats(injected_thefts=5))
    one, other = (simulate(scenario, 7, engine, replications=2) for engine in ENGINES)
    names = {count.name for count in one.counts} - {"events_executed"}
    for name in names:
        found, expected = (
            [count.value for count in record.counts if count.name == name]
            for record in (one, other)
        )
        assert found == pytest.approx(expected, rel=1e-12), name
    assert one.incidents == other.incidents
    assert any(count.name == "expired_agent_s" and count.value > 0.0 for count in one.counts)


def test_time_of_people_is_counted_by_what_they_did() -> None:
    noticed, unseen = theft(injected=False, alert_s=500.0), theft(injected=False)
    scenario = make_scenario(by_hand())
    found = effort(scenario, by_hand(), 30.0, 50.0, [noticed, unseen, theft(alert_s=500.0)])
    broken = 50.0 * 0.8 * 0.1
    assert found == {
        "handing_out_s": 18_000.0,
        "never_rotated": 0.0,
        "rotations_by_hand": 50.0,
        "mishaps": pytest.approx(10.0 + broken),
        "broken_agent_s": pytest.approx(broken * 200.0),
        "toil_s": pytest.approx(50.0 * 1500.0 + (10.0 + broken) * 9000.0 + 7200.0),
    }
    issuer = make_regime(effort=WORK)
    by_itself = effort(scenario, issuer, 30.0, 50.0, [noticed])
    assert by_itself.pop("toil_s") == 7200.0
    assert by_itself.pop("handing_out_s") == 18_000.0
    assert set(by_itself.values()) == {0.0}, "beside keys that people rotate"
    assert effort(make_scenario(issuer), issuer, 30.0, 50.0, [noticed]) == {"toil_s": 7200.0}
    assert effort(scenario, make_regime(), 30.0, 50.0, [noticed]) == {}


def test_orphans_are_those_of_a_year_that_neither_expired_nor_were_deleted() -> None:
    """A queue with a server for everybody, looked at after a year."""
    year_s, day_s = SECONDS_PER_YEAR, 86_400.0
    rule = Offboarding(never_share=0.25, mean_s=30.0 * day_s)
    key = make_regime("never", offboarding=rule)
    scenario = make_scenario(key, agents=100, probes=10)
    (clerk,) = scenario.workloads
    two_a_year = clerk.model_copy(update={"leaves_per_agent_year": 2.0})
    scenario = scenario.model_copy(update={"workloads": (two_a_year,)})
    gone_s = np.random.default_rng(1).uniform(0.0, year_s, 400_000)
    works = 0.25 + 0.75 * np.exp(-gone_s / rule.mean_s)
    endless = orphans(scenario, key, np.full(3, inf))
    assert endless == pytest.approx(200.0 * works.mean(), rel=0.01)
    hour = make_regime(ttl_s=3600.0)
    assert orphans(scenario, hour, np.array([1800.0, 3600.0])) == pytest.approx(
        200.0 * 2700.0 / year_s
    ), "nobody deletes what ends by itself"
    shared = make_regime("never", offboarding=rule, shared_by=4)
    assert orphans(scenario, shared, np.full(3, inf)) == 200.0, "others still use it"
    record = simulate(scenario, 1, "fleet", 1)
    (found,) = [count.value for count in record.counts if count.name == "orphans"]
    assert found == pytest.approx(endless)
