"""Bad years: how many secrets a year loses and how long thieves use them, from whole years of runs.

A year of a run is one observation, so that the interval of a mean is Student's t, that of a year in
twenty exact order statistics, and that of the share of years with more than n stolen secrets
Wilson's. The hazards' own uncertainty is not in them: it moves good and bad years alike.
"""

from collections import Counter
from collections.abc import Iterable
from math import floor
from typing import Final

import numpy as np

from analysis import estimators
from analysis.part import Part
from analysis.thefts import end_of_use_s
from scenarios.record.estimate import Estimate
from scenarios.record.tables import Incident
from scenarios.spec.rules import SECONDS_PER_DAY, SECONDS_PER_YEAR

BAD_YEAR: Final = 0.95
"""quantile of years that is called a bad one: a year in twenty is worse"""
_STEPS: Final = tuple(digit * 10**power for power in range(7) for digit in (1, 2, 5))
_SPAN: Final = 20
"""levels are shown down to this part of the worst year seen"""
_OVER: Final = "years_over_"

TITLES: Final = {
    "secrets_per_leak": "Secrets that one leak took, mean",
    "stolen_secrets_per_year": "Secrets that leak in a year, mean",
    "stolen_secrets_in_bad_year": "Secrets that leak in a bad year (one in twenty)",
    "thief_days_per_year": "Days of use by thieves in a year, all stolen secrets, mean",
    "thief_days_in_bad_year": "Days of use by thieves in a bad year (one in twenty)",
}


def title(name: str) -> str | None:
    """Return one of the metrics below in words."""
    if name.startswith(_OVER):
        level = int(name.removeprefix(_OVER).split("_")[0])
        return f"Years in which more than {level:,} secrets leak"
    return TITLES.get(name)


def levels(parts: Iterable[Part]) -> tuple[int, ...]:
    """Return the numbers of stolen secrets that years are held against, the same in all parts."""
    worst = max((int(max(_stolen(part), default=0)) for part in parts), default=0)
    return (0, *(step for step in _STEPS if worst / _SPAN <= step <= worst))


def bad_years(part: Part, over: tuple[int, ...]) -> dict[str, Estimate]:
    """Return what whole years of a simulated run say of leaks; nothing where there are none.

    Args:
        part: of one regime.
        over: from ``levels``.
    """
    leaks = _leaks(part)
    found = {}
    events = Counter((t.regime, t.replication, t.stolen_s) for t in leaks if t.stolen_s >= 0)
    law = part.manifest.scenario.get("threats", {}).get("leak", {})
    if law.get("cluster_mean", 1.0) > 1.0:
        sizes = [float(size) for size in events.values()]
        found["secrets_per_leak"] = estimators.mean(sizes, "secrets")
    stolen = _stolen(part)
    if not stolen or not law.get("rate_per_secret_year"):
        return found
    used_d = _used_days(part)
    found |= {
        "stolen_secrets_per_year": estimators.mean(stolen, "secrets"),
        "stolen_secrets_in_bad_year": estimators.quantile(stolen, BAD_YEAR, "secrets"),
    }
    for level in over:
        found[f"{_OVER}{level}_stolen_share"] = estimators.share(
            sum(number > level for number in stolen), len(stolen)
        )
    return found | {
        "thief_days_per_year": estimators.mean(used_d, "d"),
        "thief_days_in_bad_year": estimators.quantile(used_d, BAD_YEAR, "d"),
    }


def _leaks(part: Part) -> list[Incident]:
    return [t for t in part.thefts if t.persona == "leak" and not t.injected]


def _years(part: Part) -> list[tuple[str, int, int]]:
    """Return (regime, replication, number) of every whole year; none of a measured run."""
    if part.manifest.world != "simulated":
        return []
    whole = floor(part.horizon_s / SECONDS_PER_YEAR * (1 + 1e-9))
    runs = sorted({(count.regime, count.replication) for count in part.counts})
    return [(*of, year) for of in runs for year in range(whole)]


def _stolen(part: Part) -> list[float]:
    """Return how many secrets leaked in each year."""
    seen = Counter(
        (t.regime, t.replication, floor(t.stolen_s / SECONDS_PER_YEAR)) for t in _leaks(part)
    )
    return [float(seen[year]) for year in _years(part)]


def _used_days(part: Part) -> list[float]:
    """Return the days for which thieves could use leaked secrets, summed over each year.

    Whole days of access within the year, whenever the secret leaked: no theft is cut short for not
    having ended yet.
    """
    years = _years(part)
    total = dict.fromkeys(years, 0.0)
    last = max((year for _, _, year in years), default=-1)
    for theft in _leaks(part):
        begin = max(0.0, theft.stolen_s) / SECONDS_PER_YEAR
        end = min(end_of_use_s(theft), part.horizon_s) / SECONDS_PER_YEAR
        for year in range(floor(begin), min(int(np.ceil(end)), last + 1)):
            inside = max(0.0, min(end, year + 1.0) - max(begin, float(year)))
            total[(theft.regime, theft.replication, year)] += inside
    return [total[year] * SECONDS_PER_YEAR / SECONDS_PER_DAY for year in years]
