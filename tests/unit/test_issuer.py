"""The issuer with all that may be on does what population.py says, case by case, in both engines.

Each case is worked out by hand from the instants in the trace: services are random, their order is
not.
"""

from typing import Any

import numpy as np
import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Regime, RenewalRule
from scenarios.spec.schema import Backoff, Datastore, Issuer, RateLimit, Start
from simulator.population import Command, CommandKind, EventKind, Population
from simulator.simulate import ENGINES, engine_named
from tests.scenes import HOUR_S, WORK, make_regime, make_scenario

KEY = seed_key(1)
EXACT = make_regime(renewal=RenewalRule.model_validate({"rule": "fraction", "fraction": 0.5}))
COLD = Start(ages="cold")
MINUTE = Backoff(base_s=60.0, factor=1.0, cap_s=60.0, jitter=0.0)
INSTANT_S = 1e-9


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start(
    engine: str,
    issuer: Issuer,
    agents: int = 5,
    regime: Regime = EXACT,
    **changes: Any,  # noqa: ANN401
) -> Population:
    """Return a population that stands cold at t = 0."""
    scenario = make_scenario(
        regime, agents=agents, tasks=(WORK,), **({"issuer": issuer, "start": COLD} | changes)
    )
    return engine_named(engine)(scenario, regime, KEY, trace=True)


def of(tested: Population, kind: EventKind) -> list[tuple[float, int]]:
    """Return (instant, agent) of the events of a kind."""
    trace = tested.trace()
    rows = trace[trace["kind"] == kind]
    return [(float(row["t_s"]), int(row["agent"])) for row in rows]


# -- cold start ------------------------------------------------------------------------------------


def test_in_a_cold_start_everybody_asks_at_once(engine: str) -> None:
    tested = start(engine, Issuer(servers=1, service_time_s=1.0))
    assert tested.read(3) == ()
    tested.advance(INSTANT_S)
    assert of(tested, EventKind.REQUEST) == [(0.0, agent) for agent in range(5)]
    assert tested.expired_now() == 5
    assert tested.backlog() == 5
    tested.advance(100.0)
    issued = of(tested, EventKind.ISSUED)
    assert [agent for _, agent in issued] == [0, 1, 2, 3, 4]
    assert tested.read(3)[0].serial == 0
    assert tested.counters().expired_agent_s == pytest.approx(sum(t_s for t_s, _ in issued))
    assert tested.expired_now() == tested.backlog() == 0


def test_renewal_at_use_starts_empty(engine: str) -> None:
    tested = start(engine, Issuer(), regime=make_regime("at-use", ttl_s=300.0))
    tested.advance(HOUR_S)
    switched, asked = of(tested, EventKind.SWITCH), of(tested, EventKind.REQUEST)
    firsts = {agent: min(t_s for t_s, a in switched if a == agent) for agent in range(5)}
    assert {agent: min(t_s for t_s, a in asked if a == agent) for agent in range(5)} == firsts


def test_a_key_on_disk_outlasts_a_cold_start(engine: str) -> None:
    tested = start(engine, Issuer(), regime=make_regime("never"))
    assert [view.serial for view in tested.read(2)] == [0]


# -- bound -----------------------------------------------------------------------------------------


def test_beyond_the_bound_attempts_are_refused(engine: str) -> None:
    issuer = Issuer(servers=1, service_time_s=10.0, queue_limit=2, backoff=MINUTE)
    tested = start(engine, issuer)
    tested.advance(INSTANT_S)
    assert of(tested, EventKind.REFUSED) == [(0.0, 3), (0.0, 4)]
    assert tested.backlog() == 3
    tested.advance(HOUR_S)
    assert tested.counters().issued == 5 + 5, "everybody, and again at half-life"
    assert {agent for t_s, agent in of(tested, EventKind.REQUEST) if t_s == 60.0} == {3, 4}


def test_a_bound_of_nothing_leaves_the_servers(engine: str) -> None:
    tested = start(engine, Issuer(servers=2, service_time_s=10.0, queue_limit=0, backoff=MINUTE))
    tested.advance(INSTANT_S)
    assert [agent for _, agent in of(tested, EventKind.REFUSED)] == [2, 3, 4]
    assert tested.counters().queue_waits == 0


# -- deadline --------------------------------------------------------------------------------------


