"""An audit log under watch: each alert is told when it is raised."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from midas.output import Output

if TYPE_CHECKING:
    from scenarios.detection.audit import Alert
    from scenarios.spec.schema import Scenario


def follow(
    kind: str,
    audit: Path,
    scenario: "Scenario | None",
    trust_domain: str,
    output: Output,
    *,
    once: bool,
) -> None:
    """Follow a log until interrupted, or with ``once`` to its present end.

    Raises:
        UsageError: the log is not there or none of its kind.
        TargetProtocol: it cannot be read any longer.
    """
    from loadgen.logs import watch_log

    stopping = threading.Event()
    if once:
        stopping.set()
    watch = watch_log(kind, audit, stopping, trust_domain=trust_domain, scenario=scenario)
    output.note(f"watching {audit} with {', '.join(sorted(watch.sight.names)) or 'no detector'}")
    for name, why in watch.sight.blind.items():
        output.note(f"{name} is blind: {why}")
    events = alerts = 0
    for _, raised in watch.stream:
        events += 1
        for alert in raised:
            alerts += 1
            _tell(alert, output)
    output.note(f"{events:,} events, {alerts:,} alerts, {watch.skipped.count:,} lines unread")
    if watch.skipped.count:
        output.warn(f"first line that could not be read: {watch.skipped.first}")


def _tell(alert: "Alert", output: Output) -> None:
    import msgspec

    if not output.json:
        words = f"{alert.alert_s:12.3f} s  {alert.detector}  {alert.identity}: {alert.evidence}"
        output.result(None, words)
        return
    document = {
        "detector": alert.detector,
        "identity": alert.identity,
        "alert_s": alert.alert_s,
        "latency_s": alert.alert_s - alert.event.occurred_s,
        "serial": alert.event.serial,
        "origin": alert.event.origin,
        "permission": alert.event.permission,
        "evidence": alert.evidence,
    }
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    sys.stdout.flush()
