"""The issuer's queue and its outages."""

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Renewal
from scenarios.spec.schema import Issuer, Task
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.population import Command, CommandKind, EventKind
from simulator.simulate import Engine


def waiting(engine: Engine) -> list[Finding]:
    """M/M/2 at half load: 4,000 agents ask at the first of their rare uses after one second.

    Each asks after 1 s + Exp(399 s), so together they are Poisson but for one part in 400.
    Batches of 150 s after a warm-up of 50 s; the queue forgets within a few service times.
    """
    servers, service_s, agents, batches, batch_s = 2, 0.1, 4_000, 84, 150.0
    due_s = 1.0
    rate_hz = 0.5 * servers / service_s
    use_hz = 1.0 / (agents / rate_hz - due_s)
    task = Task(name="ask", rate_hz=use_hz, permissions=("a:a",))
    checked = scenes.regime(2.0 * due_s, Renewal.AT_USE)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s=50.0 + batches * batch_s,
        tasks=(task,),
        issuer=Issuer(servers=servers, service_time_s=service_s),
    )
    population = engine(scene, checked, seed_key(SEED + 30))
    population.advance(50.0)
    totals = [population.counters()]
    for n in range(batches):
        population.advance(50.0 + (n + 1) * batch_s)
        totals.append(population.counters())
    requests = np.diff([total.requests for total in totals])
    waits = np.diff([total.queue_waits for total in totals])
    wait_s = np.diff([total.queue_wait_s for total in totals])
    return [
        Finding(
            "share of requests that find both servers of M/M/2 at half load busy (Erlang C)",
            "1",
            waits / requests.mean(),
            theory.erlang_c(servers, rate_hz * service_s),
            0.03,
            "three points of a hundred",
        ),
        Finding(
            "mean wait in that queue",
            "s",
            wait_s / requests.mean(),
            theory.mean_wait(servers, rate_hz, service_s),
            0.2 * theory.mean_wait(servers, rate_hz, service_s),
            "20 %",
        ),
    ]


def outage(engine: Engine) -> list[Finding]:
    """45 min without issuer at a life of an hour, renewal at half of it."""
    ttl_s, fraction, outage_s, agents, groups = 3600.0, 0.5, 2700.0, 400, 26
    checked = scenes.regime(ttl_s, fraction=fraction)
    patient = Issuer(servers=64, service_time_s=scenes.INSTANT_S, backoff=scenes.retry_every(1e4))
    shares, downtime_s = [], []
    for n in range(groups):
        scene = scenes.scenario(checked, agents, 2 * ttl_s, issuer=patient)
        population = engine(scene, checked, seed_key(SEED + 40, n))
        population.advance(ttl_s)
        population.command(Command(CommandKind.ISSUER_DOWN))
        population.advance(ttl_s + outage_s)
        shares.append(population.expired_now() / agents)
        downtime_s.append(population.counters().expired_agent_s / agents)
    return [
        Finding(
            "share of credentials expired after 45 min without issuer, 1 h renewed at half-life",
            "1",
            np.array(shares),
            theory.expired_share(ttl_s, fraction, outage_s),
            0.06,
            "six points of a hundred",
        ),
        Finding(
            "time without a valid credential in that outage, mean over agents",
            "s",
            np.array(downtime_s),
            theory.downtime(ttl_s, fraction, outage_s),
            0.15 * theory.downtime(ttl_s, fraction, outage_s),
            "15 %",
        ),
    ]


def drain(engine: Engine) -> list[Finding]:
    """The backlog of a 10 min outage, half the issuer's capacity being in use ordinarily."""
    agents, ttl_s, fraction, outage_s, groups = 3_000, 3600.0, 0.5, 600.0, 14
    capacity_hz = 2.0 * agents / (fraction * ttl_s)
    issuer = Issuer(servers=1, service_time_s=1.0 / capacity_hz, backoff=scenes.retry_every(20.0))
    checked = scenes.regime(ttl_s, fraction=fraction)
    drained_s = []
    for n in range(groups):
        scene = scenes.scenario(checked, agents, ttl_s, issuer=issuer)
        population = engine(scene, checked, seed_key(SEED + 50, n), trace=True)
        population.advance(100.0)
        population.command(Command(CommandKind.ISSUER_DOWN))
        up_s = 100.0 + outage_s
        population.advance(up_s)
        population.command(Command(CommandKind.ISSUER_UP))
        population.advance(up_s + 2.0 * outage_s)
        drained_s.append(_idle_again_s(population.trace(), up_s) - up_s)
    return [
        Finding(
            "time to serve the backlog of a 10 min outage at half load",
            "s",
            np.array(drained_s),
            theory.drain(agents, ttl_s, fraction, outage_s, capacity_hz),
            120.0,
            "20 %: the closed form is a fluid limit, and the backlog is complete after one retry",
        )
    ]


def _idle_again_s(trace: np.ndarray, up_s: float) -> float:
    """Return when the issuer has answered everything for the first time after the retries."""
    change = (trace["kind"] == EventKind.REQUEST).astype(np.int64)
    change -= (trace["kind"] == EventKind.REFUSED) | (trace["kind"] == EventKind.ISSUED)
    idle = (np.cumsum(change) == 0) & (trace["t_s"] > up_s + 20.0)
    return float(trace["t_s"][np.argmax(idle)])
