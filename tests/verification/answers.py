"""How the stated answer of a catalogue scenario is held against runs of it.

The rule is stated before anything runs. An answer is a closed form, a bound, or an order of two
estimates; its margin is what the scenario's own words leave open ("about half" is not 0.50). The
99 % interval of the estimate must lie wholly inside the margin, on the right side of the bound, or
apart from the other one. An interval wider than the margin proves nothing and fails as
*underpowered*, whatever its value. Seeds 101 to 103 were named before any of them was looked at:
a test that fails is a wrong simulator, a wrong answer or the one run in a hundred, and then the
reason is looked for; no margin is widened and no other seed is tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from scenarios.record.estimate import Estimate
from scenarios.record.parts import concatenate
from scenarios.record.record import RunRecord
from scenarios.record.tables import Incident
from scenarios.spec import resolve
from scenarios.spec.schema import Scenario
from simulator.simulate import simulate

SEEDS = (101, 102, 103)
LEVEL = 0.99


@dataclass(frozen=True, slots=True)
class Found:
    """A value with its 99 % interval and what it comes from."""

    value: float
    low: float
    high: float
    n: int

    @property
    def width(self) -> float:
        return self.high - self.low


def mean(observed: Sequence[float]) -> Found:
    """Return the mean of independent observations with Student's interval."""
    n = len(observed)
    assert n > 1, f"underpowered: {n} observations"
    centre = float(np.mean(observed))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.std(observed, ddof=1) / sqrt(n))
    return Found(centre, centre - half, centre + half, n)


def share(successes: int, n: int) -> Found:
    """Return a share of independent trials with Clopper and Pearson's interval."""
    assert n > 0, "underpowered: nothing to take a share of"
    ends = stats.binomtest(successes, n).proportion_ci(LEVEL, method="exact")
    return Found(successes / n, float(ends.low), float(ends.high), n)


def wider(found: Estimate) -> Found:
    """Return an estimate of the analysis with its 95 % interval stretched to 99 %.

    By the ratio of Student's quantiles at its n; what counts is that it is no narrower.
    """
    assert found.value is not None, found
    assert found.low is not None, found
    assert found.high is not None, found
    df = max(1, found.n - 1)
    ratio = float(stats.t.ppf((1 + LEVEL) / 2, df) / stats.t.ppf(0.975, df))
    below, above = found.value - found.low, found.high - found.value
    return Found(found.value, found.value - ratio * below, found.value + ratio * above, found.n)


def equals(found: Found, stated: float, margin: float) -> None:
    """Hold the interval within ``stated`` ± ``margin``, both in the unit of the value."""
    assert found.width <= 2 * margin, f"underpowered: {found} for a margin of ±{margin:g}"
    assert stated - margin <= found.low, (found, stated, margin)
    assert found.high <= stated + margin, (found, stated, margin)


def at_most(found: Found, bound: float) -> None:
    """Hold the interval below a bound."""
    assert found.high <= bound, (found, bound)


def at_least(found: Found, bound: float) -> None:
    """Hold the interval above a bound."""
    assert found.low >= bound, (found, bound)


def apart(low: Found, high: Found) -> None:
    """Hold two intervals apart."""
    assert low.high < high.low, (low, high)


# -- runs ------------------------------------------------------------------------------------------


@cache
def scenario(name: str, agents: int | None = None) -> Scenario:
    """Return a catalogue scenario, scaled where a smaller one has the same answer."""
    return resolve.load(Path(name), agents=agents).scenario


def unread(asked: Scenario) -> Scenario:
    """Return a scenario whose log nobody reads, which is most of the work of a small run."""
    detection = asked.detection.model_copy(update={"coverage": 0.0})
    return asked.model_copy(update={"detection": detection})


def run(
    asked: Scenario, replications: int, regimes: Sequence[str] = (), seeds: Sequence[int] = SEEDS
) -> RunRecord:
    """Return ``replications`` runs of a scenario, dealt out over the seeds as one record."""
    records = []
    for place, seed in enumerate(seeds):
        own = replications // len(seeds) + (place < replications % len(seeds))
        if own:
            records.append(simulate(asked, seed, "fleet", own, regimes))
    first = 0
    for record in records:  # one seed's replication 0 is not another's
        for table in (record.counts, record.series, record.incidents, record.alerts):
            table[:] = [_moved(row, first) for row in table]
        first += record.manifest.replications
    whole = concatenate(records[0].manifest, records)
    whole.manifest.replications = replications
    return whole


def _moved(row: Any, by: int) -> Any:  # noqa: ANN401  (a row of any table)
    import msgspec

    return msgspec.structs.replace(row, replication=row.replication + by)


def counts(record: RunRecord, regime: str) -> list[dict[str, float]]:
    """Return the counts of each replication by name."""
    found: dict[int, dict[str, float]] = {}
    for count in record.counts:
        if count.regime == regime:
            found.setdefault(count.replication, {})[count.name] = count.value
    return [found[replication] for replication in sorted(found)]


def thefts(record: RunRecord, regime: str, persona: str = "leak") -> list[Incident]:
    """Return the thefts of one kind."""
    return [t for t in record.incidents if t.regime == regime and t.persona == persona]


def level(record: RunRecord, regime: str, name: str, t_s: float) -> Found:
    """Return the mean over replications of one interval of a series."""
    found = [s.value for s in record.series if (s.regime, s.name, s.t_s) == (regime, name, t_s)]
    return mean(found)
