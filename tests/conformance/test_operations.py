"""What every target does when asked: issue, authorize, revoke; steal and use from elsewhere."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.targets.port import Capability, Op, Target
from scenarios.detection.audit import AuditEvent
from scenarios.errors import TargetRefused
from tests.conformance.client import Client
from tests.conformance.subjects import (
    FOREIGN,
    PERMISSIONS,
    TASKS,
    TTL_S,
    Subject,
    identities,
    issue_ops,
)

THIEF = "127.0.0.77"
SHORT_TTL_S = 2.0


def provisioned(
    target: Target, op: Op, *, ttl_s: float | None = TTL_S, task_scope: bool = False
) -> Client:
    target.provision(identities(op), ttl_s, task_scope)
    return Client(target)


def ops(target: Target) -> list[Op]:
    """Every way to come by a credential; where a target issues none, agents only authorize."""
    return issue_ops(target) or [Op.AUTHORIZE]


def decides(target: Target) -> bool:
    """Whether uses reach the target at all; where they do not, a relying party judges thieves."""
    return Capability.AUTHORIZE in target.capabilities


def hold(client: Client, op: Op, agent: int = 0, task: int = 0) -> None:
    if op is not Op.AUTHORIZE:
        assert client.do(op, agent, task) == "ok"


def test_issues_and_authorizes_for_every_agent(target: Target) -> None:
    for op in ops(target):
        with provisioned(target, op) as client:
            for agent in range(4):
                hold(client, op, agent)
            for _ in range(2 if decides(target) else 0):
                assert [client.do(Op.AUTHORIZE, a, t) for a in range(4) for t in (0, 1)] == [
                    "ok"
                ] * 8


def test_an_agent_without_a_credential_is_refused_where_credentials_are_issued(
    target: Target,
) -> None:
    for op in issue_ops(target):
        with provisioned(target, op) as client:
            assert client.wire.steal(0, 0) is None
            if decides(target):
                assert client.do(Op.AUTHORIZE) not in ("ok", "denied", "protocol")


def test_granted_lifetime_is_at_most_what_was_asked(target: Target) -> None:
    for op in issue_ops(target):
        with provisioned(target, op) as client:
            hold(client, op)
            stolen = client.steal()
            assert stolen.expires_s is not None
            assert stolen.issued_s < client.now_s
            assert TTL_S - 1.1 < stolen.expires_s - stolen.issued_s <= TTL_S + 0.1


def test_every_document_has_a_serial_of_its_own(target: Target) -> None:
    for op in issue_ops(target):
        with provisioned(target, op) as client:
            serials = set()
            for _ in range(5):
                hold(client, op)
                serials.add(client.steal().serial)
            assert len(serials) == 5


def test_where_nothing_is_issued_nothing_can_be_stolen(target: Target) -> None:
    if not issue_ops(target):
        with provisioned(target, Op.AUTHORIZE) as client:
            assert client.do(Op.AUTHORIZE) == "ok"
            assert client.wire.steal(0, 0) is None


def test_who_shares_a_key_holds_the_same_one(target: Target) -> None:
    if Op.ISSUE_KEY not in issue_ops(target):
        return
    with provisioned(target, Op.ISSUE_KEY, ttl_s=None) as client:
        for agent in range(4):
            hold(client, Op.ISSUE_KEY, agent)
        serials = [client.steal(agent).serial for agent in range(4)]
        assert serials[0] == serials[1] != serials[2] == serials[3]


def test_a_stolen_document_works_from_another_address_and_opens_what_its_owner_may(
    target: Target,
) -> None:
    for op in issue_ops(target):
        with provisioned(target, op) as client:
            hold(client, op)
            stolen = client.steal()
            for permission in (p for opens in PERMISSIONS.values() for p in opens):
                assert target.use(stolen, permission, THIEF) == "ok"
            assert target.use(stolen, FOREIGN, THIEF) not in ("ok", "protocol")


def test_a_document_for_one_task_opens_only_that_task(target: Target) -> None:
    scoped = Capability.TASK_SCOPE in target.capabilities
    for op in set(issue_ops(target)) - {Op.ISSUE_KEY}:
        if not scoped:
            continue
        with provisioned(target, op, task_scope=True) as client:
            for task in (0, 1):
                hold(client, op, 0, task)
                if decides(target):
                    assert client.do(Op.AUTHORIZE, 0, task) == "ok"
            stolen = client.steal(0, 1)
            assert stolen.task == TASKS[1]
            assert target.use(stolen, PERMISSIONS["night"][0], THIEF) == "ok"
            assert target.use(stolen, PERMISSIONS["routine"][0], THIEF) == "denied"


def test_an_expired_document_is_refused(target: Target) -> None:
    held = []
    for op in issue_ops(target):
        client = provisioned(target, op, ttl_s=SHORT_TTL_S)
        hold(client, op)
        stolen = client.steal()
        assert target.use(stolen, "ticket:read", THIEF) == "ok"
        assert stolen.expires_s is not None
        held.append((client, stolen, client.zero_s + stolen.expires_s))
    for client, stolen, expires_monotonic_s in held:
        time.sleep(max(0.0, expires_monotonic_s + 1.1 - time.monotonic()))
        with client:
            assert target.use(stolen, "ticket:read", THIEF) not in ("ok", "denied", "protocol")
            if decides(target):
                assert client.do(Op.AUTHORIZE) not in ("ok", "denied", "protocol")


def test_a_revoked_document_is_refused_and_a_new_one_is_not(target: Target) -> None:
    revocable = []
    if not issue_ops(target):
        with pytest.raises(TargetRefused):
            target.revoke(identities(Op.AUTHORIZE)[0].name, "")
    for op in issue_ops(target):
        with provisioned(target, op) as client:
            hold(client, op)
            stolen = client.steal()
            try:
                target.revoke(identities(op)[0].name, stolen.serial)
            except TargetRefused:
                continue
            revocable.append(op)
            assert target.use(stolen, "ticket:read", THIEF) not in ("ok", "denied", "protocol")
            hold(client, op)
            assert client.steal().serial != stolen.serial
            assert client.do(Op.AUTHORIZE) == "ok"
    assert bool(revocable) == (Capability.REVOKE in target.capabilities)


def events(target: Target, client: Client, act: Callable[[], None]) -> list[AuditEvent]:
    """Return what the audit stream tells from before ``act`` to the last event of it.

    That is the thief's use, or the issue where uses never reach the target.
    """
    found: list[AuditEvent] = []
    mark_s = client.now_s
    seen = decides(target)

    def follow() -> None:
        for event in target.audit_stream(client.zero_s):
            if event.occurred_s >= mark_s:
                found.append(event)
                if event.origin == THIEF or not seen:
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    act()
    thread.join(5)
    return found


def test_the_audit_stream_tells_what_its_fields_promise(target: Target) -> None:
    if Capability.AUDIT not in target.capabilities:
        assert target.audit_fields == frozenset()
        return
    for op in issue_ops(target):
        with provisioned(target, op) as client:

            def act(client: Client = client, op: Op = op) -> None:
                hold(client, op)
                if decides(target):
                    client.do(Op.AUTHORIZE)
                    target.use(client.steal(), "ticket:read", THIEF)

            found = events(target, client, act)
            stolen = client.steal()
            owner = identities(op)[0]
            if not decides(target):
                (issued,) = found
                assert issued.operation == "issue"
                assert (issued.identity, issued.workload) == (owner.name, owner.workload)
                assert 0.0 <= issued.observed_s - issued.occurred_s < 1.0
                continue
            uses = [event for event in found if event.operation == "use"]
            theft = next(event for event in uses if event.origin == THIEF)
            expected = {
                "identity": owner.name,
                "workload": owner.workload,
                "origin": THIEF,
                "permission": "ticket:read",
                "outcome": "ok",
            }
            for field, value in expected.items():
                if field in target.audit_fields:
                    assert getattr(theft, field) == value, field
            if "serial" in target.audit_fields:
                assert theft.serial, "one name for one document, whoever uses it"
                assert {event.serial for event in uses} == {theft.serial}
            if "issued_s" in target.audit_fields:
                assert theft.issued_s == pytest.approx(stolen.issued_s, abs=0.5)
            assert theft.observed_s >= theft.occurred_s
            assert theft.observed_s - theft.occurred_s < 1.0


def test_the_audit_stream_tells_a_refused_use_too(target: Target) -> None:
    for op in issue_ops(target):
        if not {"outcome", "permission"} <= target.audit_fields:
            continue
        with provisioned(target, op) as client:

            def act(client: Client = client, op: Op = op) -> None:
                hold(client, op)
                client.do(Op.AUTHORIZE)
                target.use(client.steal(), FOREIGN, THIEF)

            owner, *_, theft = (e for e in events(target, client, act) if e.operation == "use")
            assert (theft.outcome, theft.permission) == ("denied", FOREIGN)
            assert (theft.identity, theft.serial) == (owner.identity, owner.serial)


def test_the_audit_line_is_on_disk_before_the_answer(
    target: Target, subject: Subject, workdir: Path
) -> None:
    if subject.lines_on_disk is None:
        assert Capability.AUDIT not in target.capabilities
        return
    op = ops(target)[0]
    with provisioned(target, op) as client:
        hold(client, op)
        before = subject.lines_on_disk(workdir)
        for n in range(1, 51):
            assert client.do(Op.AUTHORIZE if decides(target) else op) == "ok"
            assert subject.lines_on_disk(workdir) >= before + n


def test_names_what_is_measured(target: Target) -> None:
    version = target.version()
    assert version["name"] == target.name
    assert all(isinstance(value, str) and value for value in version.values())
