"""Audit logs that can be watched without load: whose they are, what they show, how to follow them.

The times of a log under watch are counted from the moment at which the watch began; what was
written before lies at negative times.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from loadgen.audit_lines import Skipped, events, fields_of
from loadgen.audit_lines import follow as follow_lines
from loadgen.watch import Sight, sight, watch_stream
from scenarios.detection.addresses import NewOrigin
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.detection.canaries import Canary
from scenarios.detection.detector import Detector
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.suite import baseline, rate_change
from scenarios.errors import TargetProtocol, UsageError
from scenarios.spec.schema import Scenario

ALL_FIELDS = frozenset(AuditEvent.__struct_fields__)


@dataclass(frozen=True, slots=True)
class LogSource:
    """What is needed to follow a log."""

    path: Path
    trust_domain: str
    stopping: threading.Event
    """set to end once everything that is there has been read"""
    skipped: Skipped = field(default_factory=Skipped)
    zero_monotonic_s: float = field(default_factory=time.monotonic)

    @property
    def wall_to_run_s(self) -> float:
        """Return what, added to Unix time, gives seconds since the watch began."""
        return time.monotonic() - self.zero_monotonic_s - time.time()


@dataclass(frozen=True, slots=True)
class LogKind:
    """One kind of log by name."""

    name: str
    summary: str
    """one line for help"""
    follow: Callable[[LogSource], Iterator[AuditEvent]]
    fields: Callable[[LogSource], frozenset[str]]
    detectors: Callable[[Scenario | None], list[Detector]]


@dataclass(frozen=True, slots=True)
class LogWatch:
    """A log under watch."""

    sight: Sight
    skipped: Skipped
    stream: Iterator[tuple[AuditEvent, list[Alert]]]
    """every event with the alerts that it raises; ends when told to stop"""


def watch_log(
    kind: str,
    path: Path,
    stopping: threading.Event,
    *,
    trust_domain: str = "example.org",
    scenario: Scenario | None = None,
) -> LogWatch:
    """Put a log under watch.

    Args:
        kind: a key of ``LOGS``.
        path: the log's file.
        stopping: set to end once everything that is there has been read.
        trust_domain: of the identities, where the log does not say.
        scenario: its tasks tell which permissions are needed and how often they are used, its
            ``[detection]`` arms canaries, new origin and rate change; without it neither these
            nor *new permission*.

    Raises:
        UsageError: an unknown kind, a file that is not there, a log that is none of the kind.
        TargetProtocol: while it is followed: it cannot be read any longer.
    """
    if kind not in LOGS:
        raise UsageError(f"audit log: found {kind!r}, known are {', '.join(LOGS)}")
    if not path.is_file():
        raise UsageError(f"audit log: {path}: is no file")
    known, source = LOGS[kind], LogSource(path, trust_domain, stopping)
    seeing = sight(known.detectors(scenario), known.fields(source))
    stream = watch_stream(known.follow(source), seeing.armed)
    return LogWatch(seeing, source.skipped, stream)


def _documents(scenario: Scenario | None) -> list[Detector]:
    armed: list[Detector] = [SupersededSerial(), TwoOrigins()]
    if scenario is None:
        return armed
    armed.append(NewPermission(baseline(scenario)))
    if scenario.detection.canary.armed:
        armed.append(Canary())
    if scenario.detection.new_origin.armed:
        armed.append(NewOrigin())
    if scenario.detection.rate_change.armed:
        armed.append(rate_change(scenario, measured=True))
    return armed


def _agents(_: Scenario | None) -> list[Detector]:
    from loadgen.targets.spire.detectors import InactiveAgentSvid, TwoAgentOrigins

    return [InactiveAgentSvid(), TwoAgentOrigins()]


def _follow_lines(source: LogSource) -> Iterator[AuditEvent]:
    yield from events(follow_lines(source.path, source.stopping.is_set), source.skipped)


def _line_fields(source: LogSource) -> frozenset[str]:
    try:
        with source.path.open("rb") as file:
            return fields_of(file.readline())
    except OSError as error:
        raise UsageError(f"audit log: {source.path}: {error.strerror}") from error


def _follow_embedded(source: LogSource) -> Iterator[AuditEvent]:
    from loadgen.targets.embedded.audit import follow

    zero_s, stopping = source.zero_monotonic_s, source.stopping
    yield from follow(source.path, zero_s, source.wall_to_run_s, stopping)


def _follow_openbao(source: LogSource) -> Iterator[AuditEvent]:
    from loadgen.targets.openbao.audit import AuditReader

    reader = AuditReader(source.trust_domain, lambda _: None)
    wall_to_run_s = source.wall_to_run_s
    for line in follow_lines(source.path, source.stopping.is_set):
        try:
            event = reader.read(line, time.monotonic() - source.zero_monotonic_s, wall_to_run_s)
        except (msgspec.MsgspecError, ValueError) as error:
            source.skipped.note(str(error))
            continue
        if event is not None:
            yield event


def _follow_spire(source: LogSource) -> Iterator[AuditEvent]:
    from loadgen.targets.spire.audit import follow

    try:
        yield from follow(source.path, source.zero_monotonic_s, source.stopping)
    except OSError as error:
        raise TargetProtocol(f"{source.path}: {error.strerror}") from error


def _spire_fields(_: LogSource) -> frozenset[str]:
    from loadgen.targets.spire.audit import AGENT_FIELDS

    return AGENT_FIELDS | {"outcome"}


LOGS: dict[str, LogKind] = {
    kind.name: kind
    for kind in (
        LogKind(
            "embedded",
            "the embedded service's audit.sqlite",
            _follow_embedded,
            lambda _: ALL_FIELDS,
            _documents,
        ),
        LogKind(
            "openbao",
            "OpenBao's file audit device, as the openbao target sets it up",
            _follow_openbao,
            lambda _: ALL_FIELDS,
            _documents,
        ),
        LogKind(
            "spire", "the log of a SPIRE server, in JSON", _follow_spire, _spire_fields, _agents
        ),
        LogKind(
            "lines",
            "one JSON object a line, with the fields of an audit event",
            _follow_lines,
            _line_fields,
            _documents,
        ),
    )
}
