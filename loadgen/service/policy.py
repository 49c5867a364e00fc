"""Authorization: Cedar policies over what each registered workload and task may do.

A permission ``ticket:read`` is AuthZEN's resource type ``ticket`` with the action ``read``. The
principal is a *scope*: one task of a workload, or all of them together. An operator's own policies
are added to the built-in one and may forbid more, for instance ::

    forbid(principal, action == Action::"payment:write", resource)
    unless { principal.workload == "payments" };
"""

import msgspec
from cedarpy import Entities, PolicySet, is_authorized_batch

from scenarios.errors import InputError

BUILT_IN = """
@id("registered")
permit(principal is Scope, action, resource)
when { principal.grants.contains(action) };
"""


class Question(msgspec.Struct, frozen=True):
    """May ``scope`` do ``permission`` to the resource ``resource_id``?"""

    scope: str
    permission: str
    resource_id: str


class Policy:
    """The decision point: parsed once, asked for every request."""

    def __init__(self, operator_policies: str = "") -> None:
        """Raise InputError when the operator's policies cannot be parsed."""
        try:
            self._policies = PolicySet.from_str(BUILT_IN + operator_policies)
        except ValueError as exc:
            raise InputError(f"policies: {' '.join(str(exc).split())}") from exc
        self._scopes: dict[tuple[str, str, frozenset[str]], str] = {}
        self._entities = Entities.from_json_str("[]")

    def scope(self, workload: str, task: str, permissions: frozenset[str]) -> str:
        """Return the name of a scope, new or known; ``publish`` makes new ones effective.

        Args:
            workload: its name.
            task: name of the one task, empty for all of them.
            permissions: what the scope opens.
        """
        key = (workload, task, permissions)
        return self._scopes.setdefault(key, str(len(self._scopes)))

    def publish(self) -> None:
        """Parse the entities of all scopes once."""
        if len(self._scopes) == len(self._entities):
            return
        entities = [
            {
                "uid": {"type": "Scope", "id": name},
                "attrs": {
                    "workload": workload,
                    "task": task,
                    "grants": [
                        {"__entity": {"type": "Action", "id": permission}}
                        for permission in sorted(permissions)
                    ],
                },
                "parents": [],
            }
            for (workload, task, permissions), name in self._scopes.items()
        ]
        self._entities = Entities.from_json_str(msgspec.json.encode(entities).decode())

    def decide(self, questions: list[Question]) -> list[bool]:
        """Return the decisions in order; what Cedar cannot evaluate is denied."""
        requests: list[dict[str, object]] = [
            {
                "principal": {"type": "Scope", "id": question.scope},
                "action": {"type": "Action", "id": question.permission},
                "resource": {"type": "Resource", "id": question.resource_id},
            }
            for question in questions
        ]
        return [
            answer.allowed
            for answer in is_authorized_batch(requests, self._policies, self._entities)
        ]
