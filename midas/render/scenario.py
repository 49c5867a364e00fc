"""A scenario in words, as a document, and the verdict on a scenario file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midas.output import heading, table
from scenarios.errors import ScenarioError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scenarios.spec.resolve import Resolved
    from scenarios.spec.schema import Scenario

_HOUR_S = 3600.0


def summary(topic: str, resolved: "Resolved") -> dict[str, Any]:
    """Return what a list shows of a scenario."""
    scenario = resolved.scenario
    return {
        "name": scenario.name,
        "topic": topic,
        "title": scenario.title,
        "question": scenario.question,
        "answer": scenario.expected,
        "agents": scenario.agents,
        "hours": scenario.horizon_s / _HOUR_S,
        "regimes": [regime.name for regime in scenario.regimes],
    }


def listing(rows: list[dict[str, Any]]) -> Iterator["RenderableType"]:
    """Return the scenarios under their topics."""
    for topic in dict.fromkeys(row["topic"] for row in rows):
        yield heading(f"== {topic}")
        for row in rows:
            if row["topic"] == topic:
                yield from listed(row)
        yield ""
    yield "Next: midas scenario show NAME for the answer, midas simulate NAME to see it happen"


def listed(row: dict[str, Any]) -> Iterator["RenderableType"]:
    """Return a scenario of the list: name and size on one line, its question under it."""
    yield heading(f"{row['name']} ({row['agents']:,} agents, {duration(row['hours'] * _HOUR_S)})")
    yield f"  {row['question']}"


def document(resolved: "Resolved") -> dict[str, Any]:
    """Return the resolved form with the source of each number from the world."""
    from scenarios.spec.resolve import dump

    return {
        "scenario": dump(resolved.scenario),
        "sources": dict(resolved.sources),
        "warnings": list(resolved.warnings),
    }


def resolved_lines(resolved: "Resolved") -> Iterator[str]:
    """Return one line per leaf, ``key = value``, with the source behind those that have one."""
    from scenarios.spec.resolve import dump

    for key, value in _leaves(dump(resolved.scenario), ""):
        source = resolved.sources.get(key)
        yield f"{key} = {_toml(value)}" + (f"  # source:{source}" if source else "")


def explanation(resolved: "Resolved") -> Iterator["RenderableType"]:
    """Return a scenario as a reader wants it: question first, then fleet, regimes, threats."""
    scenario = resolved.scenario
    yield heading(f"{scenario.name}: {scenario.title}")
    yield f"Question: {scenario.question}"
    yield f"Answer: {scenario.expected}" if scenario.expected else "Answer: none is stated"
    yield f"Source: {scenario.source}\n"
    yield f"{scenario.agents:,} agents for {duration(scenario.horizon_s)}\n"
    yield _tasks(scenario)
    yield ""
    yield _regimes(scenario)
    yield ""
    yield from _threats(scenario)
    yield f"\nNext: midas simulate {scenario.name}, or midas scenario resolve {scenario.name}"


def duration(seconds: float | str) -> str:
    """Return a time in the unit that a person would choose: 3600 → ``1 h``."""
    if isinstance(seconds, str) or seconds == float("inf"):
        return "never"
    for unit, size in (("y", 31_557_600.0), ("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def verdict(file: Path) -> dict[str, Any]:
    """Check one scenario file; return ``{file, ok, problems, warnings}``."""
    from scenarios.spec import resolve

    try:
        warnings = list(resolve.load(file).warnings)
    except ScenarioError as exc:
        problems = [
            {"key": p.key, "found": p.found, "allowed": p.allowed, "message": p.line()}
            for p in exc.problems
        ]
        return {"file": str(file), "ok": False, "problems": problems, "warnings": []}
    return {"file": str(file), "ok": True, "problems": [], "warnings": warnings}


def verdict_lines(result: dict[str, Any]) -> Iterator[str]:
    """Return a verdict as lines: one a fault, or one ``ok``."""
    for problem in result["problems"]:
        yield one_line(f"{result['file']}: {problem['message']}")
    for warning in result["warnings"]:
        yield one_line(f"{result['file']}: warning: {warning}")
    if result["ok"]:
        yield one_line(f"{result['file']}: ok")


def one_line(text: str) -> str:
    """Return text with every character that is not printable escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def window_document(window: "Scenario", seed: int, asked: "Scenario") -> dict[str, Any]:
    """Return a window, what its schedule asks for, and what it leaves out of the scenario."""
    from loadgen.ignores import unused
    from scenarios.demand.schedule import ISSUE, arrivals
    from scenarios.spec.resolve import dump

    demand = arrivals(window, seed)
    issues = int((demand.op == ISSUE).sum())
    return {
        "regime": window.regimes[0].name,
        "agents": window.agents,
        "seconds": window.horizon_s,
        "rate_hz": window.drive.rate_hz,
        "seed": seed,
        "arrivals": {"all": len(demand), "issue": issues, "authorize": len(demand) - issues},
        "scheduled_hz": len(demand) / window.horizon_s,
        "issued_before_start": len(demand.primed),
        "unused": unused(asked),
        "scenario": dump(window),
    }


