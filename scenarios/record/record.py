"""A run record: manifest and five tables."""

from dataclasses import dataclass, field

from scenarios.record.manifest import Manifest
from scenarios.record.tables import AlertRow, Count, Incident, OperationRow, Sample


@dataclass(slots=True)
class RunRecord:
    """What an engine returns and the analysis reads: tables, never estimates."""

    manifest: Manifest
    counts: list[Count] = field(default_factory=list)
    series: list[Sample] = field(default_factory=list)
    operations: list[OperationRow] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    alerts: list[AlertRow] = field(default_factory=list)
