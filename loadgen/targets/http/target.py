"""A described service that runs already."""

import base64
import http.client
import os
import ssl
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus, urlencode

import msgspec

from loadgen.permission import refuse_foreign
from loadgen.targets.agents import agents
from loadgen.targets.http.audit import audit_fields, follow
from loadgen.targets.http.description import ClientCredentials, Description, read_description
from loadgen.targets.http.template import Template
from loadgen.targets.http.wire import Config, Held, use_code, use_values
from loadgen.targets.port import Capability, Endpoint, Identity, Op, Stolen
from loadgen.targets.rest import Rest, failure, tls_context
from scenarios.detection.audit import AuditEvent
from scenarios.errors import (
    TargetProtocol,
    TargetRefused,
    TargetUnavailable,
    UsageError,
)

_CAPABILITIES = {
    Op.ISSUE_X509: Capability.X509_SVID,
    Op.ISSUE_JWT: Capability.JWT_SVID,
    Op.ISSUE_KEY: Capability.STATIC_KEY,
    Op.AUTHORIZE: Capability.AUTHORIZE,
    Op.REVOKE: Capability.REVOKE,
}
_OK = 200


class HttpTarget:
    """Any REST service that a TOML file describes.

    Args:
        file: the description.
        url: used instead of the description's, for instance because a port was chosen freely.
        audit_file: the same for the audit log.
        allowed_urls: URLs outside this machine that may be loaded.

    Raises:
        ScenarioError: faults of the description.
        UsageError: a missing environment variable, certificate or key.
    """

    name = "http"

    def __init__(
        self,
        *,
        file: Path,
        url: str = "",
        audit_file: str = "",
        allowed_urls: Collection[str] = (),
    ) -> None:
        self._file = file
        self._description: Description = read_description(file)
        base = url or self._description.url
        self._base = base.rstrip("/")
        self._allowed_urls = allowed_urls
        timeout_s = self._description.timeout_s
        self._rest = Rest(self.name, base, context=self._tls(), timeout_s=timeout_s)
        present = self._description.operations.present()
        found = {_CAPABILITIES[Op(name)] for name in present}
        if self._description.task_scope:
            found.add(Capability.TASK_SCOPE)
        if self._description.tls.cert_file:
            found.add(Capability.MTLS)
        audit = self._description.audit
        self._audit = audit and (audit.model_copy(update={"file": audit_file or audit.file}))
        self.audit_fields: frozenset[str] = frozenset()
        if audit is not None:
            found.add(Capability.AUDIT)
            self.audit_fields = audit_fields(audit, task_scope=self._description.task_scope)
        self._audit_start = 0
        self._stopping = threading.Event()
        self.capabilities = frozenset(found)
        self._templates = {
            name: Template(request, self._host, self._rest.prefix)
            for name, request in present.items()
        }
        self._secret = self._read_secret()
        self._token = ""
        self._plan: dict[str, Any] = {}

    @property
    def _host(self) -> str:
        return f"{self._rest.host}:{self._rest.port}"

    def _tls(self) -> ssl.SSLContext | None:
        tls = self._description.tls
        context = tls_context(tls.ca_file)
        if tls.cert_file:
            context = context or ssl.create_default_context()
            try:
                context.load_cert_chain(tls.cert_file, tls.key_file)
            except (OSError, ssl.SSLError) as exc:
                raise UsageError(f"{tls.cert_file}: cannot be used as certificate and key") from exc
        return context

    def _read_secret(self) -> str:
        source = self._description.token
        if source is None:
            return ""
        secret = os.environ.get(source.client_secret_env)
        if not secret:
            raise UsageError(
                f"{self._file}: token.client_secret_env: {source.client_secret_env} is not set; "
                f"export {source.client_secret_env}=…"
            )
        return secret

    def setup(self, workdir: Path, trust_domain: str) -> None:  # noqa: ARG002
        """See that the service is healthy and fetch our own token.

        Raises UsageError when a URL is not on this machine and nobody allowed it.
        """
        refuse_foreign(self.endpoint(), self._allowed_urls)
        health = self._description.health
        answer = self._rest.answer(health.method, health.path)
        if answer.status not in health.status:
            wanted = " or ".join(map(str, health.status))
            raise TargetUnavailable(
                f"{self.name}: {self._rest.where}{health.path} answers {answer.status}, "
                f"expected {wanted}"
            )
        self._token = self._fetch_token()
        self._audit_start = self._end_of_audit()

    def _fetch_token(self) -> str:
        source = self._description.token
        if source is None:
            return ""
        url = source.url if "://" in source.url else self._base + source.url
        rest = Rest(self.name, url, context=self._tls(), timeout_s=self._rest.timeout_s)
        refuse_foreign(Endpoint(rest.host, rest.port, tls=rest.tls), self._allowed_urls)
        answer = rest.answer("POST", "", *self._token_request(source))
        if answer.status != _OK:
            raise TargetUnavailable(
                f"{self.name}: {url} answers {answer.status} to a token request"
            )
        try:
            found = msgspec.json.decode(answer.body, type=_TokenAnswer)
        except msgspec.DecodeError as exc:
            raise TargetProtocol(f"{self.name}: {url}: the answer holds no token") from exc
        return found.access_token

    def _token_request(self, source: ClientCredentials) -> tuple[bytes, dict[str, str]]:
        form = {"grant_type": "client_credentials"}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if source.scope:
            form["scope"] = source.scope
        if source.auth == "basic":
            pair = f"{quote_plus(source.client_id)}:{quote_plus(self._secret)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            form |= {"client_id": source.client_id, "client_secret": self._secret}
        return urlencode(form).encode(), headers

    def provision(self, identities: list[Identity], ttl_s: float | None, task_scope: bool) -> None:
        """Note who asks; the service is expected to know them already.

        Raises TargetUnavailable when it no longer answers, TargetRefused for a scope that it lacks.
        """
        if task_scope and not self._description.task_scope:
            raise TargetRefused(f"{self.name}: {self._file}: task_scope is not described")
        self._rest.reach()
        config = Config(
            file=str(self._file.absolute()),
            host=self._host,
            prefix=self._rest.prefix,
            token=self._token,
            ttl_s=ttl_s,
            task_scope=task_scope,
            agents=agents(identities),
        )
        self._plan = cast("dict[str, Any]", msgspec.to_builtins(config))

    def endpoint(self) -> Endpoint:
        """Return where the described requests go."""
        tls = self._description.tls
        return Endpoint(
            self._rest.host,
            self._rest.port,
            tls=self._rest.tls,
            ca_file=tls.ca_file,
            server_name=self._rest.host,
            cert_file=tls.cert_file,
            key_file=tls.key_file,
        )

    def wire_plan(self) -> dict[str, Any]:
        """Return the ``wire.Config``, as plain JSON data."""
        return self._plan

    def version(self) -> dict[str, str]:
        """Return what the description calls it, and where it is."""
        return {"name": self.name, "title": self._description.title, "url": self._rest.where}

    def _end_of_audit(self) -> int:
        """Return where the log ends now: what was written before the run is not ours."""
        if self._audit is None:
            return 0
        try:
            with Path(self._audit.file).open("rb") as log:
                return log.seek(0, os.SEEK_END)
        except OSError as exc:
            raise TargetUnavailable(
                f"{self.name}: audit.file: {self._audit.file} cannot be read ({exc.strerror})"
            ) from exc

    def audit_stream(self, zero_monotonic_s: float) -> Iterator[AuditEvent]:
        """Follow the described log from where it ended at set-up; nothing without one."""
        if self._audit is None:
            return iter(())
        return follow(self.name, self._audit, self._audit_start, zero_monotonic_s, self._stopping)

    def revoke(self, identity: str, serial: str) -> None:
        """Send the described revocation. Raises TargetRefused when it fails or there is none."""
        request = self._description.operations.revoke
        if request is None:
            raise TargetRefused(f"{self.name}: {self._file}: operations.revoke is not described")
        values = {"identity": identity, "serial": serial, "token": self._token}
        path, headers, body = self._templates[Op.REVOKE].parts(values)
        answer = self._rest.answer(
            request.method, path.removeprefix(self._rest.prefix), body or None, headers
        )
        if answer.status not in request.status:
            raise TargetRefused(f"{self.name}: revocation of {serial} answered {answer.status}")

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:
        """Send the described use with a stolen credential, from another source address."""
        held = Held(stolen.secret["credential"], stolen.serial, stolen.issued_s, stolen.expires_s)
        values = stolen.secret | use_values(permission, held)
        template = self._templates[Op.AUTHORIZE]
        path, headers, body = template.parts(values)
        path = path.removeprefix(self._rest.prefix)
        try:
            answer = self._rest.exchange(template.method, path, body or None, headers, origin)
        except (OSError, http.client.HTTPException) as exc:
            return failure(self.name, self._rest.where, exc)[0]
        return use_code(self._description.operations.authorize, answer.status, answer.body)

    def teardown(self) -> None:
        """Leave the service alone: we did not start it."""
        self._stopping.set()


class _TokenAnswer(msgspec.Struct):
    access_token: str
