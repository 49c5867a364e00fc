"""Who notices, who answers, and what looks like a theft and is none (model.md §5)."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from scenarios.spec.regime import PositiveSeconds, Seconds, Share, Strict


class Armed(Strict):
    """Whether a detector is armed, and which lines reach it how late."""

    armed: bool = False
    sensitivity: Share = 1.0
    """share of an identity's lines that reach this detector, each by a draw of its own"""
    delay_s: Seconds = 0.0
    """from a line's delivery to the alert: batches, correlation, dashboards"""


class RateChange(Armed):
    """CUSUM of an identity's lines against its workload's declared rate (``rules.cusum``)."""

    reference: Annotated[float, Field(gt=1, le=1000)] = 2.0
    """k, as a multiple of the declared rate: what one expected line takes off the sum; for a
    change to ρ times the rate (ρ − 1)/ln ρ is optimal"""
    threshold: Annotated[float, Field(gt=0, le=1e6)] = 20.0
    """h, in lines: the sum that raises an alert"""


def _table(value: object) -> object:
    """Take a word for the table that it stands for: ``two_origins = false``."""
    return {"armed": value} if isinstance(value, bool) else value


Switched = Annotated[Armed, BeforeValidator(_table)]
OFF, ON = Armed(), Armed(armed=True)


class Detection(Strict):
    """Which detectors watch the audit log, and how late they see it."""

    superseded_serial: Switched = ON
    """a document older than one that was seen in use"""
    two_origins: Switched = ON
    """one document from two addresses"""
    new_permission: Switched = ON
    """a permission that the task, or the workload, does not need"""
    new_origin: Switched = Armed()
    """a use from an address where no holder of the identity works"""
    rate_change: RateChange = RateChange()
    """more uses than the tasks of the workload account for"""
    canary: Switched = Armed()
    """a touch of a permission that nobody needs"""
    bundle_change: Switched = Armed()
    """a fetched bundle holds a key that nobody announced; sensitivity is by poisoned bundle"""
    issue_log: Switched = Armed()
    """hold the verifiers' log against the issuer's: a serial that was never issued is forged"""
    delivery_s: Seconds = 1.0
    """from the event to its line in the detector's hands; a floor under every detector"""
    coverage: Share = 1.0
    """share of identities whose log reaches a detector at all"""
    external_notice_mean_s: PositiveSeconds | None = None
    """mean of the exponential time from theft to a notice from outside; none when absent"""


