"""Leaks that take several secrets at once: who, how many, by what way, and what is a bad year."""

from collections import Counter, defaultdict
from math import inf
from typing import Any

import numpy as np
import pytest

from analysis import years
from analysis.part import Part
from analysis.summary import summarise
from scenarios.demand.streams import seed_key
from scenarios.record.record import RunRecord
from scenarios.record.tables import Incident
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Detection, Leak, Scenario, Threats
from simulator import theory
from simulator.control.run import run
from simulator.layout import Layout
from simulator.reference import ReferencePopulation
from tests import records
from tests.scenes import make_regime, make_scenario

BLIND = Detection(superseded_serial=False, two_origins=False, new_permission=False)
OFTEN = 30_000.0


def clustered(seed: int = 1, **changes: Any) -> tuple[Scenario, list[Incident]]:  # noqa: ANN401
    regime = make_regime("never", **changes.pop("regime", {}))
    leak = Leak(**{"rate_per_secret_year": OFTEN, "cluster_mean": 4.0} | changes.pop("leak", {}))
    made = {"agents": 40, "threats": Threats(leak=leak), "detection": BLIND} | changes
    scenario = make_scenario(regime, **made)
    key = seed_key(seed)
    population = ReferencePopulation(scenario, regime, key)
    return scenario, run(scenario, regime, key, population)[2]


def events(thefts: list[Incident]) -> dict[float, list[Incident]]:
    found: dict[float, list[Incident]] = defaultdict(list)
    for theft in thefts:
        found[theft.stolen_s].append(theft)
    return found


def test_one_event_takes_different_secrets_of_one_node() -> None:
    scenario, thefts = clustered(leak={"cluster_among": "node"})
    layout = Layout(scenario, scenario.regimes[0])
    sizes = Counter(len(of) for of in events(thefts).values())
    assert max(sizes) == 4, "agents of a node"
    assert min(sizes) == 1
    for of in events(thefts).values():
        assert len({theft.agent for theft in of}) == len(of)
        assert len({layout.node_number(theft.agent) for theft in of}) == 1


def test_one_event_takes_secrets_of_one_class_and_each_group_of_sharers_once() -> None:
    shared = {"regime": {"shared_by": 3}}
    _, thefts = clustered(**shared)
    assert {theft.agent % 3 for theft in thefts} == {0}, "who stands for the secret"
    for of in events(thefts).values():
        assert len({theft.agent for theft in of}) == len(of)


def test_clusters_of_one_are_single_leaks_to_the_instant() -> None:
    plain = clustered(leak={"cluster_mean": 1.0})[1]
    assert set(Counter(t.stolen_s for t in plain).values()) == {1}
    first = {of[0].stolen_s: of[0].agent for of in events(clustered()[1]).values()}
    alone = {theft.stolen_s: theft.agent for theft in plain}
    assert first.items() <= alone.items(), "an event is one of the leaks that come one at a time"


def test_what_leaks_at_once_leaks_by_one_way() -> None:
    bound = {"regime": {"binding": "key", "leak_ratio": 0.4}}
    thefts = clustered(**bound, leak={"log_share": 0.5})[1]
    usable = {t: {row.end == "refused" for row in of} for t, of in events(thefts).items()}
    assert all(len(ends) == 1 for ends in usable.values())
    assert len(set.union(*usable.values())) == 2


@pytest.mark.parametrize(("mean", "pool"), [(3.0, 5), (10.0, 400), (1.0, 7)])
def test_moments_of_a_size(mean: float, pool: int) -> None:
    q = 1.0 - 1.0 / mean
    law = [q ** (k - 1) * (1.0 - q) for k in range(1, pool)] + [q ** (pool - 1)]
    sizes = np.arange(1, pool + 1)
    found = theory.cluster_size(mean, pool)
    assert found.mean == pytest.approx(np.dot(law, sizes))
    assert found.square == pytest.approx(np.dot(law, sizes**2))
    assert theory.count_spread(found) == pytest.approx(found.square / found.mean)


def yearly(stolen: dict[int, list[tuple[float, float]]], years_: int = 2) -> RunRecord:
    """A record of one regime: (stolen, end) of leaks in years, by replication."""
    horizon_s = years_ * SECONDS_PER_YEAR
    leak = {"rate_per_secret_year": 1.0, "cluster_mean": 2.0}
    scenario = records.manifest().scenario
    scenario |= {"horizon_s": horizon_s, "threats": {"leak": leak}}
    record = RunRecord(records.manifest(scenario=scenario, regimes=["svid"]))
    for replication, leaks in stolen.items():
        record.counts += records.counts("svid", replication, issued=1)
        for begin, end in leaks:
            ends: dict[str, Any] = (
                {"end": "open"} if end == inf else {"end": "expired", "expires_s": end * YEAR}
            )
            theft = records.theft("svid", replication, injected=False, stolen_s=begin * YEAR)
            record.incidents.append(type(theft)(**{**_fields(theft), **ends}))
    return record


YEAR = SECONDS_PER_YEAR


def _fields(theft: Incident) -> dict[str, Any]:
    return {name: getattr(theft, name) for name in theft.__struct_fields__}


def test_a_year_is_one_observation() -> None:
    record = yearly({0: [(0.5, 0.6), (0.5, 1.5), (1.2, inf)], 1: [(-0.5, 0.25)]})
    found = years.bad_years(Part(record, "0", ("svid",)), (0, 1))
    assert found["stolen_secrets_per_year"].value == pytest.approx(3 / 4)
    assert found["stolen_secrets_per_year"].n == 4
    assert found["secrets_per_leak"].value == pytest.approx(1.5)
    assert found["years_over_0_stolen_share"].value == pytest.approx(2 / 4)
    assert found["years_over_1_stolen_share"].value == pytest.approx(1 / 4)
    days = [0.1 + 0.5, 0.5 + 0.8, 0.25, 0.0]
    assert found["thief_days_per_year"].value == pytest.approx(365.25 * sum(days) / 4)
    assert found["thief_days_in_bad_year"].n == 4


def test_levels_are_of_the_worst_year_and_titled() -> None:
    record = yearly({0: [(0.1 + k / 1000, 0.9) for k in range(60)]})
    assert years.levels([Part(record, "0", ("svid",))]) == (0, 5, 10, 20, 50)
    assert years.title("years_over_50_stolen_share") == "Years in which more than 50 secrets leak"
    assert years.title("other") is None


def test_a_run_shorter_than_a_year_says_nothing_of_years() -> None:
    short = records.simulated()
    metrics = summarise(short, "0").regimes["svid"].metrics
    assert not [name for name in metrics if "year" in name and "stolen" in name]
