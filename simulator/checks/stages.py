"""The issuer with all that may be on: bound, datastore, deadline, rate limit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Renewal
from scenarios.spec.schema import Backoff, Datastore, Issuer, RateLimit, Start, Task
from simulator import queueing, theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.population import EventKind
from simulator.simulate import Engine

RATE_HZ, AGENTS, BATCHES, BATCH_S = 10.0, 4_000, 72, 150.0
CYCLE_S = AGENTS / RATE_HZ
"""from one attempt of an agent to its next, on average, whether it came to anything or not"""
PATIENT = Backoff(base_s=CYCLE_S, factor=1.0, cap_s=CYCLE_S, jitter=0.9)
ONE_ADDRESS = 1_000_000


class Totals(NamedTuple):
    """What happened in each batch, shape (BATCHES,)."""

    requests: NDArray[np.int64]
    refusals: NDArray[np.int64]
    timeouts: NDArray[np.int64]
    queue_wait_s: NDArray[np.float64]
    limited_wait_s: NDArray[np.float64]


def poisson_attempts(engine: Engine, issuer: Issuer, number: int) -> Totals:
    """Let 4,000 agents ask 10 times a second: at the first of their rare uses after a second.

    An attempt that fails is repeated after as long as one that does not, so together they stay
    Poisson but for one part in 400. Batches of 150 s after a warm-up of 50 s.
    """
    due_s = 1.0
    task = Task(name="ask", rate_hz=1.0 / (CYCLE_S - due_s), permissions=("a:a",))
    checked = scenes.regime(2.0 * due_s, Renewal.AT_USE)
    scene = scenes.scenario(
        checked, AGENTS, horizon_s=50.0 + BATCHES * BATCH_S, tasks=(task,), issuer=issuer
    )
    population = engine(scene, checked, seed_key(SEED + number))
    totals = []
    for n in range(BATCHES + 1):
        population.advance(50.0 + n * BATCH_S)
        totals.append(population.counters())
    return Totals(*(np.diff([getattr(at, name) for at in totals]) for name in Totals._fields))


def bound(engine: Engine) -> list[Finding]:
    """M/M/2/3: two servers, one place to wait."""
    servers, service_s, places = 2, 0.15, 1
    issuer = Issuer(servers=servers, service_time_s=service_s, queue_limit=places, backoff=PATIENT)
    found = poisson_attempts(engine, issuer, 130)
    return [
        Finding(
            "share of requests that M/M/2/3 at three quarters of its load refuses",
            "1",
            found.refusals / found.requests.mean(),
            queueing.blocked(servers, RATE_HZ * service_s, places),
            0.03,
            "three points of a hundred",
        )
    ]


def tandem(engine: Engine) -> list[Finding]:
    """A datastore and two signing servers, each at half load: a Jackson network."""
    store_s, servers, service_s = 0.05, 2, 0.1
    issuer = Issuer(
        servers=servers,
        service_time_s=service_s,
        datastore=Datastore(servers=1, service_time_s=store_s),
    )
    found = poisson_attempts(engine, issuer, 131)
    wait_s = theory.mean_wait(1, RATE_HZ, store_s) + theory.mean_wait(servers, RATE_HZ, service_s)
    return [
        Finding(
            "mean wait before datastore and signing together, both at half load (Jackson)",
            "s",
            found.queue_wait_s / found.requests.mean(),
            wait_s,
            0.2 * wait_s,
            "20 %",
        )
    ]


def deadline(engine: Engine) -> list[Finding]:
    """M/M/1 at half load whose clients give up after two service times, and are served still."""
    service_s = 0.05
    issuer = Issuer(
        servers=1, service_time_s=service_s, deadline_s=2.0 * service_s, backoff=PATIENT
    )
    found = poisson_attempts(engine, issuer, 132)
    return [
        Finding(
            "share of requests given up after two service times in M/M/1 at half load",
            "1",
            found.timeouts / found.requests.mean(),
            queueing.response_beyond(RATE_HZ, service_s, 2.0 * service_s),
            0.03,
            "three points of a hundred",
        )
    ]


def turns(engine: Engine) -> list[Finding]:
    """A rate limit of twice the rate that is asked: every turn takes the same time, M/D/1."""
    limit_hz = 2.0 * RATE_HZ
    limit = RateLimit(rate_hz=limit_hz, nodes_per_address=ONE_ADDRESS)
    issuer = Issuer(servers=64, service_time_s=scenes.INSTANT_S, rate_limit=limit)
    found = poisson_attempts(engine, issuer, 133)
    wait_s = queueing.limiter_wait(RATE_HZ, limit_hz)
    return [
        Finding(
            "mean wait at a rate limit of twice the rate (M/D/1, Pollaczek-Khinchine)",
            "s",
            found.limited_wait_s / found.requests.mean(),
            wait_s,
            0.2 * wait_s,
            "20 %",
        )
    ]


def cold_start(engine: Engine) -> list[Finding]:
    """Four addresses of 500 agents, one turn in 100 s: as 50,000 at one a second."""
    agents, addresses, rate_hz, horizon_s = 500, 4, 0.01, 60_000.0
    checked = scenes.regime(1e6)
    scene = scenes.scenario(checked, agents * addresses, horizon_s)
    limit = RateLimit(
        rate_hz=rate_hz, nodes_per_address=agents // scene.workloads[0].agents_per_node
    )
    issuer = scene.issuer.model_copy(update={"rate_limit": limit})
    cold = scene.model_copy(update={"issuer": issuer, "start": Start(ages="cold")})
    population = engine(cold, checked, seed_key(SEED + 134), trace=True)
    population.advance(horizon_s)
    trace = population.trace()
    issued = trace[trace["kind"] == EventKind.ISSUED]
    last_s = [issued["t_s"][issued["agent"] // agents == n].max() for n in range(addresses)]
    return [
        Finding(
            "until the last of 500 agents behind one address has had its turn of 100 s",
            "s",
            np.array(last_s),
            queueing.limited_drain(agents, rate_hz),
            1.0,
            "a second of 13.9 hours: nothing here is random but the signing",
        )
    ]
