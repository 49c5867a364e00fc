"""Credential ages, renewal ages, switches and their closed forms."""

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Issuance, Regime, Renewal
from scenarios.spec.schema import Task
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.population import Command, CommandKind, EventKind, Population
from simulator.simulate import Engine

HOUR_S = 3600.0


def residual_validity(engine: Engine) -> list[Finding]:
    """Remaining life of what 15,000 agents hold at one instant, after some three lives."""
    ttl_s, fraction, jitter, poll_s = HOUR_S, 0.5, 0.1, 5.0
    laws = {
        "no jitter": (Renewal.FRACTION, 0.0, theory.uniform_age(ttl_s, fraction, 0.0)),
        "jitter drawn once": (
            Renewal.FRACTION,
            jitter,
            theory.uniform_age(ttl_s, fraction, jitter),
        ),
        "threshold redrawn at each poll": (
            Renewal.FRACTION_POLLED,
            jitter,
            theory.polled_age(ttl_s, fraction, jitter, poll_s),
        ),
    }
    found = []
    for n, (name, (rule, spread, age)) in enumerate(laws.items()):
        checked = scenes.regime(ttl_s, rule, fraction, spread, poll_s)
        residual_s = _residuals(engine, checked, agents=15_000, at_s=2.9 * ttl_s, seed=SEED + n)
        found.append(
            Finding(
                f"residual validity of the credential held at a random instant, 1 h, {name}",
                "s",
                residual_s,
                theory.residual_validity(ttl_s, age),
                0.01 * ttl_s,
                "1 % of the lifetime",
            )
        )
    return found


def last_of_node(engine: Engine) -> list[Finding]:
    """Who leaves a node with all of its documents keeps access until the last of them expires."""
    documents, nodes, fraction = 10, 600, 0.5
    checked = scenes.regime(HOUR_S, fraction=fraction)
    agents = documents * nodes
    residual_s = _residuals(engine, checked, agents, at_s=2.9 * HOUR_S, seed=SEED + 5)
    return [
        Finding(
            "longest remaining life of the ten documents on a node, 1 h",
            "s",
            residual_s.reshape(nodes, documents).max(axis=1),
            theory.last_of_node(HOUR_S, fraction, documents),
            0.02 * HOUR_S,
            "2 % of the lifetime",
        )
    ]


def _residuals(
    engine: Engine, checked: Regime, agents: int, at_s: float, seed: int
) -> NDArray[np.float64]:
    population = engine(scenes.scenario(checked, agents, at_s), checked, seed_key(seed))
    population.advance(at_s)
    return np.array([population.read(a)[0].expires_s - at_s for a in range(agents)])


def renewal_age(engine: Engine) -> list[Finding]:
    """Mean and spread of renewal ages under SPIRE's rule, at lives of an hour and of 5 min."""
    found = []
    fraction, jitter, poll_s = 0.5, 0.1, 5.0
    for n, (name, ttl_s, mean_margin_s, spread_margin_s) in enumerate(
        (("1 h", HOUR_S, 3.0, 3.0), ("5 min", 300.0, 0.8, 0.8))
    ):
        checked = scenes.regime(ttl_s, Renewal.FRACTION_POLLED, fraction, jitter, poll_s)
        age_s = _first_ages(engine, checked, agents=6_000, seed=SEED + 10 + n)
        law = theory.polled_age(ttl_s, fraction, jitter, poll_s)
        found.append(
            Finding(
                f"renewal age when the threshold is redrawn at each poll, {name}, mean",
                "s",
                age_s,
                law.mean,
                mean_margin_s,
                "less than the distance to the law without redrawing",
            )
        )
        # the variance is a mean of squares about the known mean; s.d. by the delta method
        found.append(
            Finding(
                f"renewal age when the threshold is redrawn at each poll, {name}, spread",
                "s",
                law.sd + ((age_s - law.mean) ** 2 - law.sd**2) / (2.0 * law.sd),
                law.sd,
                spread_margin_s,
                "below 15 % of the spread",
            )
        )
    return found


