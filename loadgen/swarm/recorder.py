"""Latencies of the swarm's calls: appended as they come, counted into histograms now and then."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from loadgen.generator.recorder import SLOTS, encode_counts, percentile_s, slot_of
from loadgen.swarm.protocol import LAG_OP, SwarmPlan
from scenarios.record.tables import OperationRow

OK = "ok"


class Recorder:
    """Histograms by op, code and batch.

    Args:
        plan: length, settling time and labels of the run.
    """

    def __init__(self, plan: SwarmPlan) -> None:
        self._plan = plan
        self._fresh: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._counts: dict[tuple[str, str, int], NDArray[np.int64]] = {}
        self.calls: Counter[str] = Counter()
        self.ok: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def add(self, op: str, code: str, intended_s: float, took_s: float) -> None:
        """Note one call that was meant to begin at ``intended_s`` of the run clock."""
        values = self._fresh.get((op, code))
        if values is None:
            values = self._fresh[op, code] = []
        values.append((intended_s, took_s))
        if op == LAG_OP:
            return
        if code == OK:
            self.ok[op] += 1
        else:
            self.errors[f"{op}:{code}"] += 1

    def merge(self) -> None:
        """Count what has been appended since the last call."""
        plan = self._plan
        width = max(plan.seconds - plan.settle_s, 1e-9) / plan.batches
        for (op, code), values in self._fresh.items():
            if not values:
                continue
            pairs = np.array(values)
            values.clear()
            batch = np.floor((pairs[:, 0] - plan.settle_s) / width).astype(np.int64)
            batch = np.where(pairs[:, 0] < plan.settle_s, -1, np.clip(batch, 0, plan.batches - 1))
            us = np.maximum(np.rint(pairs[:, 1] * 1e6), 0).astype(np.int64)
            for number in np.unique(batch).tolist():
                counts = self._counts.get((op, code, number))
                if counts is None:
                    counts = self._counts[op, code, number] = np.zeros(SLOTS, np.int64)
                np.add.at(counts, slot_of(us[batch == number]), 1)

    def lag_p99_s(self, *, settled: bool) -> float | None:
        """Return the 99th percentile of the swarm's own lateness, after settling or in all."""
        self.merge()
        found = [
            counts
            for (op, _, batch), counts in self._counts.items()
            if op == LAG_OP and (batch >= 0 or not settled)
        ]
        return percentile_s(np.sum(found, axis=0), 99.0) if found else None

    def rows(self) -> list[OperationRow]:
        """Return one row per op × code × batch."""
        self.merge()
        plan = self._plan
        return [
            OperationRow(
                plan.point,
                plan.regime,
                plan.replication,
                batch,
                op,
                code,
                int(counts.sum()),
                encode_counts(counts),
            )
            for (op, code, batch), counts in sorted(self._counts.items())
        ]
