"""AuthZEN 1.0 questions and answers (§5), as far as a load asks them.

A permission ``ticket:read`` is the resource type ``ticket`` with the action ``read``.
"""

from typing import Any

import msgspec

_ALLOWED, _DENIED = b'{"decision":true}', b'{"decision":false}'

PATH = "/access/v1/evaluation"


def evaluation(subject: str, permission: str) -> bytes:
    """Return the question whether a subject may do something, as JSON."""
    kind, _, action = permission.partition(":")
    return (
        f'{{"subject":{{"type":"workload","id":"{subject}"}},"action":{{"name":"{action}"}},'
        f'"resource":{{"type":"{kind}","id":"any"}}}}'
    ).encode()


def decision(body: bytes) -> str:
    """Return ``ok`` or ``denied`` of an answer, ``protocol`` when it is none."""
    if body == _ALLOWED:
        return "ok"
    if body == _DENIED:
        return "denied"
    try:
        found: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "protocol"
    allowed = found.get("decision") if isinstance(found, dict) else None
    if not isinstance(allowed, bool):
        return "protocol"
    return "ok" if allowed else "denied"
