"""More uses than the tasks account for: somebody else uses the identity, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from scenarios.detection.audit import Alert, AuditEvent
from scenarios.spec.rules import SECONDS_PER_DAY, SECONDS_PER_HOUR, cusum


@dataclass(frozen=True)
class Expected:
    """How many lines a workload's identity leaves: its declared rates, hour by hour of the day."""

    rates_hz: tuple[float, ...]
    """lines a second in each of the 24 hours"""
    start_hour: float
    """hour of day at t = 0"""

    @cached_property
    def _rates_hz(self) -> NDArray[np.float64]:
        return np.array(self.rates_hz, dtype=np.float64)

    @cached_property
    def _before(self) -> NDArray[np.float64]:
        """Return the lines expected from midnight to the beginning of each hour."""
        return np.concatenate([[0.0], np.cumsum(self._rates_hz * SECONDS_PER_HOUR)])

    @cached_property
    def _at_zero(self) -> float:
        return float(self._since_midnight(np.asarray(0.0)))

    @overload
    def until(self, t_s: float) -> float: ...
    @overload
    def until(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def until(self, t_s: float | NDArray[np.float64]) -> float | NDArray[np.float64]:
        """Return the lines expected from t = 0 until ``t_s``, negative before t = 0."""
        found = self._since_midnight(np.asarray(t_s, np.float64)) - self._at_zero
        return found if isinstance(t_s, np.ndarray) else float(found)

    def _since_midnight(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        days, second = np.divmod(self.start_hour * SECONDS_PER_HOUR + t_s, SECONDS_PER_DAY)
        hour = np.minimum((second // SECONDS_PER_HOUR).astype(np.int64), 23)
        within = self._rates_hz[hour] * (second - hour * SECONDS_PER_HOUR)
        found: NDArray[np.float64] = days * self._before[24] + self._before[hour] + within
        return found


class RateChange:
    """Alerts when the CUSUM of an identity's uses against their declared rate reaches h.

    ``rules.cusum`` is its law, run from t = 0 for every identity, so that the first line finds it
    at nothing. Silent for a workload without a declared rate. A batch job is its false alarm, and
    so is chance, once in a run length that ``simulator.theory.cusum_run_length`` gives.

    Args:
        expected: lines of one identity, by workload.
        reference: k.
        threshold: h.
        delay_s: from a line's delivery to the alert.
    """

    name = "rate-change"
    needs = frozenset({"identity", "workload"})

    def __init__(
        self,
        expected: Mapping[str, Expected],
        reference: float,
        threshold: float,
        delay_s: float = 0.0,
    ) -> None:
        self.expected, self.reference, self.threshold = expected, reference, threshold
        self._delay_s = delay_s
        self._state: dict[str, tuple[float, float]] = {}
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take a use into account, refused ones included; alert when there are too many."""
        expected = self.expected.get(event.workload)
        if event.operation != "use" or expected is None or event.identity in self._reported:
            return None
        level, before = self._state.get(event.identity, (0.0, 0.0))
        until = max(before, expected.until(event.occurred_s))
        level = cusum(level, until - before, self.reference)
        self._state[event.identity] = level, until
        if level < self.threshold:
            return None
        self._reported.add(event.identity)
        return self.alert(event, level)

    def alert(self, event: AuditEvent, level: float) -> Alert:
        """Return the alert that a line raises which takes the sum to ``level``."""
        return Alert(
            self.name,
            event.identity,
            event.observed_s + self._delay_s,
            event,
            f"{level:.1f} uses more than {self.reference:g} times the declared rate",
        )

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity; its sum begins again at nothing."""
        self._reported.discard(identity)
        if identity in self._state:
            self._state[identity] = 0.0, self._state[identity][1]