def availability_target(engine: Engine) -> list[Finding]:
    """Renewal ages under SPIRE's availability target: a life of 72 h, a target of 48 h.

    The target's window is 10 min wide however long the life is, so a cohort stays together as one
    of a 100 min life does under the half-life rule: the spread is half a minute.
    """
    target_s, width_s, poll_s = 48.0 * HOUR_S, 600.0, 5.0
    ttl_s, fraction, jitter = 72.0 * HOUR_S, 0.5, 0.1
    rule: dict[str, Any] = {
        "target_s": target_s,
        "target_jitter_s": width_s,
        "grace_s": 12.0 * HOUR_S,
    }
    checked = scenes.regime(ttl_s, Renewal.AVAILABILITY_TARGET, fraction, jitter, poll_s, **rule)
    age_s = _first_ages(engine, checked, agents=10_000, seed=SEED + 15, to_s=0.5 * ttl_s)
    law = theory.availability_age(ttl_s, fraction, jitter, poll_s, target_s, width_s)
    return [
        Finding(
            "renewal age under an availability target of 48 h, life 72 h, mean",
            "s",
            age_s,
            law.mean,
            3.0,
            "less than a poll",
        ),
        Finding(
            "renewal age under that target, spread",
            "s",
            law.sd + ((age_s - law.mean) ** 2 - law.sd**2) / (2.0 * law.sd),
            law.sd,
            3.0,
            "below 15 % of the spread",
        ),
    ]


def by_hand(engine: Engine) -> list[Finding]:
    """Keys of 1,000 s, every other of which is forgotten: down until mended, from t = 0 on."""
    ttl_s, before_s, forgotten, mended_s = 1_000.0, 250.0, 0.5, 400.0
    checked = scenes.regime(
        ttl_s,
        Renewal.BEFORE_EXPIRY,
        before_expiry_s=before_s,
        forgotten_share=forgotten,
        mended_within_s=mended_s,
    ).model_copy(update={"issuance": Issuance.MANUAL})
    agents, to_s = 20_000, 3_300.0
    population = engine(scenes.scenario(checked, agents, to_s), checked, seed_key(SEED + 17))
    population.advance(to_s)
    left_s = np.array([population.read(agent)[0].expires_s - to_s for agent in range(agents)])
    law = theory.age_by_hand(ttl_s, before_s, forgotten, mended_s)
    down = forgotten * mended_s / 2.0 / law.mean
    return [
        Finding(
            "share of keys rotated by hand that have expired and nobody mended, half forgotten",
            "1",
            (left_s <= 0.0).astype(np.float64),
            down,
            0.02,
            "a fifth of the share",
        ),
        Finding(
            "rotations of such a key in 3,300 s",
            "1",
            np.array([float(population.read(agent)[0].serial) for agent in range(agents)]),
            to_s / law.mean,
            0.05,
            "1.5 % of the number",
        ),
    ]


def directed(engine: Engine) -> list[Finding]:
    """A window of renewal named by the issuer, and an order to renew everything in a day.

    The window is f·T(1 ± j), drawn once: residual validity as for any uniform age. An order that
    names a window W is learnt of at the next check, C ~ U(0, c), and the instant chosen in it,
    U·W, is acted on at once when it has passed: E[max(C, UW)] = W/2 + c²/(6W) for c ≤ W.
    """
    ttl_s, fraction, jitter, check_s, window_s = (
        160.0 * HOUR_S,
        0.5,
        0.02,
        6.0 * HOUR_S,
        10.0 * HOUR_S,
    )
    checked = scenes.regime(ttl_s, Renewal.SERVER_DIRECTED, fraction, jitter, check_s)
    residual_s = _residuals(engine, checked, agents=15_000, at_s=2.9 * ttl_s, seed=SEED + 16)
    scene = scenes.scenario(checked, 6_000, window_s + 1.0, synchronised=True)
    population = engine(scene, checked, seed_key(SEED + 17), trace=True)
    population.command(Command(CommandKind.RENEW_ALL, value=window_s))
    population.advance(window_s + 1.0)
    trace = population.trace()
    asked_s = np.asarray(trace["t_s"][trace["kind"] == EventKind.REQUEST], dtype=np.float64)
    return [
        Finding(
            "residual validity when the issuer names the window, 160 h, half-life ± 1 %",
            "s",
            residual_s,
            theory.residual_validity(ttl_s, theory.uniform_age(ttl_s, fraction, jitter)),
            0.01 * ttl_s,
            "1 % of the lifetime",
        ),
        Finding(
            "renewal ordered within 10 h, checked every 6 h: time from the order, mean",
            "s",
            asked_s,
            window_s / 2.0 + check_s**2 / (6.0 * window_s),
            0.04 * window_s,
            "4 % of the window; without the checks it would be 6 % less",
        ),
    ]


