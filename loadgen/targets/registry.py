"""Every target by name; an adapter is imported when it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
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
            "openbao",
            "OpenBao's PKI, OIDC tokens, ACL and audit device (extra: openbao)",
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
        ),
        Known(
            "http",
            "any REST service, described in a TOML file",
            "loadgen.targets.http.target",
            "HttpTarget",
            "loadgen.targets.http.wire",
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


def find(name: str) -> Known:
    """Return a target by name. Raises UsageError naming the known ones."""
    known = TARGETS.get(name)
    if known is None:
        raise UsageError(f"target: found {name}, known are {', '.join(TARGETS)}")
    return known


def make_target(name: str, **options: Any) -> Target:  # noqa: ANN401  (each target has its own)
    """Return a new target; ``options`` are its class's.

    Raises UsageError for an unknown name, TargetUnavailable when its extra is not installed.
    """
    known = find(name)
    try:
        factory = getattr(import_module(known.module), known.factory)
    except ModuleNotFoundError as exc:
        raise TargetUnavailable(
            f"{name}: {exc.name} is not installed; try: pip install 'midas[{name}]'"
        ) from exc
    return cast("Callable[..., Target]", factory)(**known.options, **options)


def make_wire(name: str, config: dict[str, Any]) -> Wire:
    """Return the wire of a target, as the generator makes it. Raises UsageError."""
    module = import_module(find(name).wire_module)
    return cast("Callable[[dict[str, Any]], Wire]", module.wire)(config)
