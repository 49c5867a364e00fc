"""One theft from the theft to its end: what the thief holds, does and loses (model.md §4, §5)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from math import exp, inf
from statistics import NormalDist
from typing import Final, NamedTuple

from scenarios.demand.streams import Stream
from scenarios.detection.canaries import TOUCH
from scenarios.spec.grants import scoped
from scenarios.spec.lifetimes import trust_domain
from scenarios.spec.regime import Binding, KeyStorage
from scenarios.spec.schema import Workload
from simulator.control.world import World
from simulator.layout import AgentClass
from simulator.population import CredentialView

_NORMAL: Final = NormalDist()
_BEFORE_START: Final = 1 << 40
"""first occurrence number of uses before t = 0"""


AGENT_KEY: Final = "agent-key"
"""persona of a thief who has the key of a node's agent"""


ISSUER_KEY: Final = "issuer-key"
"""persona of a thief who has the key with which the issuer signs"""


BUNDLE: Final = "poisoned-bundle"
"""persona of a thief whose own key stands in the bundle of a federated trust domain"""


class Use(NamedTuple):
    """The n-th time that a thief presents what he holds."""

    t_s: float
    permission: str
    foreign: bool
    """asks for what the task does not need whose credential was taken"""
    n: int
    """number of its draws"""


