"""What detectors read of an identity under attack: the owner's accesses and the thief's uses.

Detectors are keyed by identity, so only the lines of identities under attack have to exist. Of the
owner's lines only some can change what a detector says, and only those are made:

* Superseded serial looks at the newest document seen; two origins at the first origin of each
  document. Between two uses of the thief a detector therefore learns from the owner's *first*
  access with each document and from no later one.
* Before the theft one access with the stolen document, if there was any, says all.
* New permission looks at single lines, and the owner stays within its task's permissions.

So the simulation wakes at the thief's uses and, where a use raised no alert, at the owner's first
access through the same slot after it: that access can be the second origin of the document. No
later access can, unless the thief acts again. Where a detector sees a share of the lines, *first*
means the first that it sees, and the simulation wakes at each detector's own. This is exact for
detectors of that kind, and a test holds it against waking at every access
(``World.every_access``).
"""

from collections.abc import Iterable
from operator import attrgetter

import msgspec

from scenarios.detection.audit import Alert, AuditEvent, Outcome
from scenarios.detection.detector import Detector
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.unknown import UnknownSerial
from scenarios.spec.lifetimes import trust_domain
from simulator.control.case import Case, Use, hidden, permissions_of
from simulator.control.owner import Access, Holders
from simulator.control.sight import PLACES, Seen, asked_for, thinned
from simulator.control.world import World
from simulator.population import CredentialView


class Feed:
    """The log of one identity, in order of time, as its detectors see it.

    Args:
        world: clock, laws and detectors.
        owner: the agent that stands for the identity.
    """

    def __init__(self, world: World, owner: int) -> None:
        self._world = world
        self._agent_class = world.layout.of(owner)
        self._node = node_address(world, owner)
        self.identity = identity_of(world, owner)
        watch = world.watch(owner)
        self._detectors, self._every_detector = watch.detectors, watch.every
        self._sees = {d.name: thinned(world, owner, PLACES[d.name]) for d in self._detectors}
        self._of_owner: dict[Seen | None, list[Detector]] = {}
        for detector in self._detectors:
            if isinstance(detector, (TwoOrigins, SupersededSerial)):
                self._of_owner.setdefault(self._sees[detector.name], []).append(detector)
        self.reads_owner = bool(self._of_owner)
        self._origins_matter = any(isinstance(d, TwoOrigins) for d in self._detectors)
        self._permissions_matter = any(isinstance(d, NewPermission) for d in self._detectors)
        self._delivery_s = world.rules(owner).delivery_s
        self._every = world.every_access
        if watch.new_origin is not None:
            addresses = (node_address(world, agent) for agent in world.layout.group(owner))
            watch.new_origin.know(self.identity, addresses)
        late_s = (asked_for(watch, PLACES[d.name]).delay_s for d in watch.every)
        self._soonest_s = self._delivery_s + min(late_s, default=0.0)
        self._fed_s: float | None = None
        if self.reads_owner:
            self.documents = world.documents(owner)
            self._owner = Holders(world, owner, self.documents)

    # -- the owner -------------------------------------------------------------------------------

    def open(self, stolen: CredentialView) -> None:
        """Begin at a theft: what the detectors know of the stolen document by now."""
        if not self.reads_owner or self._fed_s is not None:
            return
        now_s = self._world.now_s
        self.documents.update(self._world.population)
        since_s = 0.0 if self._every else max(0.0, stolen.issued_s)
        self._read_owner(since_s, now_s, stolen)
        self._caught_up(now_s)

    def owner_until(self, to_s: float) -> Alert | None:
        """Feed the owner's decisive accesses before ``to_s``; return the soonest alert."""
        if not self.reads_owner or self._fed_s is None:
            return None
        self.documents.update(self._world.population)
        found = self._read_owner(self._fed_s, to_s)
        self._caught_up(to_s)
        return found

    def _caught_up(self, to_s: float) -> None:
        self._fed_s = to_s
        self._owner.forget_before(to_s)

    def next_owner_uses(self, case: Case, to_s: float) -> list[float]:
        """Return when the owner next uses the slot, if that can raise an alert before ``to_s``.

        It can be the stolen document's second origin; beside one that a thief had signed it is the
        use of an older document. Each detector's is the first use that it sees.
        """
        return self.next_uses(case.slot, to_s) if self._origins_matter or case.signs else []

    def next_uses(self, slot: int, to_s: float) -> list[float]:
        """Return when the owner next uses a slot before ``to_s``, as each detector first sees it.

        Ascending; none where no detector reads what the owner does.
        """
        if self._fed_s is None:
            return []
        found = (self._owner.first(slot, self._fed_s, to_s, seen) for seen in self._of_owner)
        return sorted({at[0] for at in found if at is not None})

    def _read_owner(
        self, from_s: float, to_s: float, only: CredentialView | None = None
    ) -> Alert | None:
        """Show detectors the owner's accesses that they see and that can matter to them.

        Args:
            from_s: beginning.
            to_s: end.
            only: the document whose accesses alone are known to matter; all of them when None.
        """
        alerts = []
        for seen, detectors in self._of_owner.items():
            for access in self._decisive(from_s, to_s, seen):
                of = access.document
                if self._every or only is None or (of.slot, of.serial) == (only.slot, only.serial):
                    line = self.line(access)
                    alerts += [detector.update(line) for detector in detectors]
        return soonest(alerts)

    def _decisive(self, from_s: float, to_s: float, seen: Seen | None) -> Iterable[Access]:
        """Return the first access with each document; every access where that is wanted."""
        if self._every:
            every = self._owner.accesses(from_s, to_s)
            return (a for a in every if seen is None or seen(a.agent, a.line))
        return self._owner.first_accesses(from_s, to_s, seen)

    def line(self, access: Access, origin: str = "", permission: str = "") -> AuditEvent:
        """Return the audit line of an access by the owner, from its node with what its task needs.

        Args:
            access: when, for which task, with what.
            origin: another address than the node's.
            permission: another one than the task's first.
        """
        permission = permission or self._agent_class.workload.tasks[access.task].permissions[0]
        origin = origin or self._node
        return self._event(access.t_s, access.task, access.document, origin, permission, "ok")

    # -- the thief -------------------------------------------------------------------------------

    def decisive(self, case: Case, use: Use) -> bool:
        """Return whether a use can change what a detector says.

        Inside the workload the thief's lines differ from the owner's by their permissions only.
        """
        if self.reads_owner and not case.inside(use.t_s):
            return True
        return self._permissions_matter and out_of_need(self._world, case, use)

    def thief(
        self, case: Case, use: Use, document: CredentialView, outcome: Outcome
    ) -> Alert | None:
        """Feed one use of the thief; return the soonest alert that it raises."""
        line = self.thief_line(case, use, document, outcome)
        return self.read(line, case.entity, use.n)

    def thief_line(
        self, case: Case, use: Use, document: CredentialView, outcome: Outcome
    ) -> AuditEvent:
        """Return the audit line of one use of the thief."""
        at_home = case.inside(use.t_s) or hidden(self._world, case)
        origin = node_address(self._world, case.agent) if at_home else f"thief-{case.entity:x}"
        return self._event(use.t_s, case.task, document, origin, use.permission, outcome)

    def issued(self, access: Access) -> None:
        """Show the detectors the line that the issue of a document left in the issuer's log."""
        line = msgspec.structs.replace(self.line(access), operation="issue")
        for detector in self._detectors:
            detector.update(line)

    def read(
        self, line: AuditEvent, entity: int, number: int, *, forged: bool = False
    ) -> Alert | None:
        """Show one more line to those that see it; return the soonest alert that it raises.

        What the issuer did issue is in its log: only forged documents are looked up there.

        Args:
            line: a use.
            entity: who left it.
            number: of the line among those of the entity.
            forged: whether the document was never issued.
        """
        alerts = [
            detector.update(line)
            for detector in self._detectors
            if (forged or not isinstance(detector, UnknownSerial))
            and ((seen := self._sees[detector.name]) is None or seen(entity, number))
        ]
        return soonest(alerts)

    def soonest_s(self, t_s: float) -> float:
        """Return when a line that is left at ``t_s`` can lead to an alert at the earliest."""
        return t_s + self._soonest_s

    def forget(self) -> None:
        """Start anew, after the identity's credential was replaced."""
        for detector in self._every_detector:
            detector.forget(self.identity)

    # -- detectors -------------------------------------------------------------------------------

    def _event(
        self,
        t_s: float,
        task: int,
        document: CredentialView,
        origin: str,
        permission: str,
        outcome: Outcome,
    ) -> AuditEvent:
        workload = self._agent_class.workload
        named = self._world.regime.names_task
        return AuditEvent(
            occurred_s=t_s,
            observed_s=t_s + self._delivery_s,
            identity=self.identity,
            workload=workload.name,
            task=workload.tasks[task].name if named else "",
            serial=serial_text(self._agent_class.slots, document),
            issued_s=document.issued_s,
            origin=origin,
            operation="use",
            permission=permission,
            outcome=outcome,
        )


