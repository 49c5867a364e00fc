"""What one regime's measured run left behind, before it becomes tables."""

from collections import Counter
from dataclasses import dataclass, field

from loadgen.generator.protocol import GeneratorResult, Progress
from loadgen.merge import arrivals_only
from loadgen.personas.thief import Theft
from loadgen.plan import Plan
from loadgen.response import Revocation
from loadgen.watch import Seen, Sight
from scenarios.detection.audit import Alert
from scenarios.record.tables import OperationRow


@dataclass(slots=True)
class Outcome:
    """Everything that a regime's run produced; empty parts where it was cut short."""

    plan: Plan
    sight: Sight
    arrivals: int = 0
    """intended ones, prologue included"""
    wall_at_zero_utc: str = ""
    result: GeneratorResult | None = None
    rows: list[OperationRow] = field(default_factory=list)
    """of the measured part, the generator's own rows included"""
    warmup: list[OperationRow] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    thefts: list[Theft] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    revocations: dict[tuple[str, str], Revocation] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    granted_ttl_s: list[float] = field(default_factory=list)
    """lifetimes of a sample of live credentials, as the service granted them"""
    interrupted: bool = False
    faults: list[str] = field(default_factory=list)
    """why the run is not valid, in plain words"""
    notes: list[str] = field(default_factory=list)

    @property
    def happened(self) -> list[Theft]:
        """Return the thefts in which something was taken, in order of time."""
        taken = [theft for theft in self.thefts if theft.stolen_s is not None]
        return sorted(taken, key=lambda theft: theft.stolen_s or 0.0)

    @property
    def missing(self) -> int:
        """Return how many intended arrivals no row accounts for."""
        rows = arrivals_only(self.rows) + arrivals_only(self.warmup)
        return self.arrivals - sum(row.count for row in rows)

    def _unanswered(self) -> str:
        """Say so when no measured arrival came back ``ok``: then nothing was measured."""
        codes = Counter({row.code: 0 for row in self.rows})
        for row in arrivals_only(self.rows):
            codes[row.code] += row.count
        if not codes.total() or codes["ok"]:
            return ""
        said = ", ".join(f"{code} {n}" for code, n in codes.most_common(3) if n)
        return f"no arrival was answered with ok ({said})"

    def reasons(self) -> list[str]:
        """Return every reason why this run must not be trusted; none when it is valid."""
        found = ["interrupted"] if self.interrupted else []
        found += self.faults
        if self.result is None:
            return found or ["the load generator left no result"]
        if not self.result.valid and not self.interrupted:
            found.append(self.result.reason)
        if unanswered := self._unanswered():
            found.append(unanswered)
        if self.missing:
            found.append(f"{self.missing} arrivals are missing from the results")
        return found
