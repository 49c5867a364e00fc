"""Replacements that wait for the issuer to come so far happen as if they were executed at once."""

import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Regime
from simulator.fleet import build
from simulator.fleet.issuer import ORDERS
from simulator.fleet.population import FleetPopulation
from simulator.population import Command, CommandKind, EventKind, Population
from simulator.reference import ReferencePopulation
from tests.histories import first_difference, same_counters
from tests.scenes import WORK, make_regime, make_scenario

AGENTS, END_S = 40, 1500.0
DOWN, UP, REPLACE = CommandKind.ISSUER_DOWN, CommandKind.ISSUER_UP, CommandKind.REPLACE
Orders = list[tuple[float, Command]]
REGIMES = [
    make_regime("fraction", ttl_s=600.0),
    make_regime("before-expiry", ttl_s=900.0),
    make_regime("at-use", ttl_s=300.0),
    make_regime("never"),
]


def both(regime: Regime, orders: Orders) -> tuple[Population, Population]:
    """Return reference and fleet after the same orders, with no look in between."""
    scenario = make_scenario(regime, agents=AGENTS, tasks=(WORK,))
    slow_s = 400.0 * scenario.issuer.servers / AGENTS  # a queue that is long at times
    issuer = scenario.issuer.model_copy(update={"service_time_s": slow_s, "servers": 2})
    scenario = scenario.model_copy(update={"issuer": issuer})
    reference = ReferencePopulation(scenario, regime, seed_key(3), trace=True)
    fleet = FleetPopulation(scenario, regime, seed_key(3), trace=True)
    for population in (reference, fleet):
        for at_s, command in orders:
            population.advance(at_s)
            population.command(command)
        population.advance(END_S)
    return reference, fleet


def same(regime: Regime, orders: Orders) -> None:
    reference, fleet = both(regime, orders)
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert same_counters(fleet.counters(), reference.counters())


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.renewal.rule.keyword)
def test_orders_of_one_instant_keep_their_order(regime: Regime) -> None:
    replaced = [(400.0, Command(REPLACE, agent)) for agent in (9, 2, 9, 30)]
    cut = [(400.0, Command(DOWN)), (400.0, Command(REPLACE, 4)), (430.0, Command(REPLACE, 5))]
    healed = [(500.0, Command(REPLACE, 6)), (500.0, Command(UP)), (500.0, Command(REPLACE, 7))]
    same(regime, [*replaced, *cut, *healed])


def test_an_order_precedes_what_the_fleet_does_at_its_instant() -> None:
    regime = REGIMES[0]
    reference, _ = both(regime, [])
    rows = reference.trace()
    orders: Orders = []
    for kind in (EventKind.ISSUED, EventKind.REQUEST):
        for row in rows[rows["kind"] == kind][3:12:2]:
            orders += [(float(row["t_s"]), Command(REPLACE, (int(row["agent"]) + 1) % AGENTS))]
            orders += [(float(row["t_s"]), Command(REPLACE, int(row["agent"])))]
    same(regime, sorted(orders, key=lambda order: order[0]))


def test_more_orders_than_may_wait() -> None:
    every = [(300.0 + n * 1e-3, Command(REPLACE, n % AGENTS)) for n in range(2 * ORDERS)]
    same(REGIMES[0], every)


def test_a_queue_that_grows_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "QUEUE", 1)
    herd = [(300.0, Command(DOWN)), (500.0, Command(UP))]
    pairs = [(600.0 + n, Command(REPLACE, n % AGENTS)) for n in range(3 * AGENTS)]
    reference, fleet = both(REGIMES[0], [*herd, *pairs])
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert isinstance(fleet, FleetPopulation)
    assert fleet._memory.issuer["queue_mask"] >= 7  # it grew three times at least
