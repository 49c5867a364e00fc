"""What a storm or a theft was, as a scenario: the window that the simulator can run as well.

An agent's identities are one document there, because an agent asks for all that is due in one call.
The documents count as issued at the instant at which half of them had been.
"""

from loadgen.swarm.field import BACKDATE_S, SYNC_BACKOFF, SYNC_JITTER, SYNC_S, TRUST_DOMAIN
from loadgen.swarm.kinds import Kind
from loadgen.swarm.storm import StormReport
from loadgen.swarm.theft_report import CERTAIN, UNCERTAIN, Heist
from scenarios.spec.defence import OFF, Armed
from scenarios.spec.fault_kinds import IssuerOutage, MassRestart
from scenarios.spec.regime import Regime, Revocation, RevocationRule
from scenarios.spec.resolve import load_regime
from scenarios.spec.schema import (
    Abuse,
    Backoff,
    Datastore,
    Detection,
    Issuer,
    Response,
    Scenario,
    Start,
    Task,
    Threats,
    Workload,
)
from scenarios.spec.sources import sources

SIGN_S = sources()["spire.sign_service_time"].value * 1e-3
ATTEST_S = sources()["spire.attest_service_time"].value * 1e-3
ENTRY_RELOAD_S = sources()["spire.entry_reload"].value
AT_ONCE_S = 0.001
"""within what all agents begin anew; the model knows no instant"""
COLD = (Kind.COLD_START, Kind.MASS_RESTART)
"""storms after whose beginning nobody holds anything"""
_NOT_MODELLED = {
    Kind.DATASTORE_LOCKED: "the simulator's datastore does not tell reads from writes",
    Kind.CA_ROTATED: "a new authority beside the old one makes nothing due",
    Kind.CA_REVOKED: "the simulator replaces an authority after a theft, not at a set instant",
}
_REGIME = "x509-svid-1h"
OWNER_HZ = 10.0
"""at which a robbed agent calls in a simulated theft: the real one uses a new document at once"""
FIRST_USE_S = 0.001
"""after the theft; the model knows no thief who needs no time at all"""
_TASKS = (Task(name="work", rate_hz=0.1, permissions=("work:do",)),)


def storm_window(report: StormReport, held_s: float) -> Scenario:
    """Return the scenario of a storm.

    Args:
        report: what was measured.
        held_s: from the instant at which half of the documents had been issued to the fault; 0
            where the fault is that nobody holds any.
    """
    return Scenario(
        name=str(report.kind),
        title=f"SPIRE under a storm: {report.kind}, {report.agents} agents",
        question="Does the fleet become whole again by itself, and after how long?",
        expected="it does, at a load that the server carried before",
        source="midas spire storm",
        horizon_s=held_s + report.watched_s,
        trust_domain=TRUST_DOMAIN,
        regimes=(spire_regime(report.x509_ttl_s),),
        workloads=(Workload(name="node", count=report.agents, tasks=_TASKS),),
        start=Start(ages="synchronised"),
        issuer=_issuer(report),
        faults=_faults(report, held_s),
        series_interval_s=1.0,
    )


def sync_window(report: StormReport, held_s: float) -> Scenario:
    """Return the scenario of a killed server whose agents sync, and back off as nodes.

    They notice that the server is gone at their next sync, not when a document is due, and are deep
    in back-off by the time that one is. Arguments as ``storm_window`` has them.
    """
    scenario = storm_window(report, held_s)
    (workload,) = scenario.workloads
    issuer = {
        "agent_sync_s": SYNC_S,
        "agent_sync_jitter": SYNC_JITTER,
        "renew_at_sync": True,
        "sync_backoff": scenario.issuer.backoff,
    }
    return scenario.model_copy(
        update={
            "name": "server-killed-sync",
            "workloads": (workload.model_copy(update={"agents_per_node": 1}),),
            "issuer": scenario.issuer.model_copy(update=issuer),
        }
    )


