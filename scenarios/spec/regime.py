"""A credential regime: a point in a design space, never code.

A static API key is the corner "never expires, never renewed, bearer, every task's scope".
A new regime is a TOML file in ``scenarios/regimes/``; ``regime_row`` is the only bridge into a
compiled kernel.
"""

from enum import IntEnum
from math import inf
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
)
from pydantic_core import PydanticCustomError, core_schema

from scenarios.spec.rules import renewal_age


class Strict(BaseModel):
    """Base of every part of a scenario: frozen, no coercion, no unknown keys, no inf or nan."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Keyword(IntEnum):
    """A closed choice, written in TOML as its member's name in lower case with hyphens."""

    @property
    def keyword(self) -> str:
        """Return the member as it is written in TOML."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read a keyword, write a keyword."""
        members = {member.keyword: member for member in cls}

        def parse(value: object) -> Keyword:
            if isinstance(value, cls):
                return value
            if isinstance(value, str) and value in members:
                return members[value]
            raise PydanticCustomError(
                "keyword", "must be one of {names}", {"names": ", ".join(members)}
            )

        return core_schema.no_info_plain_validator_function(
            parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda member: member.keyword
            ),
        )


class Renewal(Keyword):
    """When a credential is renewed. RULES in ``rules.py`` holds the law of each."""

    NEVER = 0
    FRACTION = 1
    """at a fraction of its life, the jitter drawn once for each credential"""
    FRACTION_POLLED = 2
    """at a fraction of its life, the threshold redrawn at every poll (SPIRE's X509-SVID rule)"""
    BEFORE_EXPIRY = 3
    """a fixed time before it expires"""
    AT_USE = 4
    """when it is next used after a fraction of its life (SPIRE's JWT-SVID rule: pull-through)"""
    AVAILABILITY_TARGET = 5
    """when the remaining life falls to a target (SPIRE's ``availability_target``), at polls"""
    PER_REQUEST = 6
    """at every task start: no document serves two (transaction tokens)"""
    SERVER_DIRECTED = 7
    """within a window that the issuer names (ACME Renewal Information, RFC 9773), drawn once"""


class Scope(Keyword):
    """What one credential may be used for."""

    ALL_TASKS = 0
    ONE_TASK = 1


class Enforcer(Keyword):
    """Who limits a credential to its scope. An SVID carries identity only."""

    NOBODY = 0
    SELECTOR = 1
    """attestation selectors: a process gets the identities that it matches, all of them"""
    AUTHORISER = 2
    """an external decision point or token exchange (AuthZEN, RFC 8693)"""


class Binding(Keyword):
    """What a thief needs besides the document."""

    BEARER = 0
    """nothing: whoever holds it uses it"""
    KEY = 1
    """its private key; where that lies, ``key_storage`` says"""
    NODE = 2
    """a process on the node that it was issued to"""


class KeyStorage(Keyword):
    """Where the key of a key-bound document lies: which thief gets it."""

    MEMORY = 0
    FILE = 1
    """on a volume, in an image or in a backup, and in memory when it is used"""
    HARDWARE = 2
    """not exportable (TPM, secure element, HSM): who is inside signs, nobody takes it along"""


class Revocation(Keyword):
    """How a credential can be ended before it expires."""

    NONE = 0
    DENY_LIST = 1
    DELETE = 2
    """deleted at the verifier, as a static key is"""


class Artifact(Keyword):
    """What the credential is on the wire."""

    STATIC_KEY = 0
    X509_SVID = 1
    JWT_SVID = 2


class Issuance(Keyword):
    """How a credential comes into being."""

    MANUAL = 0
    ISSUER = 1


def _read_lifetime(value: object) -> object:
    if value == "never":
        return inf
    if isinstance(value, str):
        raise PydanticCustomError("lifetime", 'must be a number of seconds, or "never"')
    return float(value) if type(value) is int else value


def _bounded_lifetime(value: float) -> float:
    if value > MAX_SECONDS and value != inf:
        raise PydanticCustomError(
            "lifetime", 'must be at most {max} s, or "never"', {"max": "3.2e9"}
        )
    return value


def _write_lifetime(value: float) -> float | str:
    return "never" if value == inf else value


MAX_SECONDS = 3.2e9
"""a century: beyond it float64 seconds stop resolving a microsecond"""
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
Share = Annotated[float, Field(ge=0, le=1)]
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Lifetime = Annotated[
    float,
    Field(gt=0, allow_inf_nan=True),
    AfterValidator(_bounded_lifetime),
    BeforeValidator(_read_lifetime),
    PlainSerializer(_write_lifetime),
]


class RenewalRule(Strict):
    """When and how a credential is renewed (model.md §2)."""

    rule: Renewal = Renewal.NEVER
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """of the life at which renewal is due; the centre of the jitter"""
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """half-width of the uniform jitter, as a share of ``fraction``"""
    poll_s: PositiveSeconds = 5.0
    before_expiry_s: PositiveSeconds = 600.0
    target_s: PositiveSeconds = 86_400.0
    """remaining life at which AVAILABILITY_TARGET renews"""
    target_jitter_s: Seconds = 600.0
    """width of what is added to the target, redrawn at every poll"""
    grace_s: Seconds = 43_200.0
    """a life that is not longer than the target by more than this is renewed by FRACTION_POLLED"""
    forgotten_share: Share = 0.0
    """of the renewals by hand that nobody thinks of before the credential has expired"""
    mended_within_s: Seconds = 0.0
    """width of the uniform time after which what had expired is replaced"""

    @property
    def at_use(self) -> bool:
        """Whether a use makes the request, not a timer."""
        return self.rule in {Renewal.AT_USE, Renewal.PER_REQUEST}


