"""From command line options to scenarios."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scenarios.spec.resolve import Resolved
    from scenarios.spec.schema import Scenario


def load(
    file: Path,
    *,
    agents: int | None = None,
    hours: float | None = None,
    regimes: Sequence[str] | None = None,
) -> "Resolved":
    """Load a scenario and apply the options that change it.

    Raises:
        ScenarioError: naming every fault of the file.
        UsageError: when an option does not fit the scenario.
    """
    from scenarios.spec import resolve

    return resolve.load(
        file,
        agents=agents,
        horizon_s=None if hours is None else hours * 3600.0,
        regimes=regimes or None,
    )


def windows(
    scenario: "Scenario",
    regimes: Sequence[str] | None,
    rate_hz: float | None,
    seconds: float | None,
) -> list["Scenario"]:
    """Cut the windows that ``drive`` runs, one a regime; options win over ``[drive]``.

    Raises:
        UsageError: for a regime that the scenario does not have, or a rate that it cannot offer.
    """
    from scenarios.demand.window import window

    drive = scenario.drive
    names = regimes or [drive.regime or scenario.regimes[0].name]
    return [
        window(scenario, name, rate_hz or drive.rate_hz, seconds or drive.seconds) for name in names
    ]


def half_width(text: str | None) -> tuple[str, float] | None:
    """Read ``METRIC=W``, a wanted half-width; raises UsageError for anything else."""
    if text is None:
        return None
    metric, _, width = text.partition("=")
    try:
        wanted = float(width)
    except ValueError:
        wanted = 0.0
    if not metric or not 0.0 < wanted < float("inf"):
        from scenarios.errors import UsageError

        raise UsageError(f"--until: found {text!r}, must be METRIC=W with a number W > 0")
    return metric, wanted
