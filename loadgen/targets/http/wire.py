"""What the generator says to a described service."""

import base64
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from loadgen.targets.agents import Agents, Turns
from loadgen.targets.http.description import (
    Authorize,
    Description,
    Issue,
    Request,
    Variable,
    read_description,
)
from loadgen.targets.http.template import Template, pointer
from loadgen.targets.port import Op, Stolen, Wire

KEY_POOL = 256


class Config(msgspec.Struct, frozen=True):
    """What ``Target.wire_plan`` sends."""

    file: str
    """the description; read again in the generator's process"""
    host: str
    prefix: str
    token: str
    ttl_s: float | None
    task_scope: bool
    agents: Agents


class Held(msgspec.Struct, frozen=True):
    """A credential that an agent holds."""

    document: str
    serial: str
    issued_s: float
    expires_s: float | None


class HttpWire:
    """Bytes for a described service; see ``port.Wire``."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._description: Description = read_description(Path(config.file))
        present = self._description.operations.present()
        self._requests: dict[str, Request] = present
        self._templates = {
            name: Template(request, config.host, config.prefix) for name, request in present.items()
        }
        self._turns = Turns(config.agents)
        self._held: dict[tuple[str, int], Held] = {}
        self._csrs: list[dict[str, str]] = [{Variable.CSR_PEM: "", Variable.CSR_DER: ""}]
        self._issues = 0

    def prepare(self) -> None:
        """Build the pool of CSRs, if the description asks for them."""
        if Op.ISSUE_X509 not in self._requests:
            return
        self._csrs.clear()
        for _ in range(KEY_POOL):
            key = ec.generate_private_key(ec.SECP256R1())
            builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
            request = builder.sign(key, hashes.SHA256())
            der = base64.b64encode(request.public_bytes(Encoding.DER)).decode()
            pem = request.public_bytes(Encoding.PEM).decode()
            self._csrs.append({Variable.CSR_PEM: pem, Variable.CSR_DER: der})

    def _slot(self, agent: int, task: int) -> tuple[str, int]:
        return self._config.agents.names[agent], task if self._config.task_scope else 0

    def _values(self, agent: int, task: int) -> dict[str, str]:
        """Return the values that every request of an agent may use."""
        table = self._config.agents
        return {
            Variable.IDENTITY: table.names[agent],
            Variable.WORKLOAD: table.workloads[table.kinds[agent]],
            Variable.AGENT: str(agent),
            Variable.TASK: table.tasks(agent)[task][0] if self._config.task_scope else "",
            Variable.TOKEN: self._config.token,
        }

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:  # noqa: ARG002
        """Return one whole HTTP/1.1 request. Raises ValueError for an undescribed operation."""
        template = self._templates.get(op)
        if template is None:
            raise ValueError(f"{op}: not described")
        values = self._values(agent, task)
        if op is Op.AUTHORIZE:
            held = self._held.get(self._slot(agent, task))
            values |= use_values(self._turns.next(agent, task).permission, held)
        else:
            self._issues += 1
            values[Variable.TTL_S] = "" if self._config.ttl_s is None else f"{self._config.ttl_s:g}"
            values[Variable.AUDIENCE] = self._description.audience
            values |= self._csrs[self._issues % len(self._csrs)]
        return template.bytes(values)

    def response(
        self, op: Op, agent: int, task: int, status: int, body: bytes, now_s: float
    ) -> str:
        """Take the answer into account and return its code."""
        request = self._requests[op]
        if isinstance(request, Authorize):
            return use_code(request, status, body)
        if status not in request.status:
            return str(status)
        if not isinstance(request, Issue):
            return "ok"
        try:
            held = _issued(request, json.loads(body), now_s)
        except (ValueError, LookupError, TypeError):
            return "protocol"
        self._held[self._slot(agent, task)] = held
        return "ok"

    def steal(self, agent: int, task: int) -> Stolen | None:
        """Return a copy of what the agent holds."""
        held = self._held.get(self._slot(agent, task))
        if held is None:
            return None
        values = self._values(agent, task)
        secret = {"credential": held.document, **values}
        return Stolen(
            agent, values[Variable.TASK], held.serial, held.issued_s, held.expires_s, secret
        )


def use_values(permission: str, held: Held | None) -> dict[str, str]:
    """Return the values of a use."""
    resource, _, action = permission.partition(":")
    return {
        Variable.PERMISSION: permission,
        Variable.RESOURCE: resource,
        Variable.ACTION: action,
        Variable.CREDENTIAL: "" if held is None else held.document,
        Variable.SERIAL: "" if held is None else held.serial,
    }


def use_code(request: Authorize, status: int, body: bytes) -> str:
    """Return ``ok``, ``denied``, another status, or ``protocol``."""
    if status in request.denied:
        return "denied"
    if status not in request.status:
        return str(status)
    if request.decision is None:
        return "ok"
    try:
        allowed = pointer(json.loads(body), request.decision)
    except (ValueError, LookupError):
        return "protocol"
    if not isinstance(allowed, bool):
        return "protocol"
    return "ok" if allowed else "denied"


def _issued(request: Issue, answer: object, now_s: float) -> Held:
    document = _text(pointer(answer, request.credential))
    if request.serial is None:
        serial = hashlib.sha256(document.encode()).hexdigest()[:16]
    else:
        serial = _text(pointer(answer, request.serial))
    expires_s = None
    if request.expires_in_s is not None:
        expires_s = now_s + _number(pointer(answer, request.expires_in_s))
    elif request.expires_at is not None:
        expires_s = now_s + _number(pointer(answer, request.expires_at)) - time.time()
    return Held(document, serial, now_s, expires_s)


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError("not a text")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise TypeError("not a number")


def wire(config: dict[str, Any]) -> Wire:
    """Return the wire of a plan."""
    return HttpWire(msgspec.convert(config, Config))
