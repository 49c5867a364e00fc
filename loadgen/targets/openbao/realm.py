"""What is configured inside OpenBao: engines once, roles and policies for each registration.

A permission ``ticket:read`` is the KV v2 secret ``secret/data/res/ticket/read``; who may read it is
ACL policy. A *role* is a workload, or one task of it, of one registration (``m3.support`` or
``m3.support.night``); the same name serves the policy, the certificate role and the JWT role.
Roles of earlier registrations are deleted, so that no document opens more than the last one says.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from loadgen.targets.agents import Agents
from loadgen.targets.openbao.api import Api
from loadgen.targets.port import Identity

AUDIENCE = "midas"
RESOURCES = "secret/data/res/"
KEYS = "secret/data/keys/"
_LONG = "87600h"
_ROTATION = "8760h"


def role_name(generation: int, workload: str, task: str = "") -> str:
    """Return the name of a role; workload and task names hold no dot."""
    return f"m{generation}.{workload}" + (f".{task}" if task else "")


def split_role(name: str) -> tuple[str, str]:
    """Return workload and task (empty: all) of a role's name."""
    _, workload, *task = name.split(".")
    return workload, task[0] if task else ""


def resource(permission: str) -> str:
    """Return the KV v2 path that stands for a permission."""
    return RESOURCES + permission.replace(":", "/")


def key_path(identity: str) -> str:
    """Return the KV v2 path under which a shared secret is fetched."""
    return KEYS + identity.removeprefix("key://")


def install(api: Api, trust_domain: str) -> None:
    """Enable and configure the engines of a fresh server."""
    api.write("sys/mounts/secret", type="kv", options={"version": "2"})
    api.write("sys/mounts/pki", type="pki", config={"max_lease_ttl": _LONG})
    api.write("sys/auth/cert", type="cert")
    api.write("sys/auth/jwt", type="jwt")
    api.write(
        "sys/mounts/pki/tune",
        audit_non_hmac_response_keys=["serial_number"],
        audit_non_hmac_request_keys=["uri_sans"],
    )
    root = api.write(
        "pki/root/generate/internal",
        common_name=trust_domain[:64],
        uri_sans=f"spiffe://{trust_domain}",
        key_type="ec",
        key_bits=256,
        ttl=_LONG,
    )
    api.write(
        "identity/oidc/key/midas",
        algorithm="ES256",
        allowed_client_ids=["*"],
        rotation_period=_ROTATION,
        verification_ttl=_ROTATION,
    )
    jwks = f"http://{api.host}:{api.port}/v1/identity/oidc/.well-known/keys"
    api.write("auth/jwt/config", jwks_url=jwks)
    api.write("auth/token/roles/agents", allowed_entity_aliases=["*"], orphan=True, renewable=False)
    api.write("secret/data/ca", data={"certificate": root["certificate"]})


