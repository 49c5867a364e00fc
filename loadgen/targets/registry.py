"""Every target by name; an adapter is imported when it is asked for."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from loadgen.targets.port import Target, Wire
from scenarios.errors import TargetUnavailable, UsageError


@dataclass(frozen=True, slots=True)
class Known:
    """A target of this build."""

    name: str
    summary: str
    """one line for help"""
    module: str
    factory: str
    wire_module: str
    options: dict[str, Any] = field(default_factory=dict)
    """fixed for this name"""
    argument: str = ""
    """option that stands behind the name and a colon, as in ``http:orders.toml``"""
    convert: Callable[[str], Any] = str

    @property
    def usage(self) -> str:
        """How it is written on a command line."""
        return f"{self.name}:{self.argument.upper()}" if self.argument else self.name


TARGETS: dict[str, Known] = {
    known.name: known
    for known in (
        Known(
            "embedded",
            "the identity service that comes with midas",
            "loadgen.targets.embedded.target",
            "EmbeddedTarget",
            "loadgen.targets.embedded.wire",
        ),
        Known(
            "embedded-mtls",
            "the same over mutual TLS: handshakes are measured too",
            "loadgen.targets.embedded.target",
            "EmbeddedTarget",
            "loadgen.targets.embedded.wire",
            {"mtls": True},
        ),
        Known(
            "embedded-tamper-evident",
            "the same with signed checkpoints of its audit log, verified at the end",
            "loadgen.targets.embedded.target",
            "EmbeddedTarget",
            "loadgen.targets.embedded.wire",
            {"tamper_evident": True},
        ),
        Known(
            "openbao",
            "OpenBao's PKI, OIDC tokens, ACL and audit device",
            "loadgen.targets.openbao.target",
            "OpenBaoTarget",
            "loadgen.targets.openbao.wire",
        ),
        Known(
            "authzen",
            "any AuthZEN 1.0 decision point, by its URL",
            "loadgen.targets.authzen.target",
            "AuthZenTarget",
            "loadgen.targets.authzen.wire",
            argument="url",
        ),
        Known(
            "http",
            "any REST service, described in a TOML file",
            "loadgen.targets.http.target",
            "HttpTarget",
            "loadgen.targets.http.wire",
            argument="file",
            convert=Path,
        ),
        Known(
            "spire",
            "SPIRE itself, built and started for the run",
            "loadgen.targets.spire.target",
            "SpireTarget",
            "loadgen.targets.spire.wire",
        ),
    )
}


def find(text: str) -> Known:
    """Return the target that ``NAME`` or ``NAME:ARGUMENT`` names.

    Raises UsageError naming the known ones.
    """
    name = text.partition(":")[0]
    known = TARGETS.get(name)
    if known is None:
        usages = ", ".join(known.usage for known in TARGETS.values())
        raise UsageError(f"target: found {text}, known are {usages}")
    return known


def make_target(text: str, *, allowed_urls: Collection[str] = (), **options: Any) -> Target:  # noqa: ANN401  (each target has its own)
    """Return a new target.

    Args:
        text: ``NAME`` or ``NAME:ARGUMENT``, for instance ``authzen:http://127.0.0.1:8080``.
        allowed_urls: URLs outside this machine that may be loaded.
        options: further ones of the target's class.

    Raises:
        UsageError: an unknown name, an argument too many or none where one is needed.
        TargetUnavailable: a library that it needs is not installed.
        ScenarioError: faults of the file that the argument names.
    """
    known = find(text)
    _, _, argument = text.partition(":")
    given = {**known.options, **options}
    if known.argument:
        if argument:
            given[known.argument] = known.convert(argument)
        if known.argument not in given:
            raise UsageError(f"target: found {text}, must be {known.usage}")
        given["allowed_urls"] = allowed_urls
    elif argument:
        raise UsageError(f"target: found {text}, {known.name} takes no argument")
    try:
        factory = getattr(import_module(known.module), known.factory)
    except ModuleNotFoundError as exc:
        raise TargetUnavailable(
            f"{known.name}: {exc.name} is not installed; set midas up again: make setup"
        ) from exc
    return cast("Callable[..., Target]", factory)(**given)


def make_wire(name: str, config: dict[str, Any]) -> Wire:
    """Return the wire of a target, as the generator makes it. Raises UsageError."""
    module = import_module(find(name).wire_module)
    return cast("Callable[[dict[str, Any]], Wire]", module.wire)(config)
