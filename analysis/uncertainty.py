"""What the hazards are known to: the range of a frequency whose rates come from ``sources.toml``.

More replications would shrink the interval of a frequency to nothing while the rate that drives it
is known to a factor of thirty. Incidents are proportional to their hazards, so the range can be
carried through without running anything again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.estimators import LEVEL, rate
from scenarios.record.estimate import Estimate
from scenarios.record.manifest import Manifest
from scenarios.record.tables import Incident
from scenarios.spec.sources import Source, sources

UNIT = "1/(agent yr)"
_GRID = 41
"""quantiles that stand for each uncertain factor"""


@dataclass(frozen=True, slots=True)
class Range:
    """A rate from the world: ``low`` and ``high`` are read as its 95 % range, log-normally."""

    value: float
    low: float
    high: float

    def factors(self) -> NDArray[np.float64]:
        """Return equally likely factors on the value, which stays the median.

        The two halves of the range have a width of their own.
        """
        z = special.ndtri((np.arange(_GRID) + 0.5) / _GRID)
        edge = float(special.ndtri((1 + LEVEL) / 2))
        below = log(self.value / self.low) / edge
        above = log(self.high / self.value) / edge
        return np.exp(np.where(z < 0, below, above) * z)


def hazard_ranges(manifest: Manifest, regimes: Sequence[str]) -> dict[str, list[Range]]:
    """Return the uncertain factors of each natural threat, as far as they come from sources.

    ``leak`` depends on the leak rate and on the regime's leak ratio, the others on their own.
    """
    names = [regime["name"] for regime in manifest.scenario.get("regimes", ())]
    keys = {
        "leak": ["threats.leak.rate_per_secret_year"],
        "foothold": ["threats.foothold.rate_per_agent_year"],
    }
    node_agent = manifest.scenario.get("threats", {}).get("node_agent", {})
    if node_agent.get("rate_per_node_year"):
        keys["agent-key"] = ["threats.node_agent.rate_per_node_year"]
    if manifest.scenario.get("threats", {}).get("issuer", {}).get("rate_per_year"):
        keys["issuer-key"] = ["threats.issuer.rate_per_year"]
    if manifest.scenario.get("threats", {}).get("bundle", {}).get("rate_per_year"):
        keys["poisoned-bundle"] = ["threats.bundle.rate_per_year"]
    for place, name in enumerate(names):
        if name in regimes and len(regimes) == 1:
            keys["leak"].append(f"regimes[{place}].leak_ratio")
    known = sources()
    return {
        threat: [
            _range(known[manifest.sources[path]])
            for path in paths
            if manifest.sources.get(path) in known and known[manifest.sources[path]].low > 0
        ]
        for threat, paths in keys.items()
    }


def _range(source: Source) -> Range:
    return Range(source.value, source.low, source.high)


def rate_over_ranges(
    incidents: Sequence[Incident], exposure: float, ranges: Mapping[str, Sequence[Range]]
) -> Estimate:
    """Return incidents per agent and year with an interval over sampling *and* parameters.

    For each threat: the ends of the exact Poisson interval, mixed over the factors of its hazards;
    the threats' intervals are added by MOVER (Zou and Donner 2008). ``n`` counts the incidents.
    """
    value = rate(len(incidents), exposure, UNIT)
    if value.value is None:
        return value
    below = above = 0.0
    for threat, factors in ranges.items():
        mine = sum(incident.persona == threat for incident in incidents)
        low, high = _ends(mine, _product(factors))
        below += (mine - low) ** 2
        above += (high - mine) ** 2
    others = sum(incident.persona not in ranges for incident in incidents)
    if others or not ranges:
        plain = rate(others, 1.0, UNIT)
        below += (others - (plain.low or 0.0)) ** 2
        above += ((plain.high or 0.0) - others) ** 2
    k = len(incidents)
    return Estimate(
        value.value,
        max(0.0, k - sqrt(below)) / exposure,
        (k + sqrt(above)) / exposure,
        k,
        UNIT,
        covers="sampling+parameters",
    )


def _product(ranges: Sequence[Range]) -> NDArray[np.float64]:
    product = np.ones(1)
    for one in ranges:
        product = np.outer(product, one.factors()).ravel()
    return product


def _ends(events: int, factors: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of Garwood's interval for ``events``, its law mixed over ``factors``."""
    from scipy.optimize import brentq  # a fifth of a second, and few runs have such ranges

    tail = (1 - LEVEL) / 2
    top = float(factors.max()) * (float(special.gammaincinv(events + 1, 1 - tail)) + 1)

    def quantile(shape: int, probability: float) -> float:
        def excess(x: float) -> float:
            return float(special.gammainc(shape, x / factors).mean()) - probability

        return float(brentq(excess, 0.0, top))

    low = quantile(events, tail) if events else 0.0
    return low, quantile(events + 1, 1 - tail)