@dataclass(slots=True, eq=False)
class Case:
    """A theft in the making of its record.

    A leak is a copy of one document, and so is what lateral movement finds. A foothold is a life
    inside the workload: until it is evicted the thief holds whatever the workload holds, afterwards
    a copy of the last document. The key of a node's agent is a foothold that signs at will until it
    is banned, so that it leaves a document that was signed just before. The issuer's key is no copy
    and no place: it forges for anybody until the verifiers refuse it (``authority.py``); then its
    thief is evicted. A key of his own in a poisoned bundle is likewise (``bundles.py``).
    """

    entity: int
    """of the draws that concern this theft"""
    persona: str
    injected: bool
    agent: int
    """the robbed agent"""
    owner: int
    """the agent that stands for the stolen secret: ``agent``, or the first of its group"""
    slot: int
    task: int
    """whose work the document was for; the slot under ONE_TASK"""
    document: CredentialView | None
    """the copy; for a foothold what it found first, and from eviction on what it took along"""
    credential: str
    """serial of what was taken first, as text"""
    stolen_s: float
    eviction_s: float
    """when a foothold loses the workload; -inf for a leak"""
    first_use_s: float
    """when the thief means to present the credential for the first time"""
    usable: bool
    """False for a copy without what it is bound to: its node, or a key that did not leak"""
    proofs_until_s: float = inf
    """when the last proof ends that an evicted thief could make beforehand"""
    alert_s: float | None = None
    detector: str | None = None
    decided_s: float | None = None
    revoked_s: float | None = None
    depth: int = 0
    """steps of lateral movement that led here"""
    root: int = -1
    """entity of the theft that began it; its own where ``depth`` is 0"""
    domain: str = ""
    """of a forger: for whose identities he forges"""
    refused_from_s: tuple[float, ...] = ()
    """of a forger: when each of several ``verifiers`` begins to refuse him, once that is known"""
    denied: dict[tuple[int, int], float] = field(default_factory=dict)
    """(slot, serial) → when the verifiers began to refuse it"""

    @property
    def foothold(self) -> bool:
        """Whether the thief lives in the workload rather than owning a copy."""
        return self.persona in ("foothold", AGENT_KEY)

    @property
    def signs(self) -> bool:
        """Whether the thief has documents signed as he likes, as long as he is inside."""
        return self.persona == AGENT_KEY

    @property
    def forges(self) -> bool:
        """Whether the thief signs documents for any identity himself."""
        return self.persona in (ISSUER_KEY, BUNDLE)

    def inside(self, t_s: float) -> bool:
        """Return whether the thief lives in the workload at ``t_s``."""
        return t_s < self.eviction_s

    def has_access(self, world: World, t_s: float) -> bool:
        """Return whether what the thief holds, or where he lives, is of use to him at ``t_s``."""
        return self.inside(t_s) or self.copy_opens(world, t_s)

    def copy_opens(self, world: World, t_s: float) -> bool:
        """Return whether the copy gives access at ``t_s``."""
        believed = self.believed(world, t_s) and not world.refuses(self.owner, t_s)
        return believed and t_s < self.copy_access_ends_s(world)

    def believed(self, world: World, t_s: float) -> bool:
        """Return whether verifiers know by then who signed the copy; the thief's clock is right."""
        return t_s >= self.believed_from_s(world)

    def believed_from_s(self, world: World) -> float:
        """Return from when verifiers know who signed the copy."""
        if self.document is None:
            return -inf
        return world.lifetimes.grant(self.owner).trusted_from_s(self.document.issued_s)

    def copy_valid_until_s(self) -> float:
        """Return when the copy stops being accepted as a credential."""
        if self.document is None or not self.usable:
            return -inf
        return min(self.document.expires_s, self.denied_s(), self.proofs_until_s)

    def denied_s(self) -> float:
        """Return when the verifiers began to refuse the copy by name, inf if they did not."""
        if self.document is None:
            return inf
        return self.denied.get((self.document.slot, self.document.serial), inf)

    def copy_access_ends_s(self, world: World) -> float:
        """Return when access with the copy ends: later than the copy if a session outlives it."""
        valid_s = self.copy_valid_until_s()
        session = self.first_use_s < valid_s
        return valid_s + world.regime.session_overhang_s if session else valid_s

    # -- the thief's plan, drawn -----------------------------------------------------------------

    def uses(self, world: World) -> Iterator[Use]:
        """Yield the thief's uses from t = 0 on, without end: he goes on until he is refused.

        A Poisson process forgets, so the first of one who began before t = 0 is an ordinary gap.
        """
        if self.first_use_s >= 0.0:
            return self._uses_from(world, self.first_use_s, 0)
        mean_gap_s = 1.0 / world.scenario.threats.abuse.use_rate_hz
        return self._uses_from(
            world, world.exponential(mean_gap_s, self.entity, Stream.USE_GAP, 0), 1
        )

    def uses_before_start(self, world: World) -> Iterator[Use]:
        """Yield the uses of one who stole before t = 0, up to then."""
        found = self._uses_from(world, self.first_use_s, _BEFORE_START)
        return takewhile(lambda use: use.t_s < 0.0, found)

    def _uses_from(self, world: World, t_s: float, n: int) -> Iterator[Use]:
        mean_gap_s = 1.0 / world.scenario.threats.abuse.use_rate_hz
        own, foreign = permissions_of(world, self.agent, self.task)
        while True:
            yield Use(t_s, *self._asked_for(world, n, own, foreign), n)
            t_s += world.exponential(mean_gap_s, self.entity, Stream.USE_GAP, n)
            n += 1

    def _asked_for(
        self, world: World, n: int, own: tuple[str, ...], foreign: tuple[str, ...]
    ) -> tuple[str, bool]:
        share = world.scenario.threats.abuse.canary_share
        if share > 0.0 and world.uniform(self.entity, Stream.CANARY, n) < share:
            return TOUCH, True
        if not foreign and len(own) == 1:
            return own[0], False
        return asked_for(world, world.uniform(self.entity, Stream.USE_PERMISSION, n), own, foreign)


def hidden(world: World, case: Case) -> bool:
    """Return whether a thief's uses come from the owner's own address."""
    share = world.scenario.threats.abuse.known_address_share
    return share > 0.0 and world.uniform(case.entity, Stream.KNOWN_ADDRESS, 0) < share


def first_use_s(world: World, entity: int, stolen_s: float) -> float:
    """Return when a thief means to begin: after a lognormal delay."""
    abuse = world.scenario.threats.abuse
    z = _NORMAL.inv_cdf(min(world.uniform(entity, Stream.FIRST_USE, 0), 1.0 - 2.0**-53))
    return stolen_s + abuse.first_use_median_s * exp(abuse.first_use_sigma * z)


def asked_for(
    world: World, u: float, own: tuple[str, ...], foreign: tuple[str, ...]
) -> tuple[str, bool]:
    """Return which permission a use asks for, and whether it is one out of need.

    Args:
        world: gives the share of uses out of need.
        u: the draw that decides.
        own: what the robbed task needs.
        foreign: what it does not.
    """
    share = world.scenario.threats.abuse.foreign_permission_share if foreign else 0.0
    if u < share:
        return foreign[min(int(u / share * len(foreign)), len(foreign) - 1)], True
    place = (u - share) / (1.0 - share)
    return own[min(int(place * len(own)), len(own) - 1)], False


