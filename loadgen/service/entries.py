"""Registrations: who exists, what it may do, and whose token may ask for it."""

import secrets
from dataclasses import dataclass

from loadgen.service.faults import Refusal, unauthenticated
from loadgen.service.messages import Entry, Registration
from loadgen.service.policy import Policy

NODE_PREFIX = "midas-node-"
TASK_PATH = "/task/"


@dataclass(frozen=True, slots=True)
class Registered:
    """The terms of one identity."""

    identity: str
    workload: str
    max_ttl_s: float | None
    task_scope: bool
    scope: str
    """the scope of all tasks together"""
    task_scopes: dict[str, str]
    """task → scope"""


class Entries:
    """All registrations, in memory."""

    def __init__(self, trust_domain: str, policy: Policy) -> None:
        self._prefix = f"spiffe://{trust_domain}/"
        self._policy = policy
        self._by_identity: dict[str, Registered] = {}
        self._by_token: dict[str, frozenset[str]] = {}

    def register(self, registration: Registration) -> str:
        """Take a registration over and return the token that may ask for its identities.

        Raises Refusal 400 when a name is outside the trust domain; then nothing is registered.
        """
        for entry in registration.entries:
            self._check(entry)
        for entry in registration.entries:
            self._by_identity[entry.identity] = self._terms(entry, registration)
        self._policy.publish()
        token = NODE_PREFIX + secrets.token_urlsafe(24)
        self._by_token[token] = frozenset(entry.identity for entry in registration.entries)
        return token

    def _check(self, entry: Entry) -> None:
        if entry.identity.startswith("key://"):
            return
        if not entry.identity.startswith(self._prefix):
            raise Refusal(400, "bad-entry", f"{entry.identity}: outside {self._prefix}")
        if TASK_PATH in entry.identity:
            raise Refusal(400, "bad-entry", f"{entry.identity}: /task/ is added at issue")

    def _terms(self, entry: Entry, registration: Registration) -> Registered:
        tasks = {task: frozenset(opens) for task, opens in entry.permissions.items()}
        everything = frozenset[str]().union(*tasks.values())
        return Registered(
            identity=entry.identity,
            workload=entry.workload,
            max_ttl_s=registration.max_ttl_s,
            task_scope=registration.task_scope,
            scope=self._policy.scope(entry.workload, "", everything),
            task_scopes={
                task: self._policy.scope(entry.workload, task, opens)
                for task, opens in tasks.items()
            },
        )

    def find(self, identity: str) -> Registered | None:
        """Return the terms of an identity, None when it is not registered."""
        return self._by_identity.get(identity)

    def entitled(self, token: str, identity: str) -> Registered:
        """Return the terms of an identity that the bearer of ``token`` asks for.

        Raises Refusal: 401 for an unknown token, 403 for an identity outside its registration.
        """
        allowed = self._by_token.get(token)
        if allowed is None:
            raise unauthenticated("bad-node-token", "a registration token is needed to issue")
        if identity not in allowed:
            raise Refusal(403, "not-entitled", f"{identity}: not registered for this token")
        return self._by_identity[identity]


def split_task(spiffe_id: str) -> tuple[str, str]:
    """Return base identity and task (empty when there is none) of a document's SPIFFE ID."""
    base, found, task = spiffe_id.partition(TASK_PATH)
    return (base, task) if found else (spiffe_id, "")
