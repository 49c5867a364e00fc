"""The numbers from the world that a record stands on, with who says so and how far it is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis import answering, words
from scenarios.record.manifest import Manifest
from scenarios.spec.sources import sources


@dataclass(frozen=True, slots=True)
class Assumption:
    """One row of ``sources.toml`` as it was used."""

    key: str
    used_for: str
    value: str
    range: str
    source: str
    url: str
    year: int
    confidence: str
    note: str


_WEIGHT = {"assumption": 0, "low": 1, "medium": 2, "high": 3}


def assumptions(manifests: Sequence[Manifest]) -> list[Assumption]:
    """Return every source that the records used, the least certain first.

    A key that this version of ``sources.toml`` no longer has is shown as that.
    """
    used: dict[str, list[str]] = {}
    for manifest in manifests:
        for path, key in manifest.sources.items():
            paths = used.setdefault(key, [])
            if path not in paths:
                paths.append(path)
    for manifest in manifests:
        if manifest.world == "simulated":  # the analysis asks them of any simulated log
            used |= {key: [answering.TIME] for key in answering.SOURCES}
    found = [_assumption(key, paths) for key, paths in used.items()]
    return sorted(found, key=lambda row: (_WEIGHT.get(row.confidence, 0), row.key))


def _assumption(key: str, paths: list[str]) -> Assumption:
    source = sources().get(key)
    used_for = ", ".join(paths)
    if source is None:
        gone = "no longer in sources.toml"
        return Assumption(key, used_for, "", "", gone, "", 0, "assumption", "")
    unit = "" if source.unit == "1" else f" {source.unit}"
    spread = "a point"
    if source.low != source.high:
        spread = f"{words.number(source.low)} to {words.number(source.high)}{unit}"
    return Assumption(
        key=key,
        used_for=used_for,
        value=f"{words.number(source.value)}{unit}",
        range=spread,
        source=source.source,
        url=source.url,
        year=source.year,
        confidence=source.confidence,
        note=source.note,
    )
