"""The rows of some regimes at one point of a record, and what several estimates need of them."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from math import inf
from typing import Any

from analysis import answering
from analysis.thefts import Followed, follow
from scenarios.errors import RecordError
from scenarios.record.record import RunRecord
from scenarios.record.tables import AlertRow, Count, Incident, OperationRow, Sample

FOOTHOLD = "foothold"
"""persona of a thief who lives in the workload and takes every renewal: another question than what
a copy is worth, and never averaged with it"""


AGENT_KEY = "agent-key"
"""persona of a thief who has the key of a node's agent: a third question"""
ISSUER_KEY = "issuer-key"
"""persona of a thief who has the issuer's own key: a fourth"""
BUNDLE = "poisoned-bundle"
"""persona of a thief whose key stands in a federated domain's bundle: a fifth"""
FORGERS = (ISSUER_KEY, BUNDLE)
"""personas of those who sign for anybody: whose theft it is, nobody can say"""
LATERAL = "lateral"
"""persona of a theft that another theft led to: a consequence, counted in its reach"""


class Part:
    """The rows of some regimes at one point, and what several estimates need of them.

    Args:
        record: of either world.
        point: of its sweep.
        regimes: names.
        agents: whose thefts, everybody's when None.
    """

    def __init__(
        self,
        record: RunRecord,
        point: str,
        regimes: tuple[str, ...],
        agents: Collection[int] | None = None,
    ) -> None:
        def mine(rows: Iterable[Any]) -> list[Any]:
            return [row for row in rows if row.point == point and row.regime in regimes]

        self.manifest = record.manifest
        self.regimes = regimes
        self.counts: list[Count] = mine(record.counts)
        self.series: list[Sample] = mine(record.series)
        self.operations: list[OperationRow] = mine(record.operations)
        self.incidents: list[Incident] = mine(record.incidents)
        if agents is not None:
            self.incidents = [theft for theft in self.incidents if theft.agent in agents]
        self.alerts: list[AlertRow] = mine(record.alerts)
        self.injected = {row for row, theft in enumerate(record.incidents) if theft.injected}
        """row numbers, in the whole record, of thefts whose number is a choice"""
        self.horizon_s = float(record.manifest.scenario.get("horizon_s", inf))
        self.thefts = [theft for theft in self.incidents if theft.persona != LATERAL]
        """what others did not lead to: the incidents that frequencies and curves are made of"""
        copies = [theft for theft in self.thefts if is_copy(theft)]
        keys = [theft for theft in self.thefts if theft.persona == AGENT_KEY]
        forgers = [theft for theft in self.thefts if theft.persona == ISSUER_KEY]
        poisoners = [theft for theft in self.thefts if theft.persona == BUNDLE]
        footholds = [theft for theft in self.thefts if theft.persona == FOOTHOLD]
        self.copies: Followed = follow(copies, self.horizon_s, self.secret)
        self.footholds: Followed = follow(footholds, self.horizon_s, self.secret)
        self.agent_keys: Followed = follow(keys, self.horizon_s, self.secret)
        # one key signs for all: thefts of it within a replication share its fate
        self.issuer_keys: Followed = follow(forgers, self.horizon_s, lambda t: t.replication)
        self.bundles: Followed = follow(poisoners, self.horizon_s, lambda t: t.replication)

    def secret(self, theft: Incident) -> Hashable:
        """Return which secret was stolen, in which replication.

        ``shared_by`` consecutive agents of a workload class hold one, or those of a node.
        """
        scenario = self.manifest.scenario
        regimes = scenario.get("regimes", ())
        regime: dict[str, Any] = next((r for r in regimes if r["name"] == theft.regime), {})
        first, per_node = 0, 1
        for workload in scenario.get("workloads", ()):
            per_node = workload.get("agents_per_node", 1)
            if theft.agent < first + workload["count"]:
                break
            first += workload["count"]
        shared_by = per_node if regime.get("shared_on_node") else regime.get("shared_by", 1)
        number = (theft.agent - first) // shared_by
        return theft.regime, theft.replication, first, number

    def replications(self) -> list[dict[str, float]]:
        """Return the counts of each (regime, replication) by name, with what the scenario gives."""
        given = {regime: self._givens(regime) for regime in self.regimes}
        found: dict[tuple[str, int], dict[str, float]] = {}
        for count in self.counts:
            of = found.setdefault((count.regime, count.replication), dict(given[count.regime]))
            of[count.name] = count.value
        return [found[key] for key in sorted(found)]

    def _givens(self, regime: str) -> dict[str, float]:
        """Return what follows from the scenario alone, under the names that counts have."""
        scenario = self.manifest.scenario
        classes = scenario.get("workloads", ())
        agents = float(sum(workload["count"] for workload in classes))
        simulated = self.manifest.world == "simulated"
        open_lines = answering.givens(scenario, regime) if simulated else {}
        return {"agents": agents, "horizon_s": self.horizon_s, **open_lines}

    def totals(self) -> dict[str, float]:
        """Return each count summed over regimes and replications."""
        sums: dict[str, float] = defaultdict(float)
        for count in self.counts:
            sums[count.name] += count.value
        return sums

    def interval_s(self) -> float:
        """Return the resolution of the series."""
        return float(self.manifest.scenario.get("series_interval_s", 1.0))

    def agent_s(self) -> float:
        """Return the agent-seconds that were simulated or measured."""
        return sum(c["agents"] * c["horizon_s"] for c in self.replications())


def is_copy(theft: Incident) -> bool:
    """Return whether a thief took a copy of one document: no place to live in, no signing key."""
    return theft.persona not in (FOOTHOLD, AGENT_KEY, *FORGERS, LATERAL)


def the_point(record: RunRecord, wanted: str | None) -> str:
    """Return the wanted point of a record's sweep, or the only one; raises RecordError else."""
    tables = (record.counts, record.operations, record.incidents)
    points = {row.point for rows in tables for row in rows}
    if wanted is None and len(points) == 1:
        return points.pop()
    if wanted is None and not points:
        return ""
    if wanted not in points:
        found = ", ".join(sorted(points)) or "none"
        raise RecordError(f"run {record.manifest.run_id}: found points {found}; name one of them")
    return wanted


def holds(record: RunRecord, point: str, regime: str) -> bool:
    """Return whether the record has a row of this regime at this point."""
    tables = (record.counts, record.operations, record.incidents)
    return any(row.point == point and row.regime == regime for rows in tables for row in rows)