def test_work_that_was_given_up_is_done_and_thrown_away(engine: str) -> None:
    issuer = Issuer(servers=1, service_time_s=10.0, deadline_s=15.0, backoff=MINUTE)
    tested = start(engine, issuer, agents=8)
    tested.advance(500.0)
    given_up = of(tested, EventKind.TIMED_OUT)
    in_time = [agent for t_s, agent in of(tested, EventKind.ISSUED) if t_s <= 15.0]
    first = [agent for t_s, agent in given_up if t_s == 15.0]
    assert sorted(in_time + first) == list(range(8)), "each is answered in time or gives up"
    assert first, "80 s of work on average, 15 s of patience"
    again = [(t_s, agent) for t_s, agent in of(tested, EventKind.REQUEST) if 0.0 < t_s <= 75.0]
    assert again == [(75.0, agent) for agent in first]
    done = sorted(of(tested, EventKind.ISSUED) + of(tested, EventKind.WASTED))
    assert [agent for _, agent in done[:8]] == list(range(8)), "work goes on in its order"
    assert [agent for _, agent in of(tested, EventKind.WASTED)][: len(first)] == first


def test_every_attempt_comes_to_one_end(engine: str) -> None:
    issuer = Issuer(servers=1, service_time_s=4.0, deadline_s=15.0, queue_limit=9)
    tested = start(engine, issuer, agents=40)
    for stop_s in (0.5, 33.0, 700.0, 1_234.5, 4_000.0):
        tested.advance(stop_s)
        counted = tested.counters()
        over = counted.refusals + counted.issued + counted.wasted
        assert counted.requests == over + tested.backlog()
        assert counted.timeouts >= counted.wasted
    assert counted.wasted > 0
    assert counted.refusals > 0


def test_a_repeated_attempt_s_work_is_drawn_anew(engine: str) -> None:
    issuer = Issuer(servers=100, service_time_s=100.0, deadline_s=1.0, backoff=MINUTE)
    tested = start(engine, issuer, agents=1)
    tested.advance(20_000.0)
    begun = dict(enumerate(t_s for t_s, _ in of(tested, EventKind.REQUEST)))
    ended = sorted(t_s for t_s, _ in of(tested, EventKind.WASTED))
    assert len(begun) > len(ended) > 100, "an answer in time has a chance of one in a hundred"
    assert len({round(t_s % 61.0, 6) for t_s in ended}) > 50, "work differs, its beginnings do not"


# -- stages ----------------------------------------------------------------------------------------


def test_a_request_passes_the_datastore_and_is_signed(engine: str) -> None:
    slow, quick = 10.0, INSTANT_S
    for store_s, sign_s in ((slow, quick), (quick, slow)):
        issuer = Issuer(
            servers=1, service_time_s=sign_s, datastore=Datastore(servers=1, service_time_s=store_s)
        )
        tested = start(engine, issuer, agents=50)
        tested.advance(1_700.0)
        issued = of(tested, EventKind.ISSUED)
        assert [agent for _, agent in issued] == list(range(50)), "first come, first served, twice"
        lasted_s = issued[-1][0]
        assert 216.0 < lasted_s < 784.0, "Gamma(50, 10 s): four standard deviations of 71 s"


def test_a_bound_counts_both_stages(engine: str) -> None:
    issuer = Issuer(
        servers=1, service_time_s=10.0, datastore=Datastore(service_time_s=INSTANT_S), queue_limit=1
    )
    tested = start(engine, issuer)
    tested.advance(1e-6)
    assert [agent for _, agent in of(tested, EventKind.REFUSED)] == [3, 4]


@pytest.mark.parametrize("kind", [CommandKind.SLOW_DATASTORE, CommandKind.SLOW_SIGNING])
def test_what_begins_while_a_stage_is_slow_takes_longer(engine: str, kind: CommandKind) -> None:
    store = Datastore(servers=9, service_time_s=1.0)
    issuer = Issuer(servers=9, service_time_s=1.0, datastore=store)
    ended_s = []
    for factor in (1.0, 8.0):
        tested = start(engine, issuer, agents=4)
        tested.command(Command(kind, value=factor))
        tested.advance(1_000.0)
        ended_s.append(np.array([t_s for t_s, _ in sorted(of(tested, EventKind.ISSUED))]))
    # the same draws: between the same sum and eight times it, since only one stage is slow
    assert (ended_s[1] > ended_s[0]).all()
    assert (ended_s[1] < 8.0 * ended_s[0]).all()


