"""A scenario: what is asked of the simulator and of the load driver alike.

The human form is TOML; ``resolve.py`` turns it into this resolved form, every default filled in and
every number from the world traced to ``sources.toml``. All times are seconds, all rates per second
unless the name says otherwise.
"""

from typing import Annotated, Literal

from pydantic import Field

from scenarios.spec.authority import ClockSkew, Federation, PoisonedBundle, TrustDomain
from scenarios.spec.defence import Benign as Benign
from scenarios.spec.defence import BundleRepair as BundleRepair
from scenarios.spec.defence import Detection as Detection
from scenarios.spec.defence import NewIssuer as NewIssuer
from scenarios.spec.defence import OwnDetectors as OwnDetectors
from scenarios.spec.defence import Policy as Policy
from scenarios.spec.defence import Response as Response
from scenarios.spec.fault_kinds import Fault
from scenarios.spec.issuer import Backoff as Backoff
from scenarios.spec.issuer import Datastore as Datastore
from scenarios.spec.issuer import Issuer as Issuer
from scenarios.spec.issuer import Quota as Quota
from scenarios.spec.issuer import RateLimit as RateLimit
from scenarios.spec.regime import Keyword, Name, PositiveSeconds, Regime, Seconds, Share, Strict
from scenarios.spec.rules import SECONDS_PER_DAY

PERMISSION_PATTERN = r"^[a-z0-9][a-z0-9-]*:[a-z0-9][a-z0-9-]*$"
Permission = Annotated[str, Field(pattern=PERMISSION_PATTERN)]
HOURS = 24
Hour = Annotated[int, Field(ge=0, le=HOURS)]


class Sensitivity(Keyword):
    """What a permission of the task touches; weighs the blast radius."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Task(Strict):
    """One kind of work, with the permissions that it needs (model.md §1)."""

    name: Name
    rate_hz: Annotated[float, Field(ge=0, le=1000)]
    """starts per second and agent while the task is active; starts are a Poisson process"""
    duration_s: Seconds = 0.0
    """an agent uses its credential at a task's start and once more at its end"""
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)]
    sensitivity: Sensitivity = Sensitivity.LOW
    active_hours: tuple[tuple[Hour, Hour], ...] = ((0, 24),)
    """half-open ranges of the hour of day; one that ends before it starts spans midnight"""


class Workload(Strict):
    """A class of agents alike in tasks and placement."""

    name: Name
    count: Annotated[int, Field(ge=1, le=100_000_000)]
    agents_per_node: Annotated[int, Field(ge=1, le=100_000)] = 10
    ttl_s: PositiveSeconds | None = None
    """life of this class's documents, instead of the regime's, where that one ends at all"""
    clock_skew: ClockSkew = ClockSkew()
    granted: Annotated[tuple[Permission, ...], Field(max_length=10_000)] | None = None
    """what its role may do, needed or not: a credential for all tasks opens all of it; what the
    tasks need when absent"""
    tasks: Annotated[tuple[Task, ...], Field(min_length=1, max_length=16)]
    leaves_per_agent_year: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """rate at which an agent is decommissioned and another like it takes its place"""
    restarts_per_agent_day: Annotated[float, Field(ge=0, le=1e4)] = 0.0
    """restarts of single agents, a Poisson process; each loses what the agent holds"""
    diurnal: Annotated[tuple[Share, ...], Field(max_length=HOURS)] = ()
    """share of its tasks' rates at which the class starts tasks, by hour of day; 1 when empty"""

    @property
    def needed(self) -> tuple[Permission, ...]:
        """Every permission that one of its tasks needs, each once."""
        return tuple(dict.fromkeys(p for task in self.tasks for p in task.permissions))

    @property
    def held(self) -> tuple[Permission, ...]:
        """Every permission that its role may use, each once: those needed come first."""
        return tuple(dict.fromkeys((*self.needed, *(self.granted or ()))))

    @property
    def restart_hz(self) -> float:
        """Restarts per second and agent."""
        return self.restarts_per_agent_day / SECONDS_PER_DAY


class Start(Strict):
    """The state of the fleet at t = 0."""

    ages: Literal["stationary", "synchronised", "cold"] = "stationary"
    """credential ages from their stationary law; everything issued at t = 0; or nothing that the
    issuer gives out in anybody's hands yet"""
    hour_of_day: Annotated[float, Field(ge=0, lt=24)] = 0.0


class Leak(Strict):
    """The secret is copied out (model.md §4): hazard per unique secret, all copies included."""

    rate_per_secret_year: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    log_share: Share = 0.0
    """of leaks in which the document alone gets out: a log, a trace, a proxy on its way"""
    file_share: Share = 0.0
    """of leaks through files (repository, image, backup, volume); the others are of memory"""
    cluster_mean: Annotated[float, Field(ge=1, le=1e6)] = 1.0
    """secrets that one leak takes, on average: their number is geometric; 1 is one at a time"""
    cluster_among: Literal["class", "node"] = "class"
    """whose secrets leak together: those of a workload class, or of its agents on one node"""


class Foothold(Strict):
    """The attacker lives in a workload and takes every renewal until evicted."""

    rate_per_agent_year: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    eviction_mean_s: PositiveSeconds = 864_000.0


class NodeAgent(Strict):
    """The key of a node's agent is stolen: it signs for the node's workloads until it is banned."""

    rate_per_node_year: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    ban_mean_s: PositiveSeconds = 864_000.0


