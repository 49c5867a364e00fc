"""What the parent and the swarm say to each other: a plan in a folder, JSON lines on a pipe.

The parent writes ``swarm.json`` (``SwarmPlan``) into a folder RUNDIR, starts
``python -m loadgen.swarm RUNDIR`` and follows the lines, as with the load generator::

    swarm  → stdout   {"ready": …}       keys, requests and contexts are made
    parent → stdin    {"start": …}       run clock zero
    swarm  → stdout   {"progress": …}    once a second
    parent → stdin    {"steal": …}       copy an agent's key and document
    swarm  → stdout   {"stolen": …}
    parent → stdin    {"restart": true}  every agent loses its connection and its SVIDs at once
    parent → stdin    {"stop": true}     write what there is and end
    swarm  → stdout   {"done": …}        also in ``result.json``
    swarm  → stdout   {"error": …}       one line, before exit code 1 or 2

Results: ``operations-0.msgpack``, a list of ``OperationRow`` in the histograms of the load
generator. Ops: ``connect`` (TCP and TLS), ``attest``, ``sync``, ``bundle``, ``renew-x509`` (one a
call, however many identities it carries), ``renew-agent``; and ``lag``, how late the swarm itself
was. Latency counts from the instant at which the agent meant to begin; back-off is not part of it.
When stdin closes without ``stop`` the swarm ends within a second.
"""

from typing import Literal

import msgspec

from loadgen.lines import Fault, Result, Start

PLAN_FILE = "swarm.json"
RESULT_FILE = "result.json"
ROWS_FILE = "operations-0.msgpack"

CONNECT_OP, ATTEST_OP, SYNC_OP, BUNDLE_OP = "connect", "attest", "sync", "bundle"
RENEW_OP, RENEW_AGENT_OP, LAG_OP = "renew-x509", "renew-agent", "lag"


class Backoff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of ``rules.backoff_delay``."""

    base_s: float
    factor: float
    cap_s: float
    jitter: float


class SwarmPlan(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything that the swarm must know."""

    port: int
    """of the server on 127.0.0.1"""
    trust_domain: str
    authorities: list[str]
    """trust bundle: DER certificates in base64"""
    attestor: Literal["join_token", "x509pop"]
    join_tokens: list[str] = []
    """one for each agent"""
    node_certificates: list[str] = []
    """x509pop: DER in base64, one for each agent"""
    node_keys: list[str] = []
    """x509pop: PEM, one for each agent"""
    agents: int
    seed: int = 1
    seconds: float
    """of the run, from the start; agents may need a part of it to attest"""
    settle_s: float = 0.0
    """the first part, reported as batch −1"""
    batches: int = 5
    spread_s: float = 5.0
    """agents start evenly over this long; 0: all at once"""
    sync_s: float
    sync_jitter: float
    fraction: float
    renew_jitter: float
    """of ``rules.due_at_poll``"""
    backdate_s: float
    """how long before the issue an SVID's life begins"""
    stationary: bool = False
    """treat each agent's first documents as if they were already a part of a renewal interval
    old, uniformly drawn: so a short run renews at the rate of a long one"""
    sync_backoff: Backoff | None
    """None: try again at once"""
    svid_backoff: Backoff | None
    batch_size: int = 500
    """identities a signing request carries at most"""
    timeout_s: float = 30.0
    lag_bound_s: float = 0.1
    """p99 of ``lag`` above which the run is not valid"""
    point: str = "0"
    regime: str = ""
    replication: int = 0


class Steal(msgspec.Struct, frozen=True):
    """Ask for a copy of an agent's key and document."""

    agent: int
    id: str


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line on the swarm's stdin."""

    start: Start | None = None
    steal: Steal | None = None
    restart: bool = False
    stop: bool = False


class Ready(msgspec.Struct, frozen=True):
    """Everything is prepared."""

    agents: int
    prepared_s: float
    kb_per_agent_idle: float
    """memory that the prepared agents take, before their connections"""


class Progress(msgspec.Struct, frozen=True):
    """The swarm at one instant; counts are totals since the start."""

    t_s: float
    attested: int
    """agents that hold an SVID of their own that is valid now"""
    connected: int
    synced: int
    """agents whose last sync was answered"""
    identities: int
    """workload identities that are valid now"""
    expired: int
    """workload identities that have been issued and are expired now"""
    calls: dict[str, int]
    """op → calls sent"""
    ok: dict[str, int]
    errors: dict[str, int]
    """``op:code`` → count"""
    signed: int
    """workload SVIDs received"""
    lag_p99_s: float | None
    cpu_s: float
    rss_bytes: int


class Stolen(msgspec.Struct, frozen=True):
    """An agent's key and document; None when it holds none."""

    id: str
    t_s: float
    pem: str
    spiffe_id: str
    serial: str
    expires_at: int


class SwarmResult(Result, kw_only=True, frozen=True):
    """What the run was, beside the histograms."""

    agents: int
    steady_cpu_s: float
    """user + system, between the settling time and the end"""
    steady_s: float
    cpu_us_per_agent_s: float | None
    kb_per_agent: float | None
    """growth of the resident set from the empty process, prepared keys included"""
    expired_identity_s: float
    """identity-seconds in which an issued workload SVID was expired"""
    calls: dict[str, int]
    ok: dict[str, int]
    signed: int


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line on the swarm's stdout: exactly one field is set."""

    ready: Ready | None = None
    progress: Progress | None = None
    stolen: Stolen | None = None
    done: SwarmResult | None = None
    error: Fault | None = None
