"""Detectors of single lines and of rates, and the queue of those who answer."""

from collections import Counter
from math import exp

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import Stream, seed_key
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.detection.canaries import Canary
from scenarios.detection.permissions import NewPermission
from scenarios.record.tables import Incident
from scenarios.spec.defence import ON, Armed, Benign, Policy, Priority, RateChange, Response
from scenarios.spec.regime import Renewal
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Abuse, Task, Threats
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.response import Response as People
from simulator.control.run import run
from simulator.control.world import World, case_entity
from simulator.population import CredentialView
from simulator.simulate import Engine

HOUR_S = 3600.0


def single_lines(engine: Engine) -> list[Finding]:
    """A thief at 1/600 s whose every 5th use touches a canary, and half of whose lines are seen."""
    ttl_s, fraction, use_hz, share, seen, thefts = HOUR_S, 0.5, 1.0 / 600.0, 0.2, 0.5, 10_000
    checked = scenes.regime(ttl_s, fraction=fraction)
    kinds = (
        ("a touched canary", share * seen, {"canary": Armed(armed=True, sensitivity=seen)}),
        ("a new origin", seen, {"new_origin": Armed(armed=True, sensitivity=seen)}),
    )
    found = []
    for place, (words, each, armed) in enumerate(kinds):
        scene = scenes.scenario(
            checked,
            agents=24_000,
            horizon_s=3.0 * ttl_s,
            threats=Threats(
                injected_thefts=thefts,
                abuse=Abuse(
                    first_use_median_s=1e-3,
                    first_use_sigma=0.0,
                    use_rate_hz=use_hz,
                    canary_share=share,
                ),
            ),
            detection=scenes.BLIND.model_copy(update=armed),
        ).model_copy(update={"response": Response(triage_mean_s=0.0)})
        key = seed_key(SEED + 130 + place)
        rows = run(scene, checked, key, engine(scene, checked, key))[2]
        whole = _robbed_once(rows, scene.horizon_s - ttl_s)
        expected = theory.told_before_expiry(ttl_s, fraction, use_hz, each)
        found.append(
            Finding(
                f"share of thefts that {words} gives away before expiry",
                "1",
                np.array([_before_expiry(row.alert_s, row.expires_s) for row in whole]),
                expected,
                0.06,
                "six points of a hundred",
            )
        )
    return found


def _robbed_once(rows: list[Incident], until_s: float) -> list[Incident]:
    """Return the thefts of agents with one: of two thieves only one is told, and not revoked."""
    times = Counter(row.agent for row in rows)
    return [row for row in rows if times[row.agent] == 1 and row.stolen_s < until_s]


def _before_expiry(alert_s: float | None, expires_s: float | None) -> float:
    return float(alert_s is not None and expires_s is not None and alert_s < expires_s)


def run_length(engine: Engine) -> list[Finding]:
    """Alerts by chance where nothing happens; the two lines of a task come together.

    In units of two lines the sum rises by one a task and falls by k a task expected: the law for
    h/2. The mean of the count in a horizon of many run lengths is horizon ÷ run length but for the
    edges, here one part in a hundred.
    """
    agents, use_hz, threshold, reference = 700, 0.05, 7.0, 1.5
    length = theory.cusum_run_length(threshold / 2.0, reference)
    horizon_s = 12.0 * length / use_hz
    checked = scenes.regime(float("inf"), Renewal.NEVER)
    armed = RateChange(armed=True, reference=reference, threshold=threshold)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s,
        tasks=(Task(name="work", rate_hz=use_hz, permissions=("a:a",)),),
        detection=scenes.BLIND.model_copy(update={"rate_change": armed}),
    ).model_copy(update={"response": Response(triage_mean_s=0.0, analysts=1000)})
    key = seed_key(SEED + 135)
    alerts = run(scene, checked, key, engine(scene, checked, key))[3]
    numbers = [int(alert.identity.rsplit("/", 1)[1]) for alert in alerts]
    return [
        Finding(
            "alerts of the CUSUM by chance ÷ horizon in run lengths (M/D/1 first passage)",
            "1",
            np.bincount(numbers, minlength=agents) / 12.0,
            1.0,
            0.10,
            "10 %",
        )
    ]


def shared_documents(engine: Engine) -> list[Finding]:
    """A second pod with the same document; life 20 min, owner at 1/200 s, last 2 of 3½ lives."""
    agents, ttl_s, fraction, owner_hz, per_life = 8_000, 1200.0, 0.5, 0.005, 0.2
    checked = scenes.regime(ttl_s, fraction=fraction)
    benign = Benign(shared_documents_per_agent_year=per_life / ttl_s * SECONDS_PER_YEAR)
    scene = scenes.scenario(
        checked,
        agents,
        horizon_s=3.5 * ttl_s,
        tasks=(Task(name="work", rate_hz=owner_hz, permissions=("a:a",)),),
        detection=scenes.BLIND.model_copy(update={"two_origins": ON}),
    ).model_copy(update={"benign": benign, "response": Response(triage_mean_s=0.0)})
    key = seed_key(SEED + 136)
    alerts = run(scene, checked, key, engine(scene, checked, key))[3]
    late = [alert for alert in alerts if alert.t_s >= 1.5 * ttl_s]
    numbers = [int(alert.identity.rsplit("/", 1)[1]) for alert in late]
    return [
        Finding(
            "alerts ÷ events, another pod is served the same document: seen from both",
            "1",
            np.bincount(numbers, minlength=agents) / (2.0 * per_life),
            1.0 - exp(-owner_hz * fraction * ttl_s),
            0.15,
            "fifteen points of a hundred",
        )
    ]


