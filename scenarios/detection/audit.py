"""The audit event, one flat struct for both worlds, and the alert that a detector makes of it."""

from typing import Literal

import msgspec

Outcome = Literal["ok", "denied", "error"]
Operation = Literal["issue", "use", "revoke"]


class AuditEvent(msgspec.Struct, frozen=True, gc=False):
    """One line of an audit log, as far as detection needs it.

    ``identity`` is what the line identifies and what detectors key their state by: the SPIFFE ID of
    the workload, or the name of the shared secret. Fields that a source cannot know are empty.
    """

    occurred_s: float
    """run clock: when the access happened"""
    observed_s: float
    """run clock: when the line reached the detector, at least ``occurred_s``"""
    identity: str
    workload: str
    task: str
    serial: str
    """serial of the document; strictly increasing text is not promised, order of issue is"""
    issued_s: float
    """issue instant of the document used, run clock; negative before the run; nan when unknown"""
    origin: str
    """source address"""
    operation: Operation
    permission: str
    outcome: Outcome


class Alert(msgspec.Struct, frozen=True, gc=False):
    """A detector's word that an identity is being abused."""

    detector: str
    identity: str
    alert_s: float
    """``observed_s`` of the event that raised it, and the detector's delay"""
    event: AuditEvent
    evidence: str
    """one sentence for a human"""