class IssuerKey(Strict):
    """The key that signs everybody's documents is stolen: it forges for any identity at will."""

    rate_per_year: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """hazard of the one issuer that all agents share"""
    forgery: Literal["new-serial", "copied-serial"] = "new-serial"
    """a serial that the issuer never issued, or that of the document that the agent holds"""
    trust_domain: TrustDomain | None = None
    """whose issuer is robbed: a federated domain's, or our own when absent"""


class Abuse(Strict):
    """What a thief does with what he took."""

    first_use_median_s: PositiveSeconds = 100.0
    first_use_sigma: Annotated[float, Field(ge=0, le=5)] = 0.7
    use_rate_hz: Annotated[float, Field(gt=0, le=1000)] = 0.0033
    foreign_permission_share: Share = 0.2
    """share of uses that try a permission outside the task whose credential was taken"""
    canary_share: Share = 0.0
    """share of uses that touch a canary, a permission that nobody needs; taken before the others"""
    known_address_share: Share = 0.0
    """share of thieves whose uses come from the owner's own address: behind the same translation,
    gateway or proxy; no detector of addresses sees them"""


class Lateral(Strict):
    """From one stolen credential to the next: what its permissions reach (model.md §4)."""

    max_depth: Annotated[int, Field(ge=0, le=10)] = 0
    """steps away from the first theft; 0 is none at all"""
    success: Share = 0.1
    """probability that a permission held leads to the credential of another agent that has it"""
    breakout_mean_s: PositiveSeconds = 1740.0
    """mean of the lognormal time from the first use of a credential to the step beyond it"""
    breakout_sigma: Annotated[float, Field(ge=0, le=5)] = 1.1


class Threats(Strict):
    """Thieves: natural ones by hazard, and injected ones for conditional questions."""

    leak: Leak = Leak()
    foothold: Foothold = Foothold()
    abuse: Abuse = Abuse()
    node_agent: NodeAgent = NodeAgent()
    issuer: IssuerKey = IssuerKey()
    bundle: PoisonedBundle = PoisonedBundle()
    lateral: Lateral = Lateral()
    injected_thefts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """leaks at uniform instants of the run, of uniformly chosen agents, in each replication; they
    answer "what happens after a theft" and never count towards incident frequencies"""
    injected_footholds: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    injected_agent_keys: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    injected_issuer_compromises: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    injected_bundle_poisonings: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class Tenant(Strict):
    """A customer of the one issuer: classes of its own, and what its people do differently.

    What is absent is as the scenario says for everybody. Lifetimes of its own its classes have.
    """

    name: Name
    workloads: Annotated[tuple[Name, ...], Field(min_length=1)]
    """each class belongs to one tenant"""
    leak_rate_per_secret_year: Annotated[float, Field(ge=0, le=1e6)] | None = None
    foothold_rate_per_agent_year: Annotated[float, Field(ge=0, le=1e6)] | None = None
    coverage: Share | None = None
    delivery_s: Seconds | None = None
    external_notice_mean_s: PositiveSeconds | None = None
    analysts: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """analysts of its own; when absent its alerts queue with everybody's"""
    triage_mean_s: Seconds | None = None
    automatic: bool | None = None
    detection: OwnDetectors = OwnDetectors()
    policy: Policy | None = None
    """its fleet's own, upon its own alerts; without it both are part of everybody's"""
    quota: Quota | None = None
    """of requests to the issuer, all agents of the tenant together, in place of a rate limit by
    address"""


class Engine(Strict):
    """How the simulator computes what it computes."""

    switches: Literal["auto", "exact", "poisson"] = "auto"
    """each task switch drawn at its instant, or switches that touch nothing shared counted in bulk,
    equal in law; ``simulator.forecast.switch_path`` says which when it is left to us"""


class Override(Strict):
    """What a measured window changes, because 20 s of a one-hour lifetime renew nothing."""

    ttl_s: PositiveSeconds | None = None


class Drive(Strict):
    """How the load driver runs the window of this scenario."""

    rate_hz: Annotated[float, Field(gt=0, le=1e6)] = 100.0
    seconds: Annotated[float, Field(gt=0, le=86_400)] = 20.0
    regime: Name | None = None
    """which of ``regimes`` to drive when the command line names none; the first when absent"""
    override: Override = Override()


class Scenario(Strict):
    """The resolved form. Two equal scenarios with equal seeds give equal records."""

    schema_version: Literal[1] = 1
    name: Name
    title: str
    question: str
    expected: str
    source: str
    horizon_s: Annotated[float, Field(gt=0, le=3.2e8)]
    trust_domain: TrustDomain = "example.org"
    regimes: Annotated[tuple[Regime, ...], Field(min_length=1)]
    workloads: Annotated[tuple[Workload, ...], Field(min_length=1)]
    start: Start = Start()
    issuer: Issuer = Issuer()
    federation: tuple[Federation, ...] = ()
    threats: Threats = Threats()
    detection: Detection = Detection()
    response: Response = Response()
    policy: Policy = Policy()
    benign: Benign = Benign()
    faults: tuple[Fault, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    """customers that share the issuer, each class with one of them; none: one owner of all"""
    drive: Drive = Drive()
    engine: Engine = Engine()
    series_interval_s: PositiveSeconds = 60.0
    """resolution of the recorded time series"""
    probes: Annotated[int, Field(ge=0, le=1_000_000)] = 500
    """instants at which a random agent's credential is read, in each replication"""

    @property
    def agents(self) -> int:
        """Number of agents over all workload classes."""
        return sum(workload.count for workload in self.workloads)
