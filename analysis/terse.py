"""Tables for a terminal as plain rows: what a summary says in few words, nothing printed here."""

from dataclasses import dataclass

from analysis import recovery, words, years
from analysis.course import TITLES as COURSE_TITLES
from analysis.metrics import METRICS
from analysis.summary import Summary
from analysis.tenants import TITLES as TENANT_TITLES
from analysis.thefts import as_expected, outcome
from analysis.watch import TITLES as WATCH_TITLES
from scenarios.record.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


TITLES = (
    {
        "residual_validity_s": "Life left in a credential stolen now",
        "exposure_s": "Theft until the thief's last possible use, mean",
        "agent_key_s": "Node agent's key until the thief's last access, mean",
        "issuer_key_s": "Issuer's key until the thief's last access, mean",
        "poisoned_bundle_s": "Poisoned bundle until the thief's last access, mean",
        "foothold_s": "Foothold until the thief's last access, mean",
        "task_attribution_share": "Accesses whose log line names the task, too",
        "delegation_attribution_share": "Accesses whose log line says on whose behalf",
        "thefts_in_vain_share": "Thefts that found nothing usable",
        "detector_latency_s": "Event to alert, median",
        "accepted_uses_per_theft": "Uses of a theft that were accepted within the run, mean",
        "permissions_per_theft": "Permissions that a theft opens",
        "over_privilege_ratio": "Permissions that it opens for each that the robbed tasks need",
        "incidents_per_agent_year": "Incidents per agent and year",
        "false_alarms_per_identity_day": "False alarms per identity and day",
    }
    | WATCH_TITLES
    | {metric.name: metric.title for metric in METRICS}
)


def title(name: str, summary: Summary) -> str:
    """Return a metric in words."""
    within = words.duration(summary.within_s)
    if name == summary.exposure_name:
        return f"Copy usable after the theft, mean within {within}"
    if name == summary.exposure_name.replace("exposure", "foothold"):
        return f"Foothold until the thief's last access, mean within {within}"
    if name == summary.exposure_name.replace("exposure", "agent_key"):
        return f"Node agent's key until the thief's last access, mean within {within}"
    if name == summary.exposure_name.replace("exposure", "issuer_key"):
        return f"Issuer's key until the thief's last access, mean within {within}"
    if name == summary.exposure_name.replace("exposure", "poisoned_bundle"):
        return f"Poisoned bundle until the thief's last access, mean within {within}"
    if words_of := COURSE_TITLES.get(name.removesuffix(summary.exposure_name[len("exposure") :])):
        return words_of
    told = recovery.title(name, summary.manifest.scenario) or years.title(name)
    return told or TITLES.get(name, name)


def regimes(summary: Summary) -> Table:
    """Return metrics down, regimes across: value and interval in each cell."""
    names = list(summary.regimes)
    metrics = dict.fromkeys(name for of in summary.regimes.values() for name in of.metrics)
    lead = ["residual_validity_s", summary.exposure_name]
    order = [name for name in lead if name in metrics]
    order += [name for name in metrics if name not in lead]
    rows = [_row(name, summary, names) for name in order if _said(name, summary)]
    place = min(len(rows), len([name for name in lead if name in metrics]))
    rows[place:place] = _detection(summary, names)
    n = max((of.thefts for of in summary.regimes.values()), default=0)
    note = (
        f"95 % intervals; {summary.manifest.replications} replications, "
        f"{n} thefts in each regime; - is not estimable"
    )
    return Table(summary.manifest.scenario.get("title", ""), ("", *names), tuple(rows), note)


def tenants(summary: Summary, regime: str) -> Table:
    """Return metrics down, the tenants of a regime across; no rows where there are none."""
    of = summary.regimes[regime].tenants
    found = list(of.values())
    rows = [("Agents", *(f"{one.agents:,}" for one in found))]
    for name, title in TENANT_TITLES.items():
        cells = [one.metrics.get(name) for one in found]
        if any(cell is not None and cell.value is not None for cell in cells):
            rows.append((title, *(_cell(cell) for cell in cells)))
    if any(one.time_to_detection.detected_share.n for one in found):
        shares = [one.time_to_detection.detected_share for one in found]
        rows.append(("Detected while usable", *(words.brief(share) for share in shares)))
    within = words.duration(summary.within_s)
    return Table(
        f"{regime}: each tenant by itself",
        ("", *of),
        tuple(rows) if found else (),
        f"95 % intervals; exposure within {within}; what is issued, late and expired comes from a "
        "sample of each tenant's agents; - is not estimable",
    )