def queue(engine: Engine) -> list[Finding]:
    """Two kinds of alerts, one more urgent, at half the capacity of two analysts (Cobham)."""
    analysts, triage_s, alerts, batches, agents = 2, 600.0, 90_000, 40, 2_000
    rate_hz = 0.5 * analysts / triage_s
    checked = scenes.regime(float("inf"), Renewal.NEVER)
    scene = scenes.scenario(checked, agents, horizon_s=2.0 * alerts / rate_hz).model_copy(
        update={
            "response": Response(
                analysts=analysts,
                triage_mean_s=triage_s,
                priority=Priority(canary=0, new_permission=1),
            )
        }
    )
    key = seed_key(SEED + 137)
    world = World(scene, checked, key, engine(scene, checked, key))
    people = People(world)
    names = (Canary.name, NewPermission.name)
    t_s = 0.0
    for n in range(alerts):
        t_s += world.exponential(1.0 / rate_hz, 1, Stream.BENIGN_TIME, n)
        kind = int(world.uniform(1, Stream.BENIGN_SLOT, n) * 2.0)
        alert = _alert(names[kind], f"{n % agents}", t_s)
        document = CredentialView(n % agents, 0, 0, 0.0, float("inf"))
        entity = case_entity(7 + kind, n)
        world.clock.process(people.false_alarm(entity, n % agents, document, alert))
    world.clock.advance(t_s)
    expected = theory.priority_waits(analysts, [rate_hz / 2.0] * 2, triage_s)
    words = ("the more urgent of two kinds of alerts", "the less urgent kind")
    return [
        Finding(
            f"wait for an analyst, {words[kind]}, at half load (Cobham)",
            "s",
            _batches([wait_s for name, wait_s in people.waits if name == names[kind]], batches),
            expected[kind],
            0.25 * expected[kind],
            "a quarter; in one queue for both it would be half as much again or a quarter less",
        )
        for kind in range(2)
    ]


def _batches(waits_s: list[float], batches: int) -> NDArray[np.float64]:
    whole = len(waits_s) // batches * batches
    means: NDArray[np.float64] = np.array(waits_s[:whole]).reshape(batches, -1).mean(axis=1)
    return means


def _alert(detector: str, identity: str, t_s: float) -> Alert:
    event = AuditEvent(t_s, t_s, identity, "", "", "", 0.0, "", "use", "", "ok")
    return Alert(detector, identity, t_s, event, "")


def guard(engine: Engine) -> list[Finding]:
    """A policy that each of Poisson alerts tightens for a minute; lives of an hour are halved."""
    agents, ttl_s, fraction, factor, relax_s, batches = 400, HOUR_S, 0.5, 0.5, 60.0, 50
    alert_hz = 0.7 / relax_s
    tight = theory.on_guard(alert_hz, relax_s)
    checked = scenes.regime(ttl_s, fraction=fraction)
    batch_s = 2.0 * HOUR_S
    scene = scenes.scenario(checked, agents, horizon_s=(batches + 1) * batch_s).model_copy(
        update={"policy": Policy(alerts=1, relax_after_s=relax_s, ttl_factor=factor)}
    )
    key = seed_key(SEED + 138)
    world = World(scene, checked, key, engine(scene, checked, key))
    t_s, n, on_s, issued, seen = 0.0, 0, [], [], [(0.0, 0.0)]
    for edge_s in (np.arange(batches + 1) + 1.0) * batch_s:
        while t_s < edge_s:
            world.clock.advance(t_s)
            world.guard(0).alert()
            t_s += world.exponential(1.0 / alert_hz, 1, Stream.BENIGN_TIME, n)
            n += 1
        world.clock.advance(edge_s)
        counts = world.guards.counts()
        open_s = scene.horizon_s - edge_s if world.guard(0).on(edge_s) else 0.0
        seen.append((counts["tight_s"] - open_s, float(world.population.counters().issued)))
        if len(seen) > 2:  # the first batch is warm-up
            on_s.append(seen[-1][0] - seen[-2][0])
            issued.append(seen[-1][1] - seen[-2][1])
    expected = agents / (fraction * ttl_s * (1.0 - tight * (1.0 - factor)))
    return [
        Finding(
            "share of time for which alerts tighten, 0.7 within each relaxation (M/D/∞ busy)",
            "1",
            np.array(on_s) / batch_s,
            tight,
            0.06,
            "six points of a hundred",
        ),
        Finding(
            "issuances where each life is halved with that probability (renewal reward)",
            "1/s",
            np.array(issued) / batch_s,
            expected,
            0.06 * expected,
            "6 %; without a policy it would be a quarter less, always tight half as much again",
        ),
    ]
