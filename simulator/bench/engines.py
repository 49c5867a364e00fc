"""``midas bench engines``: events per second of the fleet, the reference and cimba on M1.

Absolute rates belong to the machine and the hour. The tools take turns, and only the ratios of one
round to the same round may be quoted.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Final

import msgspec

from simulator.bench import model_m1
from simulator.simulate import engine_named

AGENTS: Final[int] = 1_000_000
FLEET_SPAN_S: Final = 21_600.0
"""a whole period of the model's outages"""
REFERENCE_SPAN_S: Final = 10.0
CIMBA_SPAN_S: Final = 600.0
SEED: Final = 1
HOW_TO_GET: Final = "cimba: pip install 'midas[bench]'"


class Case(msgspec.Struct, frozen=True):
    """One tool, one metric; ``value`` is the median of ``runs``."""

    name: str
    tool: str
    metric: str
    value: float | None
    unit: str
    runs: list[float]
    note: str = ""


class Ratio(msgspec.Struct, frozen=True):
    """Ours over theirs; ``low`` and ``high`` are the extremes of the rounds."""

    value: float
    low: float
    high: float


class EngineTable(msgspec.Struct, frozen=True):
    """The result; the caller adds the machine."""

    cases: list[Case]
    ratios: dict[str, Ratio]
    missing: list[str]
    agents: int
    """of every engine; the ratios depend on it"""


def bench_engines(
    rounds: int = 3, agents: int = AGENTS, on_step: Callable[[str], None] = lambda _: None
) -> EngineTable:
    """Measure every engine that is installed, taking turns.

    The fleet runs six hours with their outage, from allocation to the last count. The reference
    needs minutes to set up a million agents; it is timed over successive ten seconds of simulated
    time after that, cimba over ten minutes before the outage, its start included.

    Args:
        rounds: how often each is measured.
        agents: number of agents of every engine.
        on_step: told what is being done.
    """
    on_step(f"setting up {agents:,} agents of the reference")
    turns = {"fleet": _fleet(agents), "reference": _reference(agents)}
    missing = []
    if importlib.util.find_spec("cimba") is not None:
        turns["cimba"] = _cimba(agents)
    else:
        missing.append(HOW_TO_GET)
    rates: dict[str, list[float]] = {tool: [] for tool in turns}
    for number in range(rounds):
        for tool, turn in turns.items():
            on_step(f"round {number + 1} of {rounds}: {tool}")
            rates[tool].append(next(turn))
    cases = [
        Case("benchmark-m1", tool, "events", median(runs), "1/s", runs, NOTES[tool])
        for tool, runs in rates.items()
    ]
    ratios = {f"fleet_over_{t}": _ratio(rates["fleet"], rates[t]) for t in rates if t != "fleet"}
    return EngineTable(cases, ratios, missing, agents)


NOTES: Final = {
    "fleet": "six hours, start and outage included; private switches counted lazily, each drawn",
    "reference": "ten seconds, start not included",
    "cimba": "ten minutes, start included; compiled beforehand",
}


def expected_s(rounds: int, agents: int = AGENTS) -> float:
    """Return roughly how long a bench takes."""
    return 10.0 + agents * (2e-4 + rounds * 5e-5)


def _ratio(ours: list[float], theirs: list[float]) -> Ratio:
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Ratio(median(rounds), min(rounds), max(rounds))


def _fleet(agents: int) -> Iterator[float]:
    engine = engine_named("fleet")
    of = model_m1.scenario(agents, FLEET_SPAN_S)
    while True:
        began_s = time.perf_counter()
        events = model_m1.events_until(model_m1.begin(engine, of, SEED), of, FLEET_SPAN_S)
        yield events / (time.perf_counter() - began_s)


def _reference(agents: int) -> Iterator[float]:
    of = model_m1.scenario(agents, FLEET_SPAN_S)
    population = model_m1.begin(engine_named("reference"), of, SEED)
    to_s = REFERENCE_SPAN_S
    before = model_m1.events_until(population, of, to_s)  # the first events of a heap are slow
    while True:
        to_s += REFERENCE_SPAN_S
        began_s = time.perf_counter()
        events = model_m1.events_until(population, of, to_s)
        yield (events - before) / (time.perf_counter() - began_s)
        before = events


def _cimba(agents: int) -> Iterator[float]:
    from simulator.bench import peer_cimba

    service_time_s = model_m1.scenario(agents, CIMBA_SPAN_S).issuer.service_time_s
    while True:
        yield peer_cimba.rate_hz(agents, CIMBA_SPAN_S, service_time_s, SEED)