def test_without_a_datastore_signing_can_be_slow_too(engine: str) -> None:
    ended_s = []
    for factor in (1.0, 8.0):
        tested = start(engine, Issuer(servers=9, service_time_s=1.0), agents=4)
        tested.command(Command(CommandKind.SLOW_DATASTORE, value=3.0))
        tested.command(Command(CommandKind.SLOW_SIGNING, value=factor))
        tested.advance(1_000.0)
        ended_s.append([t_s for t_s, _ in of(tested, EventKind.ISSUED)])
    assert ended_s[1] == [8.0 * t_s for t_s in ended_s[0]]


# -- batches -------------------------------------------------------------------------------------


def test_what_one_node_asks_for_at_once_shares_its_overhead(engine: str) -> None:
    issuer = Issuer(servers=1, service_time_s=INSTANT_S, batch_overhead_s=2.0)
    tested = start(engine, issuer, agents=10)  # nodes of 4, 4 and 2
    tested.advance(100.0)
    assert turns_s(tested) == sorted((2 * (1 + agent // 4), agent) for agent in range(10))


def test_a_node_asks_at_its_syncs(engine: str) -> None:
    issuer = Issuer(servers=9, agent_sync_s=50.0, renew_at_sync=True)
    tested = start(engine, issuer, agents=10, start=Start(ages="synchronised"))
    tested.advance(2 * HOUR_S)
    asked = of(tested, EventKind.REQUEST)
    first = {agent: t_s for t_s, agent in reversed(asked)}
    assert all(1_800.0 <= t_s < 1_850.0 for t_s in first.values()), "due at half-life"
    assert [first[agent] for agent in range(10)] == [
        first[agent - agent % 4] for agent in range(10)
    ]
    assert len(set(first.values())) == 3, "each node has its own syncs"
    for t_s, agent in asked:
        syncs = (t_s - first[agent]) / 50.0
        assert syncs == pytest.approx(round(syncs), abs=1e-9)
    assert len(asked) == 3 * 10, "every 1850 s: due 1800 s after the issue, just after a sync"


# -- rate limit ------------------------------------------------------------------------------------


def limited(nodes_per_address: int, burst: int = 1, **more: Any) -> Issuer:  # noqa: ANN401
    limit = RateLimit(rate_hz=0.1, burst=burst, nodes_per_address=nodes_per_address)
    return Issuer(servers=9, service_time_s=INSTANT_S, rate_limit=limit, **more)


def turns_s(tested: Population) -> list[tuple[int, int]]:
    """Return (whole second of the issue, agent), those of one second by agent."""
    return sorted((round(t_s), agent) for t_s, agent in of(tested, EventKind.ISSUED))


def test_each_address_has_its_turn(engine: str) -> None:
    tested = start(engine, limited(nodes_per_address=1), agents=10)  # nodes of 4, 4 and 2
    tested.advance(100.0)
    assert turns_s(tested) == [
        (10 * turn, agent)
        for turn in range(4)
        for agent in (turn, 4 + turn, 8 + turn)
        if agent < 10
    ]
    assert tested.counters().limited == 7
    assert tested.counters().limited_wait_s == pytest.approx(2 * (10 + 20 + 30) + 10)


def test_nodes_behind_one_address_share_its_turns(engine: str) -> None:
    tested = start(engine, limited(nodes_per_address=2), agents=10)
    tested.advance(100.0)
    assert turns_s(tested) == sorted(
        [(10 * turn, turn) for turn in range(8)] + [(10 * turn, 8 + turn) for turn in range(2)]
    )


def test_a_rested_address_has_a_burst(engine: str) -> None:
    tested = start(engine, limited(nodes_per_address=99, burst=3), agents=6)
    tested.advance(100.0)
    assert turns_s(tested) == [(0, 0), (0, 1), (0, 2), (10, 3), (20, 4), (30, 5)]


def test_who_would_wait_beyond_his_deadline_is_refused_at_once(engine: str) -> None:
    issuer = limited(nodes_per_address=99, deadline_s=20.0, backoff=MINUTE)
    tested = start(engine, issuer, agents=5)
    tested.advance(INSTANT_S)
    assert of(tested, EventKind.REFUSED) == [(0.0, 2), (0.0, 3), (0.0, 4)]
    tested.advance(100.0)
    assert turns_s(tested) == [(0, 0), (10, 1), (60, 2), (70, 3)]
    assert tested.counters().wasted == tested.counters().timeouts == 0
