"""Bodies of requests and answers; ``/openapi.json`` is generated from them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Permission = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*:[a-z0-9][a-z0-9-]*$")]
IdentityName = Annotated[
    str,
    Meta(
        pattern=r"^(spiffe|key)://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]{1,255}){1,8}$",
        description="a SPIFFE ID, or key://<workload>/<group> for a shared secret",
    ),
]
SpiffeId = Annotated[
    str, Meta(pattern=r"^spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]{1,255}){1,8}$")
]
Serial = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$", description="16 hexadecimal digits")]
Ttl = Annotated[float, Meta(ge=1, le=3.2e9, description="seconds")]
Text = Annotated[str, Meta(min_length=1, max_length=256)]


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One identity and what its workload's tasks may do."""

    identity: IdentityName
    workload: Name
    permissions: Annotated[dict[Name, list[Permission]], Meta(min_length=1, max_length=64)]
    """task → permissions"""


class Registration(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may ask for what. An identity that is registered again takes the new terms."""

    entries: Annotated[list[Entry], Meta(min_length=1)]
    max_ttl_s: Ttl | None = None
    """longest life of a document; none means without end (not possible for a JWT-SVID)"""
    task_scope: bool = False
    """a document is issued for one task and opens only that task's permissions"""


class Registered(Struct, frozen=True):
    """The token with which the registered identities may be asked for."""

    token: str
    entries: int


class X509Request(Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for an X.509-SVID."""

    spiffe_id: SpiffeId
    csr: Annotated[str, Meta(min_length=1, description="PKCS #10, PEM or base64 DER, P-256")]
    task: Name | None = None
    ttl_s: Ttl | None = None


class X509Svid(Struct, frozen=True):
    """An X.509-SVID; ``x5c`` is its chain in base64 DER (RFC 7515 §4.1.6), leaf first."""

    spiffe_id: str
    serial: Serial
    issued_at: float
    expires_at: float | None
    """last valid instant, seconds since the epoch; null without end"""
    x5c: list[str]


class JwtRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Ask for a JWT-SVID."""

    spiffe_id: SpiffeId
    audience: Annotated[list[Text], Meta(min_length=1, max_length=8)]
    task: Name | None = None
    ttl_s: Ttl | None = None


class JwtSvid(Struct, frozen=True):
    """A JWT-SVID in compact serialisation; ``serial`` is its ``jti``."""

    spiffe_id: str
    serial: Serial
    issued_at: float
    expires_at: float
    token: str


class KeyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Fetch the static key of an identity, as from a secret store: sharers get the same."""

    identity: IdentityName
    rotate: bool = False
    """make a new one in any case; the old one stays good until it is revoked"""
    ttl_s: Ttl | None = None


class StaticKey(Struct, frozen=True):
    """A static key."""

    identity: str
    serial: Serial
    issued_at: float
    expires_at: float | None
    key: str


class Revocation(Struct, frozen=True, forbid_unknown_fields=True):
    """Refuse one document, or every document of an identity issued until now."""

    identity: IdentityName | None = None
    serial: Serial | None = None


class Revoked(Struct, frozen=True):
    """The service's confirmation: from now on the document is refused."""

    revoked: bool = True


class Subject(Struct, frozen=True):
    """AuthZEN subject: the registered identity that acts."""

    type: Text
    id: Text
    properties: dict[str, Any] | None = None


class Action(Struct, frozen=True):
    """AuthZEN action: the second half of a permission."""

    name: Text
    properties: dict[str, Any] | None = None


class Resource(Struct, frozen=True):
    """AuthZEN resource: its type is the first half of a permission."""

    type: Text
    id: Text
    properties: dict[str, Any] | None = None


class Evaluation(Struct, frozen=True):
    """AuthZEN 1.0 §5: an access evaluation request."""

    subject: Subject
    action: Action
    resource: Resource
    context: dict[str, Any] | None = None


class PartialEvaluation(Struct, frozen=True):
    """One of several evaluations; what is absent is taken from the request's defaults."""

    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: dict[str, Any] | None = None


class EvaluationOptions(Struct, frozen=True):
    """AuthZEN 1.0 §6: how several evaluations are combined."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = (
        "execute_all"
    )


class Evaluations(Struct, frozen=True):
    """AuthZEN 1.0 §6: defaults, and the evaluations that override them."""

    evaluations: Annotated[list[PartialEvaluation], Meta(max_length=256)] = []
    subject: Subject | None = None
    action: Action | None = None
    resource: Resource | None = None
    context: dict[str, Any] | None = None
    options: EvaluationOptions | None = None


class Decision(Struct, frozen=True, omit_defaults=True):
    """AuthZEN decision."""

    decision: bool
    context: dict[str, Any] | None = None


class Decisions(Struct, frozen=True):
    """AuthZEN decisions, in the order of the questions."""

    evaluations: list[Decision]


class Fault(Struct, frozen=True):
    """Every refusal: a stable code and one sentence."""

    error: str
    message: str