def per_request(engine: Engine) -> list[Finding]:
    """A document for every task start: as many issues as starts, residual life of the last one."""
    agents, ttl_s, rate_hz, to_s = 2_000, 30.0, 1.0 / 60.0, 1800.0
    checked = scenes.regime(ttl_s, Renewal.PER_REQUEST)
    task = Task(name="work", rate_hz=rate_hz, permissions=("a:a",))
    scene = scenes.scenario(checked, agents, to_s, (task,))
    population = engine(scene, checked, seed_key(SEED + 18), trace=True)
    population.advance(to_s)
    trace = population.trace()
    rows = trace["agent"][trace["kind"] == EventKind.ISSUED]
    issued = np.bincount(rows, minlength=agents).astype(np.float64)
    held = (population.read(a)[0].expires_s - to_s for a in range(agents))
    residual_s = np.array([max(0.0, left_s) for left_s in held])
    return [
        Finding(
            "documents of an agent in half an hour, one for each task start at 1/min",
            "1",
            issued,
            rate_hz * to_s,
            0.05 * rate_hz * to_s,
            "5 %",
        ),
        Finding(
            "residual validity of the last of them at a random instant, life 30 s",
            "s",
            residual_s,
            theory.residual_per_request(ttl_s, rate_hz),
            0.1 * ttl_s,
            "10 % of the lifetime",
        ),
    ]


def _first_ages(
    engine: Engine, checked: Regime, agents: int, seed: int, to_s: float = inf
) -> NDArray[np.float64]:
    to_s = min(to_s, checked.ttl_s)
    scene = scenes.scenario(checked, agents, to_s, synchronised=True)
    population = engine(scene, checked, seed_key(seed), trace=True)
    population.advance(to_s)
    trace = population.trace()
    first = (trace["kind"] == EventKind.ISSUED) & (trace["serial"] == 1)
    return np.asarray(trace["t_s"][first], dtype=np.float64)


def switches(engine: Engine) -> list[Finding]:
    """Counts of task switches: Poisson, and thinned by the hours of a task and of a class."""
    agents, rate_hz, to_s = 3_000, 20.0 / HOUR_S, HOUR_S
    always = Task(name="always", rate_hz=rate_hz, permissions=("a:a",))
    checked = scenes.regime(1e9)
    counts = _switch_counts(engine, checked, (always,), agents, to_s, SEED + 20)
    expected = rate_hz * to_s
    first_half = Task(name="early", rate_hz=rate_hz, permissions=("a:a",), active_hours=((0, 1),))
    thinned = _switch_counts(engine, checked, (first_half, always), agents, 2 * to_s, SEED + 21)
    waning = (0.75, 0.25, *(0.0 for _ in range(22)))
    weighted = _switch_counts(engine, checked, (always,), agents, 3 * to_s, SEED + 22, waning)
    return [
        Finding(
            "task switches of an agent in an hour at 20/h, mean",
            "1",
            counts,
            expected,
            0.05 * expected,
            "5 %",
        ),
        Finding(
            "task switches of an agent in an hour at 20/h, variance ÷ mean (Poisson: 1)",
            "1",
            (counts - expected) ** 2 / expected,
            1.0,
            0.25,
            "a quarter; a deterministic or bursty process lies far off",
        ),
        Finding(
            "task switches in two hours, one task always active and one in the first hour only",
            "1",
            thinned,
            3.0 * expected,
            0.05 * 3.0 * expected,
            "5 %",
        ),
        Finding(
            "task switches in three hours under a profile of 3/4, 1/4 and nothing",
            "1",
            weighted,
            expected,
            0.05 * expected,
            "5 %",
        ),
    ]


def _switch_counts(
    engine: Engine,
    checked: Regime,
    tasks: tuple[Task, ...],
    agents: int,
    to_s: float,
    seed: int,
    diurnal: tuple[float, ...] = (),
) -> NDArray[np.float64]:
    scene = scenes.scenario(checked, agents, to_s, tasks)
    (workload,) = scene.workloads
    workload = workload.model_copy(update={"diurnal": diurnal})
    scene = scene.model_copy(update={"workloads": (workload,)})
    population: Population = engine(scene, checked, seed_key(seed), trace=True)
    population.advance(to_s)
    trace = population.trace()
    rows = trace["agent"][trace["kind"] == EventKind.SWITCH]
    return np.bincount(rows, minlength=agents).astype(np.float64)
