"""Leaks that take several secrets at once: as many as ever, in fewer and worse years."""

from math import inf

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Renewal
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Abuse, Leak, Threats
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
from simulator.simulate import Engine

WINDOW_S = 600.0


def counts(engine: Engine) -> list[Finding]:
    """Secrets stolen in ten minutes: a compound Poisson count, under sharing and half the ratio."""
    agents, shared_by, ratio, mean, runs, windows, stolen = 80, 2, 0.5, 2.0, 24, 200, 30.0
    checked = scenes.regime(inf, Renewal.NEVER)
    checked = checked.model_copy(update={"shared_by": shared_by, "leak_ratio": ratio})
    secrets = agents // shared_by
    rate = stolen / (secrets * ratio) / WINDOW_S * SECONDS_PER_YEAR
    abuse = Abuse(use_rate_hz=1e-6)
    scene = scenes.scenario(
        checked,
        agents,
        windows * WINDOW_S,
        threats=Threats(leak=Leak(rate_per_secret_year=rate, cluster_mean=mean), abuse=abuse),
        synchronised=True,
    )
    numbers = []
    for n in range(runs):
        key = seed_key(SEED + 110, n)
        rows = run(scene, checked, key, engine(scene, checked, key))[2]
        place = np.array([row.stolen_s for row in rows]) // WINDOW_S
        numbers.append(np.bincount(place.astype(np.int64), minlength=windows))
    found = np.concatenate(numbers).astype(np.float64)
    spread = theory.count_spread(theory.cluster_size(mean, secrets))
    return [
        Finding(
            "secrets stolen in ten minutes, leaks in clusters of two on average",
            "1",
            found,
            stolen,
            0.04 * stolen,
            "4 %: clusters leave the mean as it is",
        ),
        Finding(
            "variance over mean of the number of secrets stolen, clusters of two",
            "1",
            (found - stolen) ** 2 / stolen,
            spread,
            0.4 * spread,
            "two fifths; of independent leaks it were a third",
        ),
    ]


def open_at_start(engine: Engine) -> list[Finding]:
    """Leaks open at t = 0 that came in clusters, each noticed by itself: M^X/G/∞."""
    agents, mean, mean_s, rate, runs = 50, 3.0, 30 * 86_400.0, 6.0, 1_500
    checked = scenes.regime(inf, Renewal.NEVER)
    scene = scenes.scenario(
        checked,
        agents,
        60.0,
        threats=Threats(leak=Leak(rate_per_secret_year=rate, cluster_mean=mean)),
        detection=scenes.BLIND.model_copy(update={"external_notice_mean_s": mean_s}),
    )
    found = []
    for n in range(runs):
        key = seed_key(SEED + 115, n)
        rows = run(scene, checked, key, engine(scene, checked, key))[2]
        found.append(float(sum(row.stolen_s < 0 for row in rows)))
    expected = rate / SECONDS_PER_YEAR * agents * mean_s
    spread = theory.open_spread(theory.cluster_size(mean, agents))
    return [
        Finding(
            "leaks open at the start that came in clusters, mean number",
            "1",
            np.array(found),
            expected,
            0.08 * expected,
            "8 %",
        ),
        Finding(
            "variance over mean of the number open at the start, clusters of three",
            "1",
            (np.array(found) - expected) ** 2 / expected,
            spread,
            0.4 * spread,
            "two fifths; of independent leaks it were a third",
        ),
    ]