class OwnDetectors(Strict):
    """Detectors of one tenant; of those that are absent it has the scenario's."""

    superseded_serial: Switched | None = None
    two_origins: Switched | None = None
    new_permission: Switched | None = None
    new_origin: Switched | None = None
    rate_change: RateChange | None = None
    canary: Switched | None = None
    issue_log: Switched | None = None

    def over(self, common: Detection) -> Detection:
        """Return what a tenant has armed."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        own = {name: of for name, of in given.items() if of is not None}
        return common.model_copy(update=own)


Rank = Annotated[int, Field(ge=0, le=9)]


class Priority(Strict):
    """Which alerts analysts take up first: lower numbers; equal ones in order of arrival."""

    superseded_serial: Rank = 0
    two_origins: Rank = 0
    new_permission: Rank = 0
    new_origin: Rank = 0
    rate_change: Rank = 0
    canary: Rank = 0
    unknown_serial: Rank = 0
    bundle_change: Rank = 0
    external_notice: Rank = 0
    by_sensitivity: bool = False
    """before that, by the most sensitive task of the workload that the alert is about"""


class NewIssuer(Strict):
    """How a stolen issuer key is answered: a new key, new documents, the old key distrusted.

    SPIRE's order: prepare and activate a new authority, taint the old one, revoke it.
    """

    prepare_s: Seconds = 3600.0
    """from the decision, when the new key is published in the bundle, until it signs; SPIFFE
    Federation §4.1 recommends three to five refreshes of those who fetch the bundle"""
    overlap_s: Seconds = 3600.0
    """from the first document of the new key until verifiers refuse those of the old one"""
    reissue_s: PositiveSeconds | None = None
    """renew whatever is held within this time of the new key; when absent agents renew as ever"""


class BundleRepair(Strict):
    """How a poisoned bundle is answered: the true one served again, or set by hand."""

    remove_s: Seconds = 3600.0
    """from the decision until the endpoint serves the true bundle again, for the next fetch"""
    by_hand_s: Seconds | None = None
    """from the decision until the true bundle is set on our side, nothing being fetched before the
    endpoint serves it again (SPIFFE Federation §4.2); only a fetch brings it when absent"""


class Response(Strict):
    """Alerts wait for an analyst, who decides and revokes."""

    analysts: Annotated[int, Field(ge=1, le=10_000)] = 4
    triage_mean_s: Seconds = 900.0
    automatic: bool = False
    """revoke at the alert, without triage"""
    priority: Priority = Priority()
    """an analyst finishes what he has begun: non-preemptive"""
    new_issuer: NewIssuer = NewIssuer()
    bundle: BundleRepair = BundleRepair()


Yearly = Annotated[float, Field(ge=0, le=1e6)]


class Benign(Strict):
    """Harmless events that a detector takes for abuse (model.md §5); Poisson, none by default."""

    reschedules_per_agent_year: Yearly = 0.0
    """an agent goes on with the same document at another address, for good"""
    failovers_per_agent_year: Yearly = 0.0
    """an agent is seen behind another address for a while, then behind its own again"""
    failover_mean_s: PositiveSeconds = 3600.0
    """mean of the exponential time behind the other address"""
    late_reloads_per_agent_year: Yearly = 0.0
    """a part of an agent keeps the document that it holds and uses it once more, later"""
    late_reload_mean_s: PositiveSeconds = 600.0
    """mean of the exponential time until that use"""
    new_edges_per_agent_year: Yearly = 0.0
    """a deployment uses a permission before the declared need of its task says so"""
    address_reuses_per_agent_year: Yearly = 0.0
    """address translation gives an agent the address of another one for a while"""
    address_reuse_mean_s: PositiveSeconds = 3600.0
    """mean of the exponential time with it"""
    shared_documents_per_agent_year: Yearly = 0.0
    """another pod of the node is served the same document and uses it from its own address"""
    canary_scans_per_agent_year: Yearly = 0.0
    """a scanner, a backup or an index touches a canary with an agent's document"""
    batch_jobs_per_agent_year: Yearly = 0.0
    """an agent has more to do than its tasks account for"""
    batch_job_rate_hz: Annotated[float, Field(gt=0, le=1000)] = 0.1
    """uses of a batch job, on top of the tasks'"""
    batch_job_mean_s: PositiveSeconds = 600.0
    """mean of the exponential length of a batch job"""

    @property
    def per_agent_year(self) -> float:
        """Events of all kinds per agent and year."""
        return (
            self.reschedules_per_agent_year
            + self.failovers_per_agent_year
            + self.late_reloads_per_agent_year
            + self.new_edges_per_agent_year
            + self.address_reuses_per_agent_year
            + self.shared_documents_per_agent_year
            + self.canary_scans_per_agent_year
            + self.batch_jobs_per_agent_year
        )


class Policy(Strict):
    """What so many alerts bring about for the whole fleet, until it is quiet again."""

    alerts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """alerts within ``window_s``, true or false, that tighten; 0 is no policy"""
    window_s: PositiveSeconds = 3600.0
    relax_after_s: PositiveSeconds = 3600.0
    """from the last alert that found ``alerts`` of them within the window"""
    ttl_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """times the lifetime, for what is issued meanwhile"""
    renew_within_s: PositiveSeconds | None = None
    """when it tightens, whatever agents hold is renewed within this time; as ever when absent"""
    narrow_scope: bool = False
    """a stolen credential opens what its task needs and no more, where somebody decides so"""
    step_up_refuses: Share = 0.0
    """share of a thief's uses of permissions of highly sensitive tasks that a step-up stops"""
    step_up_fails: Share = 0.0
    """share of healthy starts of such tasks that fail in it"""
