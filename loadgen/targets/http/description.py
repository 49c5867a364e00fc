"""What a user says of a service that midas has never heard of: one TOML file, strictly read."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from scenarios.errors import Problem, ScenarioError
from scenarios.spec.faults import did_you_mean, faults
from scenarios.spec.regime import PositiveSeconds, Strict
from scenarios.spec.resolve import read_toml

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}|\$(?!\{)")
_TOKEN_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2


class Variable(StrEnum):
    """What ``${…}`` may stand for in a path, header or body."""

    IDENTITY = "identity"
    WORKLOAD = "workload"
    AGENT = "agent"
    TASK = "task"
    PERMISSION = "permission"
    RESOURCE = "resource"
    ACTION = "action"
    CREDENTIAL = "credential"
    SERIAL = "serial"
    TOKEN = "token"  # noqa: S105  (the name of a variable)
    TTL_S = "ttl_s"
    AUDIENCE = "audience"
    CSR_PEM = "csr_pem"
    CSR_DER = "csr_der"


_EVERYWHERE = frozenset(
    {Variable.IDENTITY, Variable.WORKLOAD, Variable.AGENT, Variable.TASK, Variable.TOKEN}
)
_ISSUE = _EVERYWHERE | {Variable.TTL_S, Variable.AUDIENCE}
ALLOWED = {
    "issue-x509": _ISSUE | {Variable.CSR_PEM, Variable.CSR_DER},
    "issue-jwt": _ISSUE,
    "issue-key": _ISSUE,
    "authorize": _EVERYWHERE
    | {
        Variable.PERMISSION,
        Variable.RESOURCE,
        Variable.ACTION,
        Variable.CREDENTIAL,
        Variable.SERIAL,
    },
    "revoke": frozenset({Variable.IDENTITY, Variable.SERIAL, Variable.TOKEN}),
}


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", value):
        raise ValueError("must be an http:// or https:// URL without query")
    return value


def _url_or_path(value: str) -> str:
    return _path(value) if value.startswith("/") else _url(value)


def _path(value: str) -> str:
    if not re.fullmatch(r"/[^\s#]*", value):
        raise ValueError("must start with / and hold no blanks")
    return value


def _pointer(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError("must be a JSON pointer, as in /data/token (RFC 6901)")
    return value


def _line(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) > 126 for letter in value):
        raise ValueError("must be printable ASCII on one line")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not _TOKEN_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no header name")
        if name.lower() in {"host", "content-length", "connection", "transfer-encoding"}:
            raise ValueError(f"{name} is set by the client itself")
    return value


Url = Annotated[str, AfterValidator(_url)]
UrlPath = Annotated[str, AfterValidator(_path)]
Pointer = Annotated[str, AfterValidator(_pointer)]
HeaderLine = Annotated[str, AfterValidator(_line)]
Headers = Annotated[dict[str, HeaderLine], AfterValidator(_headers)]
Status = Annotated[int, Field(ge=100, le=599)]
Statuses = Annotated[tuple[Status, ...], Field(min_length=1)]


class Tls(Strict):
    """Whom to trust, and who we are."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("needs cert_file and key_file together")
        return self


class ClientCredentials(Strict):
    """OAuth 2.0 client credentials (RFC 6749 §4.4): a token fetched once before the run."""

    url: Annotated[str, AfterValidator(_url_or_path)]
    """absolute, or a path below the service's URL"""
    client_id: HeaderLine
    client_secret_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """name of the environment variable that holds the secret, so that no file does"""
    scope: HeaderLine = ""
    auth: Literal["basic", "body"] = "basic"
    """where the secret goes: HTTP Basic (RFC 6749 §2.3.1) or the form"""


class Health(Strict):
    """How to see that the service is there."""

    method: Literal["GET", "HEAD"] = "GET"
    path: UrlPath = "/"
    status: Statuses = (200, 204)


class Request(Strict):
    """One kind of request. ``${…}`` is replaced in path, headers and body, escaped for each."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: UrlPath
    headers: Headers = Field(default_factory=dict)
    body: str = ""
    status: Statuses = (200,)
    """answers that mean yes"""

    def templates(self) -> list[tuple[str, str]]:
        """Return every text that may hold placeholders, with its key."""
        headers = [(f"headers.{name}", value) for name, value in self.headers.items()]
        return [("path", self.path), *headers, ("body", self.body)]


class Issue(Request):
    """A request that issues a credential, and where in the JSON answer it stands."""

    credential: Pointer
    serial: Pointer | None = None
    """absent: a hash of the credential serves"""
    expires_in_s: Pointer | None = None
    """lifetime in seconds, as OAuth's ``expires_in``"""
    expires_at: Pointer | None = None
    """or its end, in seconds since the epoch"""


