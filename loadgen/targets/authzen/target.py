"""A decision point that runs already, found by its URL."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from loadgen.permission import refuse_foreign
from loadgen.targets.agents import agents
from loadgen.targets.authzen.wire import Config
from loadgen.targets.decisions import PATH, decision, evaluation
from loadgen.targets.port import Capability, Endpoint, Identity, Stolen
from loadgen.targets.rest import Rest, tls_context
from scenarios.detection.audit import AuditEvent
from scenarios.errors import TargetProtocol, TargetRefused, TargetUnavailable

TOKEN_ENV = "MIDAS_AUTHZEN_TOKEN"  # noqa: S105  (a variable's name)
_METADATA = "/.well-known/authzen-configuration"
_NOT_FOUND = 404


class AuthZenTarget:
    """Any AuthZEN 1.0 policy decision point.

    Args:
        url: its base URL; the path of evaluations is read from its metadata, if it has any.
        token: bearer token of the enforcement point that we play; None takes it from the
            environment (``MIDAS_AUTHZEN_TOKEN``), where no process list shows it.
        allowed_urls: URLs outside this machine that may be loaded.
        ca_file: certificate authority to trust instead of the system's.
        timeout_s: for each exchange of the parent.

    Raises:
        UsageError: a URL that is none.
    """

    name = "authzen"
    capabilities = frozenset({Capability.AUTHORIZE})
    audit_fields: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        url: str,
        token: str | None = None,
        allowed_urls: Collection[str] = (),
        ca_file: str = "",
        timeout_s: float = 5.0,
    ) -> None:
        self._rest = Rest(self.name, url, context=tls_context(ca_file), timeout_s=timeout_s)
        self._allowed_urls = allowed_urls
        self._ca_file = ca_file
        self._token = os.environ.get(TOKEN_ENV, "") if token is None else token
        self._path = PATH
        self._ready = False
        self._plan: dict[str, Any] = {}

    def setup(self, workdir: Path, trust_domain: str) -> None:  # noqa: ARG002
        """Find the path of evaluations and ask one question that deserves an answer.

        Raises UsageError when the URL is not on this machine and nobody allowed it.
        """
        refuse_foreign(self._endpoint(), self._allowed_urls)
        try:
            found = self._rest.call("GET", _METADATA)
        except TargetRefused:
            found = {}
        except TargetProtocol as exc:
            raise TargetProtocol(f"{exc}; expected AuthZEN metadata") from exc
        endpoint = found.get("access_evaluation_endpoint") if isinstance(found, dict) else None
        if isinstance(endpoint, str):
            self._path = urlsplit(endpoint).path or PATH
        elif self._rest.prefix:
            self._path = self._rest.prefix + PATH
        self._ready = True
        code = self._ask(f"spiffe://{trust_domain}/midas/probe", "midas:probe", "")
        if code not in ("ok", "denied"):
            self._ready = False
            self._raise(code)

    def _ask(self, subject: str, permission: str, origin: str) -> str:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = evaluation(subject, permission)
        path = self._path.removeprefix(self._rest.prefix)
        code, answer = self._rest.code("POST", path, body, headers, origin)
        return decision(answer) if code == "ok" else code

    def _raise(self, code: str) -> None:
        where = f"{self.name}: {self._rest.where}{self._path}"
        if code.isdigit():
            hint = "; a token may be needed" if code in ("401", "403") else ""
            raise TargetUnavailable(f"{where} answers {code} to an evaluation{hint}")
        raise TargetProtocol(f"{where} gives no AuthZEN decision ({code})")

    def _check(self) -> None:
        if not self._ready:
            raise TargetUnavailable(f"{self.name}: not set up")

    def provision(
        self,
        identities: list[Identity],
        ttl_s: float | None,  # noqa: ARG002
        task_scope: bool,  # noqa: ARG002
    ) -> None:
        """Note who will be asked about; the decision point has its own policies for them.

        Raises TargetUnavailable when it no longer answers.
        """
        self._check()
        self._rest.reach()
        host = f"{self._rest.host}:{self._rest.port}"
        config = Config(host, self._path, self._token, agents(identities))
        self._plan = cast("dict[str, Any]", msgspec.to_builtins(config))

    def endpoint(self) -> Endpoint:
        """Return where evaluations are asked for."""
        self._check()
        return self._endpoint()

    def _endpoint(self) -> Endpoint:
        rest = self._rest
        return Endpoint(
            rest.host, rest.port, tls=rest.tls, ca_file=self._ca_file, server_name=rest.host
        )

    def wire_plan(self) -> dict[str, Any]:
        """Return the ``wire.Config``, as plain JSON data."""
        return self._plan

    def version(self) -> dict[str, str]:
        """Return where it is: AuthZEN has no version of implementations."""
        return {"name": self.name, "url": f"{self._rest.where}{self._path}", "api": "AuthZEN 1.0"}

    def audit_stream(self, zero_monotonic_s: float) -> Iterator[AuditEvent]:  # noqa: ARG002
        """Return nothing: AuthZEN says nothing about audit."""
        return iter(())

    def revoke(self, identity: str, serial: str) -> None:  # noqa: ARG002
        """Raise TargetRefused: a decision point knows no documents."""
        raise TargetRefused(f"{self.name}: a decision point has nothing to revoke")

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:
        """Ask in the name of the stolen identity, from another source address."""
        return self._ask(stolen.secret["identity"], permission, origin)

    def teardown(self) -> None:
        """Leave the service alone: we did not start it."""
        self._ready = False
