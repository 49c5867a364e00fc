"""OpenBao's file audit device as audit events.

Every call is a request line and a response line of JSON; the response line tells the outcome. A use
with inline authentication is two calls, login and read, linked by the HMAC of the token between
them. What OpenBao replaces by an HMAC stays comparable (one key per device), so an OIDC token's
HMAC serves as its serial, and the line of its issue tells when and for whom it was made.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from loadgen.targets.openbao.realm import KEYS, RESOURCES, epoch_s, split_role
from scenarios.detection.audit import AuditEvent, Operation

_LOGINS = ("auth/cert/login", "auth/jwt/login")
_REMEMBERED = 100_000


class _Auth(msgspec.Struct):
    client_token: str = ""
    accessor: str = ""
    metadata: dict[str, str] | None = None
    token_policies: list[str] | None = None


class _Request(msgspec.Struct):
    path: str = ""
    operation: str = ""
    client_token_accessor: str = ""
    data: dict[str, Any] | None = None
    remote_address: str = ""


class _Response(msgspec.Struct):
    auth: _Auth | None = None
    data: dict[str, Any] | None = None


class Line(msgspec.Struct):
    """The part of an audit line that matters here."""

    time: str
    type: str
    auth: _Auth | None = None
    request: _Request | None = None
    response: _Response | None = None
    error: str = ""


class _Document(msgspec.Struct, frozen=True):
    """Whose document it is, how the log calls it, and when it was made."""

    identity: str = ""
    workload: str = ""
    serial: str = ""
    issued_wall_s: float = math.nan


class _Access(msgspec.Struct, frozen=True):
    """What one response line tells."""

    operation: Operation
    document: _Document
    task: str = ""
    permission: str = ""
    refused: bool = False


class AuditReader:
    """Turns response lines into events; keeps what links them.

    Args:
        trust_domain: of the SPIFFE IDs.
        key_of: shared identity → serial (accessor) and issue instant (wall clock) of its key.
    """

    def __init__(
        self, trust_domain: str, key_of: Callable[[str], tuple[str, float] | None]
    ) -> None:
        self._prefix = f"spiffe://{trust_domain}/"
        self._key_of = key_of
        self._decode = msgspec.json.Decoder(Line).decode
        self._documents: OrderedDict[str, _Document] = OrderedDict()
        self._logins: OrderedDict[str, _Document] = OrderedDict()

    def read(self, text: bytes, observed_s: float, wall_to_run_s: float) -> AuditEvent | None:
        """Return the event of one line, None when it tells of nothing that a known agent does.

        Raises msgspec.DecodeError when it is no audit line.
        """
        line = self._decode(text)
        if line.type != "response" or line.request is None:
            return None
        path, occurred_s = line.request.path, epoch_s(line.time)
        if path.startswith(RESOURCES):
            access = self._use(line, line.request, path)
        elif path in _LOGINS:
            access = self._login(line, line.request, path)
        else:
            access = self._administration(line, line.request, path, occurred_s)
        if access is None or not access.document.identity:
            return None  # a login that failed names nobody whom a detector could watch
        return AuditEvent(
            occurred_s=occurred_s + wall_to_run_s,
            observed_s=observed_s,
            identity=access.document.identity,
            workload=access.document.workload,
            task=access.task,
            serial=access.document.serial,
            issued_s=access.document.issued_wall_s + wall_to_run_s,
            origin=line.request.remote_address,
            operation=access.operation,
            permission=access.permission,
            outcome="denied" if line.error or access.refused else "ok",
        )

    def _use(self, line: Line, request: _Request, path: str) -> _Access | None:
        auth = line.auth or _Auth()
        if request.operation != "read":
            return None
        permission = path.removeprefix(RESOURCES).replace("/", ":")
        task = ""
        document = self._logins.pop(auth.client_token, None)
        if document is None:
            document = self._key(auth, request)
        elif auth.token_policies:
            task = split_role(auth.token_policies[0])[1]
        return _Access("use", document, task, permission)

    def _key(self, auth: _Auth, request: _Request) -> _Document:
        metadata = auth.metadata or {}
        identity = metadata.get("identity", "")
        if not identity:
            return _Document()
        serial = auth.accessor or request.client_token_accessor
        lease = self._documents.get(serial)
        if lease is not None:
            return lease
        known = self._key_of(serial)
        issued_wall_s = math.nan if known is None else known[1]
        return _Document(identity, metadata.get("workload", ""), serial, issued_wall_s)

    def _login(self, line: Line, request: _Request, path: str) -> _Access | None:
        """Remember a login for the read that follows; tell of one that failed."""
        token = str((request.data or {}).get("jwt", ""))
        known = self._documents.get(token)
        auth = line.response.auth if line.response is not None else None
        if auth is None:
            return _Access("use", known or _Document(), refused=True)
        metadata = auth.metadata or {}
        workload, _ = split_role(metadata.get("cert_name") or metadata.get("role") or "m0.")
        if path == _LOGINS[0]:
            serial = _hex(metadata.get("serial_number", ""))
            issued = self._documents.get(serial)
            identity = self._prefix + metadata.get("common_name", "")
        else:
            serial, issued = token, known
            identity = metadata.get("identity", "")
        issued_wall_s = math.nan if issued is None else issued.issued_wall_s
        document = _Document(identity, workload, serial, issued_wall_s)
        _remember(self._logins, auth.client_token, document)
        return None

    def _administration(
        self, line: Line, request: _Request, path: str, occurred_s: float
    ) -> _Access | None:
        metadata = (line.auth.metadata if line.auth is not None else None) or {}
        data = (line.response.data if line.response is not None else None) or {}
        identity, workload = metadata.get("identity", ""), metadata.get("workload", "")
        if path.startswith("pki/sign/"):
            serial = str(data.get("serial_number", "")).replace(":", "")
            task = str((request.data or {}).get("uri_sans", "")).partition("/task/")[2]
        elif path.startswith("identity/oidc/token/"):
            serial = str(data.get("token", ""))
            task = path.rpartition("/")[2].partition(".")[2]
        elif path.startswith(KEYS) and request.operation == "read":
            known = self._key_of(identity)
            serial, occurred_s = known or ("", math.nan)
            task = ""
        elif path.startswith("auth/token/create/m"):
            lease = line.response.auth if line.response is not None else None
            if lease is None:
                return _Access("issue", _Document(identity, workload), refused=True)
            metadata, serial, task = lease.metadata or {}, lease.accessor, ""
            identity, workload = metadata.get("identity", ""), metadata.get("workload", "")
        elif path in ("pki/revoke", "auth/token/revoke-accessor"):
            return _Access("revoke", _Document())
        else:
            return None
        document = _Document(identity, workload, serial, occurred_s)
        if serial:
            _remember(self._documents, serial, document)
        return _Access("issue", document, task)


def _remember(table: "OrderedDict[str, _Document]", key: str, document: _Document) -> None:
    table[key] = document
    if len(table) > _REMEMBERED:
        table.popitem(last=False)


def _hex(decimal: str) -> str:
    """Return a decimal serial as the certificate authority writes it: whole octets in hex."""
    if not decimal.isdigit():
        return ""
    text = f"{int(decimal):x}"
    return text if len(text) % 2 == 0 else f"0{text}"
