"""Records in, one HTML page out: no script, nothing loaded from elsewhere, fit for print."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis import breakdowns, terse, words
from analysis.figures.drawing import Drawing
from analysis.figures.exposure import exposure
from analysis.figures.incidence import incidence
from analysis.figures.issuance import issuance
from analysis.figures.latency import latency
from analysis.figures.twin import twin as twin_figure
from analysis.figures.waves import waves
from analysis.next_steps import next_steps
from analysis.report.assumptions import assumptions
from analysis.report.glance import Glance, glance
from analysis.report.origin import Origin, origin
from analysis.summary import Summary, summarise
from analysis.terse import Table
from analysis.twin import pairs, same_window
from analysis.verdict import verdict
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord

HERE = Path(__file__).parent
NOTHING_OF_IT = "nothing of the kind in this scenario, or nothing that counts it in this world"


def report(
    simulated: RunRecord | None,
    measured: RunRecord | None,
    window: RunRecord | None = None,
) -> str:
    """Return the report on a simulated record, a measured one, or both, as one HTML document.

    Args:
        simulated: all regimes of a scenario.
        measured: a window of it, driven against a target.
        window: the same window simulated; ``simulated`` itself where it is that window.

    Returns:
        A page that holds its style and its figures; equal records give equal pages.
    """
    sim = None if simulated is None else summarise(simulated)
    real = None if measured is None else summarise(measured)
    twin = None if window is None else summarise(window)
    if twin is None and sim is not None and real is not None and same_window(sim, real):
        twin = sim
    known = [of for of in (sim, real) if of is not None]
    names = list(dict.fromkeys(name for of in known for name in of.regimes))
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["named"] = lambda text: _named(text, names)
    page = environment.get_template("page.html").render(
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704  (our own file)
        scenario=_scenario(known),
        verdict=verdict(sim, real),
        glance=_glance(sim),
        faults=_faults(sim),
        steps=next_steps(sim, real),
        figures=_figures(sim, real, twin, None if simulated is None else waves(simulated)),
        tables=_tables(sim, real, twin),
        assumptions=assumptions([of.manifest for of in known]),
        origins=_origins(sim, real, twin),
        silent=_silent(known),
        words=words,
    )
    return page if page.endswith("\n") else page + "\n"


def _scenario(known: Sequence[Summary]) -> Mapping[str, Any]:
    told = {"title": "Nothing to report", "question": "", "expected": "", "name": ""}
    return told | (known[0].manifest.scenario if known else {})


def _glance(sim: Summary | None) -> Glance | None:
    return None if sim is None or len(sim.regimes) < 2 else glance(sim)


def _faults(sim: Summary | None) -> str:
    """Return which faults the runs were given, because costs are mostly theirs."""
    faults = [] if sim is None else sim.manifest.scenario.get("faults", [])
    told = [
        breakdowns.told(fault)
        + (f" for {words.duration(fault['duration_s'])}" if "duration_s" in fault else "")
        + f" from {words.duration(fault['start_s'])} on"
        + (f", every {words.duration(fault['every_s'])}" if fault.get("every_s") else "")
        for fault in faults
    ]
    return f"In these runs {words.listing(told)}." if told else ""


def _figures(
    sim: Summary | None, real: Summary | None, twin: Summary | None, herd: Drawing | None
) -> list[Drawing]:
    drawn: list[Drawing | None] = []
    if sim is not None:
        drawn += [exposure(sim), incidence(sim), issuance(sim), herd]
    if real is not None:
        drawn.append(latency(real))
    if real is not None and twin is not None:
        drawn.append(twin_figure(twin, real))
    return [figure for figure in drawn if figure is not None]


def _tables(sim: Summary | None, real: Summary | None, twin: Summary | None) -> list[Table]:
    found: list[Table] = []
    if sim is not None:
        found.append(terse.regimes(sim))
        found += [terse.tenants(sim, name) for name in sim.regimes]
    if real is not None:
        found += [terse.operations(real), terse.thefts(real), terse.split(real)]
    if real is not None and twin is not None:
        rows = tuple(
            (pair.title, words.full(pair.simulated), words.full(pair.measured), _ratio(pair.ratio))
            for pair in pairs(twin, real)
        )
        note = "simulated ÷ measured; a ratio without interval is left out"
        columns = ("", "simulated", "measured", "ratio")
        found.append(Table("Simulated beside measured, same window", columns, rows, note))
    return [table for table in found if table.rows]


def _ratio(of: Estimate) -> str:
    return "-" if of.value is None else words.brief(msgspec.structs.replace(of, unit=""))


def _origins(sim: Summary | None, real: Summary | None, twin: Summary | None) -> list[Origin]:
    told = [("Simulated", sim), ("Measured", real)]
    if twin is not None and twin is not sim:
        told.append(("Simulated window", twin))
    return [origin(title, of) for title, of in told if of is not None]


def _silent(known: Sequence[Summary]) -> list[tuple[str, str, str]]:
    """Return (what, world, why) of everything not seen, not used or not estimable, by reason."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for of in known:
        manifest = of.manifest
        for reasons in (manifest.not_observable, _in_words(of), manifest.ignored):
            for what, why in reasons.items():
                found.setdefault((manifest.world, why), {})[what] = None
    return [(", ".join(whats), world, why) for (world, why), whats in found.items()]


def _in_words(of: Summary) -> dict[str, str]:
    """Return what is not estimable by title, with the regime only where others know better."""
    known: dict[str, str] = {}
    for name, why in of.not_estimable.items():
        regime, _, metric = name.partition(".")
        everywhere = all(of.not_estimable.get(f"{r}.{metric}") == why for r in of.regimes)
        title = terse.TITLES.get(metric, metric)
        counted = " does not count " not in why
        known[title if everywhere else f"{regime}: {title}"] = why if counted else NOTHING_OF_IT
    return known


def _named(text: str, names: Sequence[str]) -> Markup:
    """Return text with the names of regimes set apart."""
    if not names:
        return escape(text)
    longest_first = sorted(names, key=len, reverse=True)
    pattern = r"(?<![\w-])(" + "|".join(re.escape(name) for name in longest_first) + r")(?![\w-])"
    parts = re.split(pattern, text)
    marked = [
        Markup("<b>{}</b>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(marked)