def soonest(alerts: Iterable[Alert | None]) -> Alert | None:
    """Return the alert that arrives first; of several at once the first of them."""
    return min((a for a in alerts if a is not None), key=attrgetter("alert_s"), default=None)


def out_of_need(world: World, case: Case, use: Use) -> bool:
    """Return whether the task that a line names, or else its workload, does not need a use."""
    if not use.foreign or world.regime.names_task:
        return use.foreign
    return use.permission not in _needed(world, case)


def any_out_of_need(world: World, case: Case) -> bool:
    """Return whether the thief may ask for anything that ``out_of_need`` would name."""
    if world.scenario.threats.abuse.canary_share > 0.0:
        return True
    if world.scenario.threats.abuse.foreign_permission_share == 0.0:
        return False
    _, foreign = permissions_of(world, case.agent, case.task)
    named = world.regime.names_task
    return bool(foreign) and (named or not set(foreign) <= _needed(world, case))


def _needed(world: World, case: Case) -> set[str]:
    return set(world.layout.of(case.owner).workload.needed)


def identity_of(world: World, owner: int) -> str:
    """Return what an audit line identifies: the shared secret or the workload."""
    agent_class = world.layout.of(owner)
    name, number = agent_class.workload.name, world.layout.number(owner)
    if world.regime.attribution == "secret":
        return f"key://{name}/{number // agent_class.shared_by}"
    return f"spiffe://{trust_domain(world.scenario, agent_class.workload)}/{name}/{number}"


def node_address(world: World, agent: int) -> str:
    """Return the source address of an agent's node; a node has one."""
    return f"{world.layout.of(agent).workload.name}-node-{world.layout.node(agent)}"


def serial_text(slots: int, document: CredentialView) -> str:
    """Return a document's serial as text, unique within its agent."""
    return f"{document.slot}.{document.serial}" if slots > 1 else str(document.serial)
