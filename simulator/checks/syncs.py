"""What a node's agent does: the wait for its sync, its batches, its back-off in an outage."""

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Renewal
from scenarios.spec.schema import Backoff, Issuer, Scenario
from simulator import sync_theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.population import Command, CommandKind, EventKind
from simulator.simulate import Engine

QUICK = Issuer(
    servers=64,
    service_time_s=scenes.INSTANT_S,
    agent_sync_s=60.0,
    renew_at_sync=True,
    backoff=scenes.retry_every(1e9),
)
NODE = Backoff(base_s=90.0, factor=1.5, cap_s=600.0, jitter=0.0)


def _alone(scene: Scenario) -> Scenario:
    """Return a scene whose agents have a node each."""
    (workload,) = scene.workloads
    return scene.model_copy(
        update={"workloads": (workload.model_copy(update={"agents_per_node": 1}),)}
    )


def _first(trace: NDArray[np.void], kind: EventKind) -> NDArray[np.float64]:
    """Return when each agent had its first event of a kind, in the order of the agents."""
    rows = trace[trace["kind"] == kind]
    _, places = np.unique(rows["agent"], return_index=True)  # the first of each, rows are by time
    times: NDArray[np.float64] = rows["t_s"][places]
    return times


def wait(engine: Engine) -> list[Finding]:
    """Documents due at an instant that is uniform over one interval, thirty intervals on."""
    agents, ttl_s, fraction = 8_000, 3600.0, 0.5
    due_s, found = fraction * ttl_s, []
    for n, jitter in enumerate((0.0, 0.9)):
        spread = QUICK.agent_sync_s / (2.0 * due_s)
        checked = scenes.regime(ttl_s, fraction=fraction, jitter=spread)
        issuer = QUICK.model_copy(update={"agent_sync_jitter": jitter})
        scene = scenes.scenario(checked, agents, ttl_s, issuer=issuer, synchronised=True)
        population = engine(_alone(scene), checked, seed_key(SEED + 140, n), trace=True)
        population.advance(0.75 * ttl_s)
        theory_s = sync_theory.sync_wait(QUICK.agent_sync_s, jitter)
        found.append(
            Finding(
                f"mean wait for a sync every 60 s ± {100 * jitter:.0f} % (renewal theory)",
                "s",
                _first(population.trace(), EventKind.REQUEST) - due_s,
                theory_s,
                0.1 * theory_s,
                "10 %",
            )
        )
    return found


def batch(engine: Engine) -> list[Finding]:
    """Nodes of ten, whose documents come due at independent instants of half an hour."""
    nodes, size, cycle_s, interval_s = 800, 10, 1800.0, 300.0
    checked = scenes.regime(2.0 * cycle_s)
    issuer = QUICK.model_copy(update={"agent_sync_s": interval_s})
    scene = scenes.scenario(checked, nodes * size, 3.0 * cycle_s, issuer=issuer)
    population = engine(scene, checked, seed_key(SEED + 141), trace=True)
    population.advance(cycle_s + interval_s + 1.0)
    asked_s = _first(population.trace(), EventKind.REQUEST).reshape(nodes, size)
    together = asked_s[:, :, None] == asked_s[:, None, :]
    theory = sync_theory.batch_size(size, interval_s, cycle_s)
    return [
        Finding(
            "documents in the batch of one, ten on a node, syncs every sixth of a cycle",
            "1",
            together.sum(axis=2).mean(axis=1),
            theory,
            0.1 * theory,
            "10 %",
        )
    ]


def work(engine: Engine) -> list[Finding]:
    """Ten documents of a node due at one sync, at a server that does nothing else meanwhile."""
    nodes, size, interval_s = 300, 10, 2e6
    overhead_s, service_s, gap_s = 5.0, 1.0, 60.0
    checked = scenes.regime(
        3.0 * interval_s, Renewal.BEFORE_EXPIRY, before_expiry_s=2.0 * interval_s
    )
    found = []
    for n, limit in enumerate((size, 4)):
        issuer = QUICK.model_copy(
            update={
                "servers": 1,
                "service_time_s": service_s,
                "agent_sync_s": interval_s,
                "batch_overhead_s": overhead_s,
                "batch_limit": limit,
                "batch_gap_s": gap_s,
            }
        )
        scene = scenes.scenario(
            checked, nodes * size, 2.5 * interval_s, issuer=issuer, synchronised=True
        )
        population = engine(scene, checked, seed_key(SEED + 142, n), trace=True)
        population.advance(2.1 * interval_s)
        trace = population.trace()
        asked_s = _first(trace, EventKind.REQUEST).reshape(nodes, size).min(axis=1)
        issued_s = _first(trace, EventKind.ISSUED).reshape(nodes, size).max(axis=1)
        found.append(
            Finding(
                "until a node has ten documents of 1 s each, batches of "
                f"{limit} that cost 5 s, a minute apart",
                "s",
                issued_s - asked_s,
                sync_theory.batches_end(size, limit, gap_s, overhead_s, service_s),
                2.0,
                "two seconds: an overhead more or less is five",
            )
        )
    return found


def backoff(engine: Engine) -> list[Finding]:
    """Nodes whose syncs fail for 760 s: five vain ones of some, four of the others."""
    agents, down_s, outage_s, interval_s = 5_000, 600.0, 760.0, QUICK.agent_sync_s
    law = outage_s, interval_s, NODE.base_s, NODE.factor, NODE.cap_s
    issuer = QUICK.model_copy(update={"sync_backoff": NODE})
    observed = []
    for n, due_s in enumerate((down_s, down_s + outage_s)):
        checked = scenes.regime(3_000.0, Renewal.BEFORE_EXPIRY, before_expiry_s=3_000.0 - due_s)
        scene = scenes.scenario(checked, agents, 4_000.0, issuer=issuer, synchronised=True)
        population = engine(_alone(scene), checked, seed_key(SEED + 143, n), trace=True)
        population.advance(down_s)
        population.command(Command(CommandKind.ISSUER_DOWN))
        population.advance(down_s + outage_s)
        population.command(Command(CommandKind.ISSUER_UP))
        population.advance(due_s + 1_900.0)
        observed.append(population.trace())
    refused = observed[0][observed[0]["kind"] == EventKind.REFUSED]
    noticed_s = sync_theory.noticed_after(*law)
    return [
        Finding(
            "vain syncs of a node in an outage of 760 s, every 60 s, backing off 90 s · 1.5ⁿ",
            "1",
            np.bincount(refused["agent"], minlength=agents).astype(np.float64),
            sync_theory.vain_syncs(*law),
            0.1,
            "a tenth of an attempt",
        ),
        Finding(
            "from the end of that outage to documents that come due just then",
            "s",
            _first(observed[1], EventKind.ISSUED) - (down_s + outage_s),
            noticed_s,
            0.15 * noticed_s,
            "15 %",
        ),
    ]