class Authorize(Request):
    """A request that uses a credential."""

    denied: tuple[Status, ...] = (403,)
    """answers that mean: good credential, but not for this"""
    decision: Pointer | None = None
    """where the answer says true or false; absent when the status says it all"""


class Operations(Strict):
    """The requests that the service understands."""

    issue_x509: Annotated[Issue | None, Field(alias="issue-x509")] = None
    issue_jwt: Annotated[Issue | None, Field(alias="issue-jwt")] = None
    issue_key: Annotated[Issue | None, Field(alias="issue-key")] = None
    authorize: Authorize
    revoke: Request | None = None

    def present(self) -> dict[str, Request]:
        """Return the requests by the name that they have in the file."""
        found = {
            "issue-x509": self.issue_x509,
            "issue-jwt": self.issue_jwt,
            "issue-key": self.issue_key,
            "authorize": self.authorize,
            "revoke": self.revoke,
        }
        return {name: request for name, request in found.items() if request is not None}


class Audit(Strict):
    """Where the service writes its audit log, and what stands where in a line of JSON."""

    file: Annotated[str, Field(min_length=1)]
    time: Pointer
    """RFC 3339 with offset, or seconds since the epoch"""
    identity: Pointer
    serial: Pointer | None = None
    """as ``operations.*.serial`` has it"""
    workload: Pointer | None = None
    task: Pointer | None = None
    origin: Pointer | None = None
    permission: Pointer | None = None
    resource: Pointer | None = None
    action: Pointer | None = None
    """instead of ``permission``: its two halves"""
    outcome: Pointer | None = None
    ok: tuple[str, ...] = ("ok",)
    """values of ``outcome`` that mean yes"""
    operation: Pointer | None = None
    """what tells uses from issuances; absent when every line is a use"""
    use: tuple[str, ...] = ("use",)
    issue: tuple[str, ...] = ("issue",)
    """values of ``operation``; lines with others are passed over"""

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if (self.resource is None) != (self.action is None):
            raise ValueError("needs resource and action together")
        if self.permission is not None and self.resource is not None:
            raise ValueError("needs permission, or resource and action, not both")
        return self


class Description(Strict):
    """A service as its file describes it."""

    title: Annotated[str, Field(min_length=1, max_length=100)]
    url: Url
    audience: HeaderLine = "midas"
    task_scope: bool = False
    """the service can limit a credential to ``${task}``, which is empty when it should not"""
    timeout_s: PositiveSeconds = 5.0
    tls: Tls = Tls()
    health: Health = Health()
    token: ClientCredentials | None = None
    audit: Audit | None = None
    operations: Operations


def read_description(path: Path) -> Description:
    """Read a service's TOML file.

    Raises:
        ScenarioError: every fault of the file, each with key, found and allowed.
    """
    try:
        description = Description.model_validate(_tupled(read_toml(path)))
    except ValidationError as exc:
        raise ScenarioError(path, faults(exc, Description)) from exc
    problems = _placeholder_problems(description)
    if problems:
        raise ScenarioError(path, problems)
    return description


def _tupled(value: object) -> object:
    """Return TOML's lists as the tuples that a frozen description has."""
    if isinstance(value, dict):
        return {key: _tupled(inner) for key, inner in value.items()}
    return tuple(_tupled(inner) for inner in value) if isinstance(value, list) else value


def _placeholder_problems(description: Description) -> list[Problem]:
    problems = []
    for name, request in description.operations.present().items():
        allowed = ALLOWED[name]
        for key, text in request.templates():
            where = f"operations.{name}.{key}"
            for match in PLACEHOLDER.finditer(text):
                variable = match[1]
                if variable is None:
                    problems.append(Problem(where, "$", "a placeholder is written ${name}"))
                elif variable not in allowed:
                    hint = did_you_mean(variable, allowed)
                    names = ", ".join(sorted(allowed))
                    problems.append(Problem(where, f"${{{variable}}}", f"known are {names}{hint}"))
                elif variable == Variable.TOKEN and description.token is None:
                    problems.append(Problem(where, "${token}", "needs a [token] table"))
    return problems