def _cell(of: Estimate | None) -> str:
    return "-" if of is None or of.value is None else words.cell(of)


def _said(name: str, summary: Summary) -> bool:
    """Return whether a metric has something to say that no other row says."""
    cells = [of.metrics.get(name) for of in summary.regimes.values()]
    known = any(cell is not None and (cell.infinite or cell.value is not None) for cell in cells)
    return known and name not in (
        "exposure_s",
        "foothold_s",
        "agent_key_s",
        "issuer_key_s",
        "poisoned_bundle_s",
    )


def _row(name: str, summary: Summary, names: list[str]) -> tuple[str, ...]:
    cells = [summary.regimes[regime].metrics.get(name) for regime in names]
    tell = recovery.said if name.endswith(recovery.SHARE) else words.cell
    said = ["-" if cell is None else tell(cell) for cell in cells]
    return (title(name, summary), *("-" if text == words.NOT_ESTIMABLE else text for text in said))


def _detection(summary: Summary, names: list[str]) -> list[tuple[str, ...]]:
    found = [summary.regimes[regime].time_to_detection for regime in names]
    if not any(of.detected_share.n for of in found):
        return []
    medians = ["-" if of.median_s.value is None else words.brief(of.median_s) for of in found]
    return [
        ("Detected while usable", *(words.brief(of.detected_share) for of in found)),
        ("Time to detection, median", *medians),
        ("Seen only afterwards", *(words.brief(of.late_share) for of in found)),
    ]


def operations(summary: Summary) -> Table:
    """Return one row for each operation of a measured run."""
    rows = [
        (
            op,
            f"{of.sent:,}",
            f"{sum(of.errors.values()):,}",
            *(words.brief(of.percentiles[p]) if p in of.percentiles else "-" for p in PERCENTILES),
            "-" if of.max_s is None else words.duration(of.max_s),
        )
        for op, of in summary.labelled_operations().items()
    ]
    lag = summary.lag_p99_s
    note = "latency from the intended start; 95 % intervals from batches"
    if lag is not None:
        note += f"; the generator's own lag, p99: {words.duration(lag)}"
    return Table(
        "Operations", ("", "sent", "errors", "p50", "p95", "p99", "max"), tuple(rows), note
    )


PERCENTILES = ("p50_s", "p95_s", "p99_s")


def thefts(summary: Summary) -> Table:
    """Return one row for each theft of a measured run, on the run clock."""
    rows = [
        (
            of.persona,
            of.regime,
            f"{of.stolen_s:.2f}",
            _at(of.first_use_s),
            _at(of.alert_s),
            _at(of.revoked_s),
            _at(of.last_accepted_s),
            outcome(of),
            of.expected or "-",
            {True: "yes", False: "NO", None: "-"}[as_expected(of)],
        )
        for of in summary.thefts
    ]
    columns = (
        "",
        "regime",
        "stolen",
        "first use",
        "alert",
        "revoked",
        "last accepted",
        "outcome",
        "expected",
        "as expected",
    )
    return Table("Thefts", columns, tuple(rows), "seconds on the run clock; - did not happen")


def split(summary: Summary) -> Table:
    """Return where the time to detection of each detected theft comes from."""
    title = "Where the time to detection comes from"
    columns = (
        "",
        "regime",
        "assumed: theft to telling event",
        "measured: event to alert",
        "measured: alert to refusal",
    )
    if summary.splits is None:
        return Table(title, columns, ())
    rows = [
        (
            summary.thefts[of.row].persona,
            summary.thefts[of.row].regime,
            words.duration(of.assumed_s),
            words.duration(of.measured_s),
            "-" if of.revoked_s is None else words.duration(of.revoked_s),
        )
        for of in summary.splits.thefts
    ]
    floor = summary.splits.added_floor_s
    note = "A median stands in the verdict; single thefts have no interval."
    if floor is not None:
        note += (
            f" A production log adds its delivery on top: {words.duration(floor)}, an input of the "
            "scenario."
        )
    return Table(title, columns, tuple(rows), note)


def _at(time_s: float | None) -> str:
    return "-" if time_s is None else f"{time_s:.2f}"