def permissions_of(world: World, agent: int, task: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a task's permissions, and all others that anybody in the scenario may use."""
    own = world.layout.of(agent).workload.tasks[task].permissions
    return own, tuple(p for p in everybodys(world) if p not in own)


def signed_for(world: World, domain: str) -> frozenset[str]:
    """Return every permission of those whose documents a key of a trust domain may sign."""
    scenario = world.scenario
    members = [w for w in scenario.workloads if trust_domain(scenario, w) == domain]
    return frozenset(p for w in members for p in whole(world, w))


def everybodys(world: World) -> tuple[str, ...]:
    """Return every permission that a role of the scenario may use, each once."""
    needed = (p for workload in world.scenario.workloads for p in workload.needed)
    granted = (p for workload in world.scenario.workloads for p in workload.held)
    return tuple(dict.fromkeys((*needed, *granted)))


def whole(world: World, workload: Workload) -> tuple[str, ...]:
    """Return what all documents of a class open together.

    Where somebody else than the holder decides by the task, what no task needs has no document that
    would open it. Elsewhere it is whatever the role was granted.
    """
    return workload.needed if scoped(world.regime) else workload.held


def opened(world: World, case: Case, *, narrowed: bool = False) -> frozenset[str]:
    """Return the permissions that the stolen credential opens.

    A document for one task opens that task's permissions if somebody else than its holder enforces
    it, and a thief inside the workload, who is served every task's document in turn, has the union
    over the tasks of the class. Otherwise it is what the role was granted, needed or not. The
    issuer's key opens what anybody has.
    ``narrowed`` by policy, it is what the robbed task needs.
    """
    if case.forges:
        return signed_for(world, case.domain)
    agent_class: AgentClass = world.layout.of(case.agent)
    if narrowed or (scoped(world.regime) and not case.foothold):
        return frozenset(agent_class.workload.tasks[case.task].permissions)
    return frozenset(whole(world, agent_class.workload))


def granted(world: World, case: Case, use: Use, wide: frozenset[str] | None = None) -> bool:
    """Return whether a verifier grants a use, the credential being valid; now or in the past.

    Args:
        world: laws, and when the policy was tight.
        case: the theft.
        use: by the thief.
        wide: what ``opened`` says without a policy, where that is known already.
    """
    guard = world.guard(case.owner)
    if not guard.in_force:
        return use.permission in (opened(world, case) if wide is None else wide)
    if use.permission not in opened(world, case, narrowed=guard.narrows(use.t_s)):
        return False
    stopped = guard.law.step_up_refuses
    return not (
        guard.steps_up(use.t_s, use.permission)
        and world.uniform(case.entity, Stream.STEP_UP, use.n) < stopped
    )


def usable_elsewhere(world: World, entity: int) -> bool:
    """Return whether a copy is of use away from its node.

    A node-bound one never is. Of a key-bound one the thief needs the key, too: a leaked log holds
    documents only, a file is of use if the key lies in one, and memory holds every key but those in
    hardware.

    Args:
        world: laws and draws.
        entity: of the theft, whose draw decides how it got out.
    """
    regime, leak = world.regime, world.scenario.threats.leak
    if regime.binding is not Binding.KEY:
        return regime.binding is Binding.BEARER
    u = world.uniform(entity, Stream.LEAK_CHANNEL, 0)
    if u < leak.log_share:
        return False
    if u < leak.log_share + leak.file_share:
        return regime.key_storage is KeyStorage.FILE
    return regime.key_storage is not KeyStorage.HARDWARE


def left_after_eviction_s(world: World, case: Case) -> float:
    """Return for how long a foothold's last document is of use to him after he was evicted.

    No longer than the document; nothing where it is bound to the node. A key in hardware stays
    behind, and the proofs that he made with it end after ``presign_s``. Who had documents signed
    for keys of his own keeps those.
    """
    regime = world.regime
    if regime.binding is Binding.NODE:
        return 0.0
    stays = regime.binding is Binding.KEY and regime.key_storage is KeyStorage.HARDWARE
    return regime.presign_s if stays and not case.signs else inf