def window_lines(document: dict[str, Any]) -> Iterator["RenderableType"]:
    """Return a window in a few lines."""
    arrivals = document["arrivals"]
    yield heading(f"{document['regime']}: {document['agents']:,} agents for a window")
    yield (
        f"{document['seconds']:g} s at {document['rate_hz']:g}/s asked for, "
        f"{document['scheduled_hz']:.4g}/s scheduled (seed {document['seed']})"
    )
    yield (
        f"{arrivals['all']:,} arrivals: {arrivals['authorize']:,} authorize, "
        f"{arrivals['issue']:,} issue; {document['issued_before_start']:,} credentials issued "
        "before the start"
    )
    yield f"lifetime {duration(document['scenario']['regimes'][0]['ttl_s'])}\n"


def unused_lines(document: dict[str, Any]) -> Iterator["RenderableType"]:
    """Return what the scenario says and a measured run does not use, with the reasons."""
    if document["unused"]:
        yield table(
            ("not used by midas drive", "because"), document["unused"].items(), wrap=("because",)
        )


def _tasks(scenario: "Scenario") -> "RenderableType":
    rows = [
        (
            f"{workload.name} × {workload.count:,}" if number == 0 else "",
            task.name,
            f"{task.rate_hz * _HOUR_S:.4g}",
            " ".join(f"{begin}-{end}" for begin, end in task.active_hours),
            ", ".join(task.permissions),
        )
        for workload in scenario.workloads
        for number, task in enumerate(workload.tasks)
    ]
    columns = ("workload", "task", "starts/h", "hours", "permissions")
    return table(columns, rows, right=("starts/h",), wrap=("permissions", "hours"))


def _regimes(scenario: "Scenario") -> "RenderableType":
    rows = [
        (
            regime.name,
            duration(regime.ttl_s),
            regime.renewal.rule.keyword,
            regime.scope.keyword,
            regime.binding.keyword,
            f"{regime.shared_by}",
        )
        for regime in scenario.regimes
    ]
    columns = ("regime", "lifetime", "renewal", "scope", "binding", "holders")
    return table(columns, rows, right=("lifetime", "holders"))


def _threats(scenario: "Scenario") -> Iterator[str]:
    threats, detection, response = scenario.threats, scenario.detection, scenario.response
    yield (
        f"Threats: {threats.leak.rate_per_secret_year:g} leaks per secret and year, "
        f"{threats.foothold.rate_per_agent_year:g} footholds per agent and year; "
        f"injected: {threats.injected_thefts} thefts, {threats.injected_footholds} footholds"
    )
    watching = [
        name.replace("_", " ") for name, asked in detection if getattr(asked, "armed", False)
    ]
    yield f"Detectors: {', '.join(watching) or 'none'}"
    answer = "automatic" if response.automatic else f"{response.analysts} analysts"
    yield f"Response: {answer}"
    for fault in scenario.faults:
        lasts = f" for {duration(fault.length_s)}" if fault.length_s else ""
        yield f"Fault: {fault.kind} at {duration(fault.start_s)}{lasts}"


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _toml(value: object) -> str:
    import json

    return "none" if value is None else json.dumps(value, ensure_ascii=False)
