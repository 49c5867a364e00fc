"""The embedded identity service: X.509- and JWT-SVIDs, static keys, AuthZEN, append-only audit."""

from loadgen.service.server import Ready, ServiceConfig, serve

__all__ = ["Ready", "ServiceConfig", "serve"]