class Realm:
    """The roles, policies and secrets of the current registration."""

    def __init__(self, api: Api, trust_domain: str) -> None:
        self._api = api
        self._trust_domain = trust_domain
        self._generation = 0
        self._roles: list[str] = []
        self._oidc_roles: list[str] = []
        self._resources: set[str] = set()
        self._ca = api.call("GET", "secret/data/ca")["data"]["data"]["certificate"]
        self._alias_claim = (
            "{{identity.entity.aliases."
            + api.call("GET", "sys/auth")["data"]["token/"]["accessor"]
            + ".name}}"
        )

    @property
    def generation(self) -> int:
        """Number of the registration, part of every role's name."""
        return self._generation

    def register(self, table: Agents, ttl_s: float | None, *, task_scope: bool) -> None:
        """Replace the roles of the last registration by those of this one."""
        self._forget()
        self._generation += 1
        for workload, catalogue in zip(table.workloads, table.catalogues, strict=True):
            for permission in {p for _, opens in catalogue for p in opens} - self._resources:
                self._api.write(resource(permission), data={"permission": permission})
                self._resources.add(permission)
            if task_scope:
                for task, opens in catalogue:
                    self._role(workload, task, opens, ttl_s)
            else:
                self._role(workload, "", [p for _, opens in catalogue for p in opens], ttl_s)
        self._api.write(
            f"pki/roles/m{self._generation}",
            allowed_uri_sans=[f"spiffe://{self._trust_domain}/*"],
            allow_any_name=True,
            cn_validations=["disabled"],
            use_csr_sans=False,
            use_csr_common_name=False,
            key_type="ec",
            key_bits=256,
            max_ttl=_LONG,
        )
        self._policy(
            f"m{self._generation}",
            [
                (f"pki/sign/m{self._generation}", "update"),
                (f"identity/oidc/token/m{self._generation}*", "read"),
                (f"{KEYS}*", "read"),
                (f"auth/token/create/m{self._generation}.*", "update"),
            ],
        )

    def _role(self, workload: str, task: str, opens: Iterable[str], ttl_s: float | None) -> None:
        name = role_name(self._generation, workload, task)
        self._policy(name, [(resource(permission), "read") for permission in opens])
        agents_of = f"spiffe://{self._trust_domain}/{workload}/*"
        self._api.write(
            f"auth/cert/certs/{name}",
            certificate=self._ca,
            allowed_uri_sans=[f"{agents_of}/task/{task}" if task else agents_of],
            token_policies=[name],
            token_no_default_policy=True,
            token_type="batch",  # noqa: S106  (a kind of token)
        )
        self._api.write(
            f"auth/jwt/role/{name}",
            role_type="jwt",
            user_claim="spiffe_id",
            bound_audiences=[AUDIENCE],
            bound_claims_type="glob",
            bound_claims={
                "spiffe_id": [agents_of],
                "task": [task or "-"],
            },
            claim_mappings={"spiffe_id": "identity"},
            token_policies=[name],
            token_no_default_policy=True,
            token_type="batch",  # noqa: S106
            expiration_leeway=-1,
            not_before_leeway=-1,
            clock_skew_leeway=-1,
        )
        self._api.write(
            f"auth/token/roles/{name}",
            allowed_policies=[name],
            orphan=True,
            renewable=False,
            token_no_default_policy=True,
        )
        self._roles.append(name)
        oidc = f"m{self._generation}.{task}" if task else f"m{self._generation}"
        if oidc not in self._oidc_roles and ttl_s is not None:
            self._api.write(
                f"identity/oidc/role/{oidc}",
                key="midas",
                client_id=AUDIENCE,
                ttl=f"{ttl_s:.0f}s",
                template=f'{{"spiffe_id": {self._alias_claim}, "task": "{task or "-"}"}}',
            )
            self._oidc_roles.append(oidc)

    def _policy(self, name: str, rules: Iterable[tuple[str, str]]) -> None:
        text = "\n".join(f'path "{path}" {{ capabilities = ["{verb}"] }}' for path, verb in rules)
        self._api.write(f"sys/policies/acl/{name}", policy=text)

    def _forget(self) -> None:
        for name in self._roles:
            for path in (
                f"auth/cert/certs/{name}",
                f"auth/jwt/role/{name}",
                f"auth/token/roles/{name}",
            ):
                self._api.call("DELETE", path)
            self._api.call("DELETE", f"sys/policies/acl/{name}")
        self._roles.clear()
        self._oidc_roles.clear()

    def agent_token(self, identity: Identity) -> str:
        """Return a token with which an agent asks for its documents.

        Only a service token may create leases; a batch token costs no storage.
        """
        secret = identity.name.startswith("key://")
        found = self._api.write(
            "auth/token/create/agents",
            entity_alias=identity.name,
            type="service" if secret else "batch",
            policies=[f"m{self._generation}"],
            no_default_policy=True,
            meta={"identity": identity.name, "workload": identity.workload},
        )
        return str(found["client_token"])

    def static_key(self, identity: Identity, ttl_s: float | None) -> str:
        """Make a shared secret (a token) where its holders fetch it; return its accessor."""
        found = self._api.write(
            "auth/token/create-orphan",
            policies=[role_name(self._generation, identity.workload)],
            no_default_policy=True,
            renewable=False,
            meta={"identity": identity.name, "workload": identity.workload},
            **({} if ttl_s is None else {"ttl": f"{ttl_s:.0f}s"}),
        )
        accessor = str(found["accessor"])
        secret = {"key": found["client_token"], "serial": accessor, "ttl_s": ttl_s}
        self._api.write(key_path(identity.name), data=secret)
        return accessor

    def revoke_certificate(self, serial: str) -> None:
        """Revoke an X.509-SVID and give verifiers the new revocation list."""
        pairs = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))
        self._api.write("pki/revoke", serial_number=pairs)
        crl = self._api.call("GET", "pki/cert/crl")["data"]["certificate"]
        self._api.write("auth/cert/crls/midas", crl=crl)

    def revoke_key(self, accessor: str) -> None:
        """Revoke a static key."""
        self._api.write("auth/token/revoke-accessor", accessor=accessor)


def fingerprint(token: str) -> str:
    """Return the serial by which a wire knows an OIDC token, which has no ``jti``."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def epoch_s(text: str) -> float:
    """Return an RFC 3339 time in UTC with up to nine decimals as seconds since the epoch."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")
