"""``python -m loadgen.service``: the service as a child process on a leash.

Prints one JSON line (``server.Ready``) when it accepts connections, one line on stderr when it
cannot, and ends when its stdin closes or on SIGTERM.
"""

import argparse
import sys
from pathlib import Path

from loadgen.ledger.notary import EVERY_LINES, EVERY_S
from loadgen.service.server import Ready, ServiceConfig, serve
from scenarios.errors import MidasError


def _announce(ready: Ready) -> None:
    sys.stdout.write(ready.json() + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the service; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadgen.service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--mtls-port", type=int, default=0, help="0: a free one")
    parser.add_argument("--data", type=Path, help="folder for audit log and root certificate")
    parser.add_argument("--ephemeral", action="store_true", help="remove the folder at the end")
    parser.add_argument("--trust-domain", default="example.org")
    parser.add_argument("--policies", type=Path, help="file of further Cedar policies")
    parser.add_argument("--power-safe", action="store_true", help="fsync every audit commit")
    parser.add_argument("--tamper-evident", type=Path, help="file of signed checkpoints")
    parser.add_argument("--checkpoint-lines", type=int, default=EVERY_LINES)
    parser.add_argument("--checkpoint-s", type=float, default=EVERY_S)
    try:
        serve(ServiceConfig(**vars(parser.parse_args(arguments))), _announce, leash=True)
    except MidasError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
