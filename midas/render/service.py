"""Where a started service is found."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadgen.service.server import Ready


def lines(ready: "Ready") -> Iterator[str]:
    """Return addresses, the token that administers it, and what to try."""
    base = f"http://{ready.host}:{ready.port}"
    yield f"Listening on {base} (mTLS on {ready.mtls_port}), trust domain {ready.trust_domain}"
    yield f"Admin token {ready.admin_token}"
    yield f"Audit log {ready.audit_file}\nRoot certificate {ready.ca_file}"
    if ready.checkpoints_file:
        yield f"Checkpoints {ready.checkpoints_file}\nPublic key {ready.public_key}"
    yield f"Next: curl {base}/openapi.json; stop with Ctrl-C"