def theft_window(asked: Heist, horizon_s: float) -> Scenario:
    """Return the scenario of a heist: SPIRE's agents as agents, their own documents as stolen.

    The superseded serial stands for SPIRE's "Agent SVID is not active", two origins for one agent
    from two addresses, the deny list for ``BanAgent``. A simulated thief calls at the same mean
    pace, his calls a Poisson process.

    Args:
        asked: the order.
        horizon_s: length of the window.
    """
    regime = spire_regime(asked.agent_ttl_s)
    at_once = RevocationRule(method=Revocation.DENY_LIST, delay_s=0.0)
    waits_s = asked.agent_ttl_s if asked.after_renewal else FIRST_USE_S
    task = Task(name="sync", rate_hz=OWNER_HZ, permissions=("entries:sync",))
    return Scenario(
        name="node-theft",
        title=f"Node identities stolen from SPIRE, agents' documents live {asked.agent_ttl_s} s",
        question="How long does the theft of an agent's key and document stay unseen?",
        expected="until the owner has renewed: what is left of the renewal interval",
        source="midas spire theft",
        horizon_s=horizon_s,
        trust_domain=TRUST_DOMAIN,
        regimes=(regime.model_copy(update={"revocation": at_once}),),
        workloads=(Workload(name="agent", count=asked.victims + asked.bystanders, tasks=(task,)),),
        threats=Threats(
            abuse=Abuse(
                first_use_median_s=waits_s,
                first_use_sigma=0.0,
                use_rate_hz=1.0 / asked.pace_s,
                foreign_permission_share=0.0,
            ),
            injected_thefts=asked.victims,
        ),
        detection=Detection(
            superseded_serial=Armed(armed=CERTAIN in asked.respond_to),
            two_origins=Armed(armed=UNCERTAIN in asked.respond_to),
            new_permission=OFF,
            delivery_s=0.0,
        ),
        response=Response(automatic=True),
        series_interval_s=1.0,
    )


def spire_regime(ttl_s: int) -> Regime:
    """Return SPIRE's rule for a document that lives ``ttl_s`` after its issue.

    SPIRE takes the threshold from the backdated life, the model from the life after the issue.
    """
    regime = load_regime(_REGIME)
    left_s = (1.0 - regime.renewal.fraction) * (ttl_s + BACKDATE_S)
    renewal = regime.renewal.model_copy(update={"fraction": 1.0 - left_s / ttl_s})
    return regime.model_copy(
        update={
            "name": f"x509-svid-{ttl_s}s",
            "title": f"X.509-SVID for {ttl_s} s, renewed by SPIRE's rule",
            "ttl_s": float(ttl_s),
            "renewal": renewal,
        }
    )


def not_modelled(report: StormReport) -> str:
    """Return why the simulator has no such storm, empty where it has."""
    if report.kind is Kind.SERVER_KILLED and not (report.backoff or knock_s(report)):
        return "how often agents knocked is not known"
    return _NOT_MODELLED.get(report.kind, "")


def knock_s(report: StormReport) -> float:
    """Return the mean time between two vain attempts of an agent while the server was down, or 0.

    Without back-off an agent tries again at once, so how fast it knocks is what its machine gives:
    an input that has to be measured.
    """
    vain = sum(n for key, n in report.failed_calls.items() if key.startswith("connect:"))
    return report.agents * (report.down_s + report.start_s) / vain if vain else 0.0


def _issuer(report: StormReport) -> Issuer:
    """Return SPIRE's server: one core signs, and before that another attests where that is needed.

    A call for all of an agent's documents is one request. An agent that has just attested learns of
    its entries after a reload of the server's cache and a sync of its own.
    """
    issuer = Issuer(servers=1, service_time_s=report.identities * SIGN_S, backoff=_backoff(report))
    if report.kind not in COLD:
        return issuer
    return issuer.model_copy(
        update={
            "datastore": Datastore(servers=1, service_time_s=ATTEST_S),
            "entry_reload_s": ENTRY_RELOAD_S,
            "agent_sync_s": SYNC_S,
        }
    )


def _backoff(report: StormReport) -> Backoff:
    b = SYNC_BACKOFF
    if report.backoff or not (often_s := knock_s(report)):
        return Backoff(base_s=b.base_s, factor=b.factor, cap_s=b.cap_s, jitter=b.jitter)
    return Backoff(base_s=often_s, factor=1.0, cap_s=often_s, jitter=0.0)


def _faults(report: StormReport, held_s: float) -> tuple[IssuerOutage | MassRestart, ...]:
    if report.kind in COLD:
        return (MassRestart(kind="mass-restart", start_s=held_s, share=1.0, over_s=AT_ONCE_S),)
    if report.kind is not Kind.SERVER_KILLED:
        return ()
    out_s = report.down_s + report.start_s
    return (IssuerOutage(kind="issuer-outage", start_s=held_s, duration_s=out_s),)