class RevocationRule(Strict):
    """How, how fast and how surely a credential is revoked once somebody decided so."""

    method: Revocation = Revocation.NONE
    delay_s: Seconds = 0.0
    probability: Share = 1.0


class Effort(Strict):
    """What people do for a regime, in seconds of one person, and how often their hand slips."""

    issue_s: Seconds = 0.0
    """to hand out a workload's first credential, once"""
    rotation_s: Seconds = 0.0
    """to replace a credential by hand in one place"""
    places: Annotated[int, Field(ge=1, le=10_000)] = 1
    """in which a secret lies; each is seen to when it is rotated"""
    breaks_share: Share = 0.0
    """of the rotations by hand after which something does not work until it is mended"""
    mishap_s: Seconds = 0.0
    """for each credential that expired because nobody thought of it, and each broken rotation"""
    incident_s: Seconds = 0.0
    """for each theft that was noticed"""


class Offboarding(Strict):
    """When somebody deletes the credential of a workload that is gone."""

    never_share: Share = 1.0
    """of credentials that nobody deletes: they work until they expire"""
    mean_s: Seconds = 0.0
    """mean of the exponential time until the others are deleted"""


class Regime(Strict):
    """How agents hold, renew, scope and lose their credentials."""

    name: Name
    title: str
    source: str
    artifact: Artifact
    ttl_s: Lifetime
    """total life from issue to expiry; ``"never"`` for a credential without end"""
    issuance: Issuance
    renewal: RenewalRule = RenewalRule()
    scope: Scope = Scope.ALL_TASKS
    scope_enforced_by: Enforcer = Enforcer.NOBODY
    binding: Binding = Binding.BEARER
    key_storage: KeyStorage = KeyStorage.MEMORY
    """of a key-bound document"""
    presign_s: Seconds = 0.0
    """how long a proof made beforehand with a key in hardware is accepted, as a DPoP proof is until
    its nonce ends"""
    shared_by: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """agents that hold the same secret"""
    shared_on_node: bool = False
    """one document for all agents of a class on a node, as SPIRE's agent keeps one per entry"""
    leak_ratio: Share = 1.0
    """hazard of a leak of one of its secrets, relative to a static key's"""
    revocation: RevocationRule = RevocationRule()
    effort: Effort = Effort()
    offboarding: Offboarding = Offboarding()
    session_overhang_s: Seconds = 0.0
    """how long an established session outlives its credential"""
    attribution: Literal["secret", "workload", "task", "delegation"] = "secret"
    """what an audit line identifies; each names what the ones before do, and ``delegation`` also
    who acts on whose behalf (the ``act`` claim of RFC 8693, a transaction token)"""

    @property
    def names_task(self) -> bool:
        """Whether an audit line names the task."""
        return self.attribution in ("task", "delegation")


class RegimeRow(NamedTuple):
    """A regime as a kernel sees it: numbers only, the same fields for every regime."""

    ttl_s: float
    rule: int
    fraction: float
    jitter: float
    poll_s: float
    before_expiry_s: float
    target_s: float
    target_jitter_s: float
    grace_s: float
    forgotten_share: float
    mended_within_s: float
    per_request: int
    scope: int
    issuance: int
    shared_by: int

    @property
    def rule_numbers(
        self,
    ) -> tuple[int, float, float, float, float, float, float, float, float, float, float]:
        """The arguments of ``rules.renewal_age`` before its draws."""
        return (
            self.rule,
            self.ttl_s,
            self.fraction,
            self.jitter,
            self.poll_s,
            self.before_expiry_s,
            self.target_s,
            self.target_jitter_s,
            self.grace_s,
            self.forgotten_share,
            self.mended_within_s,
        )

    def at(self, life_s: float, factor: float = 1.0) -> "RegimeRow":
        """Return the row of a document of that life, ``factor`` times the one that was meant."""
        return self._replace(ttl_s=life_s, before_expiry_s=factor * self.before_expiry_s)

    def renewal_age(self, u_phase: float, u_draw: float) -> float:
        """Return ``rules.renewal_age`` of two uniform draws."""
        return renewal_age(*self.rule_numbers, u_phase, u_draw)


def regime_row(regime: Regime) -> RegimeRow:
    """Return the numbers of a regime that a population needs.

    PER_REQUEST is AT_USE of a document that is due as soon as it is issued.
    """
    renewal = regime.renewal
    per_request = renewal.rule is Renewal.PER_REQUEST
    return RegimeRow(
        ttl_s=regime.ttl_s,
        rule=int(Renewal.AT_USE if per_request else renewal.rule),
        fraction=0.0 if per_request else renewal.fraction,
        jitter=renewal.jitter,
        poll_s=renewal.poll_s,
        before_expiry_s=renewal.before_expiry_s,
        target_s=renewal.target_s,
        target_jitter_s=renewal.target_jitter_s,
        grace_s=renewal.grace_s,
        forgotten_share=renewal.forgotten_share,
        mended_within_s=renewal.mended_within_s,
        per_request=int(per_request),
        scope=int(regime.scope),
        issuance=int(regime.issuance),
        shared_by=regime.shared_by,
    )
