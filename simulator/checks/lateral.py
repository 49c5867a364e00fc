"""How far one stolen credential leads."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Regime, Renewal
from scenarios.spec.schema import Abuse, Lateral, Task, Threats
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.response import Response
from simulator.control.threats import Threats as Thieves
from simulator.control.world import World
from simulator.simulate import Engine

HOUR_S = 3600.0


def reach(engine: Engine) -> list[Finding]:
    """A key without end and four permissions that all have; each leads on with probability 0.3."""
    doors, success, depth = 4, 0.3, 3
    led_to = _led_to(
        engine,
        scenes.regime(float("inf"), Renewal.NEVER),
        Lateral(max_depth=depth, success=success, breakout_mean_s=1.0, breakout_sigma=0.5),
        doors,
        thefts=1_500,
        seed=SEED + 120,
    )
    expected = theory.lateral_reach(doors, success, depth)
    return [
        Finding(
            "agents that a stolen key leads to in three steps (branching process, mean 1.2)",
            "agents",
            led_to,
            expected,
            0.25 * expected,
            "a quarter; the number varies by its own mean, and three steps cube an error",
        )
    ]


def breakout(engine: Engine) -> list[Finding]:
    """One step at a life of an hour: the breakout must come before the copy expires."""
    success, mean_s, sigma = 0.5, 2400.0, 1.1
    led_to = _led_to(
        engine,
        scenes.regime(HOUR_S),
        Lateral(max_depth=1, success=success, breakout_mean_s=mean_s, breakout_sigma=sigma),
        doors=1,
        thefts=4_000,
        seed=SEED + 121,
    )
    return [
        Finding(
            "share of thefts that lead on before the copy expires, life 1 h, breakout 40 min",
            "1",
            led_to,
            success * theory.breakout_before_expiry(HOUR_S, 0.5, mean_s, sigma),
            0.06,
            "six points of a hundred; without expiry theory says 0.5",
        )
    ]


def _led_to(
    engine: Engine, checked: Regime, lateral: Lateral, doors: int, thefts: int, seed: int
) -> NDArray[np.float64]:
    """Return how many agents each theft led to that happened an hour or more before the end."""
    permissions = tuple(f"a:{n}" for n in range(doors))
    scene = scenes.scenario(
        checked,
        agents=20_000,
        horizon_s=3.0 * HOUR_S,
        tasks=(Task(name="work", rate_hz=scenes.RARE_HZ, permissions=permissions),),
        threats=Threats(
            injected_thefts=thefts,
            lateral=lateral,
            abuse=Abuse(first_use_median_s=1e-3, first_use_sigma=0.0, use_rate_hz=1e-4),
        ),
    )
    key = seed_key(seed)
    world = World(scene, checked, key, engine(scene, checked, key))
    thieves = Thieves(world, Response(world))
    world.clock.advance(scene.horizon_s)
    led_to = Counter(case.root for case in thieves.cases if case.depth)
    roots = [case for case in thieves.cases if case.depth == 0]
    whole = [case.entity for case in roots if case.stolen_s < scene.horizon_s - HOUR_S]
    return np.array([led_to[entity] for entity in whole], dtype=np.float64)
