"""The live watcher: follows an audit stream with the simulator's own detectors."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import floor

from hdrh.histogram import HdrHistogram

from loadgen.histogram import MAX_US, MIN_US, empty
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.detection.detector import Detector


@dataclass(frozen=True, slots=True)
class Sight:
    """Which detectors a source of audit events lets see."""

    armed: list[Detector]
    blind: dict[str, str]
    """detector → which fields it needs and does not get"""

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the armed ones."""
        return frozenset(detector.name for detector in self.armed)


def sight(detectors: Iterable[Detector], audit_fields: frozenset[str]) -> Sight:
    """Split detectors into those whose needs a source meets, and those that stay blind."""
    found = Sight([], {})
    for detector in detectors:
        missing = sorted(detector.needs - audit_fields)
        if missing:
            found.blind[detector.name] = f"the audit stream carries no {', '.join(missing)}"
        else:
            found.armed.append(detector)
    return found


def watch_stream(
    stream: Iterable[AuditEvent], detectors: Iterable[Detector]
) -> Iterator[tuple[AuditEvent, list[Alert]]]:
    """Yield every event of a stream with the alerts that it raises, in the order of detectors.

    An event that identifies nobody (a refused stranger) is no detector's business: it would make
    one suspect of all strangers.
    """
    armed = list(detectors)
    for event in stream:
        raised = (detector.update(event) for detector in armed if event.identity)
        yield event, [alert for alert in raised if alert is not None]


@dataclass(slots=True)
class Seen:
    """What the watcher counted; its size does not grow with the length of a run."""

    events: int = 0
    uses: Counter[str] = field(default_factory=Counter)
    """by identity, of owners and thieves"""
    denied: int = 0
    """uses that were refused"""
    issued: Counter[int] = field(default_factory=Counter)
    """credentials by whole second of the run clock"""
    delay: HdrHistogram = field(default_factory=empty)
    """microseconds from the event to its line in the detector's hands"""

    def count(self, event: AuditEvent) -> None:
        """Take one event into account."""
        self.events += 1
        delay_us = round(1e6 * (event.observed_s - event.occurred_s))
        self.delay.record_value(min(max(delay_us, MIN_US), MAX_US))
        if event.operation == "use":
            self.uses[event.identity] += 1
            self.denied += event.outcome == "denied"
        elif event.operation == "issue" and event.outcome == "ok":
            self.issued[floor(event.occurred_s)] += 1


class Watcher:
    """Follows one audit stream in a thread of its own and hands alerts on at once.

    Args:
        stream: ends when its target is torn down.
        detectors: armed ones, fresh.
        on_alert: called in the watcher's thread; must not block.
    """

    def __init__(
        self,
        stream: Iterator[AuditEvent],
        detectors: Iterable[Detector],
        on_alert: Callable[[Alert], None],
    ) -> None:
        self._stream = stream
        self._detectors = list(detectors)
        self._on_alert = on_alert
        self._to_forget: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)
        self.seen = Seen()
        self.alerts: list[Alert] = []
        self.fault = ""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def forget(self, identity: str) -> None:
        """Have the detectors drop an identity's state before the next event; from any thread."""
        self._to_forget.put(identity)

    def _follow(self) -> None:
        try:
            for event, alerts in watch_stream(self._after_forgetting(), self._detectors):
                self.seen.count(event)
                for alert in alerts:
                    self.alerts.append(alert)
                    self._on_alert(alert)
        except Exception as error:  # noqa: BLE001  (a thread's end must be told, whatever it was)
            self.fault = f"the audit stream broke: {type(error).__name__}: {error}"

    def _after_forgetting(self) -> Iterator[AuditEvent]:
        for event in self._stream:
            while not self._to_forget.empty():
                identity = self._to_forget.get()
                for detector in self._detectors:
                    detector.forget(identity)
            yield event

    def settle(self, quiet_s: float, at_most_s: float) -> None:
        """Wait until no event came for ``quiet_s``, at most ``at_most_s``."""
        pause = threading.Event()
        waited_s, last = 0.0, -1
        while waited_s < at_most_s and self._thread.is_alive() and self.seen.events != last:
            last = self.seen.events
            pause.wait(quiet_s)
            waited_s += quiet_s

    def join(self, timeout_s: float) -> bool:
        """Return whether the stream ended within ``timeout_s``."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()
