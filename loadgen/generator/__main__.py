"""``python -m loadgen.generator RUNDIR [LOCUST OPTION]…``: run a plan under Locust's own CLI.

Without options: headless, ``plan.workers`` processes. Any option of Locust may follow, for
example ``--autostart --web-port 8089`` for its web UI, ``--csv PREFIX``, or ``--master`` and
``--worker`` for more machines (each with a copy of RUNDIR). What is said on stdin and stdout:
``loadgen/generator/protocol.py``.
"""

import os

# one core is what a generator gets; idle BLAS threads would only take turns with it
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import locust  # noqa: I001  (before others: it patches the standard library for gevent)

import socket
import sys
from pathlib import Path

import locust.main

from loadgen.generator.plan import read_plan
from loadgen.generator.protocol import (
    Line,
)
from loadgen.lines import Fault, encode
from loadgen.generator.schedule import load_schedule
from scenarios.errors import InputError


def main(arguments: list[str]) -> int:
    """Check the run folder, then hand over to Locust."""
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m loadgen.generator RUNDIR [LOCUST OPTION]...\n")
        return 2
    rundir, options = Path(arguments[0]), arguments[1:]
    # our lines get stdout for themselves; whatever else is printed goes to stderr
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        plan = read_plan(rundir)
        load_schedule(rundir, plan)
    except InputError as error:
        os.write(output, encode(Line(error=Fault(str(error), 2))))
        sys.stderr.write(f"{error}\n")
        return 2
    sys.argv = [
        "locust",
        "-f",
        str(Path(__file__).with_name("locustfile.py")),
        "--rundir",
        str(rundir),
        "--protocol-fd",
        str(output),
        "--only-summary",
        *_topology(plan.workers, options),
        *options,
    ]
    locust.main.main()  # never returns: it exits with the code that the coordinator has set
    return 0


def _topology(workers: int, options: list[str]) -> list[str]:
    if "--worker" in options:
        return []
    chosen = ["-u", str(workers), "-r", str(workers)]
    if "--autostart" not in options:
        chosen.append("--headless")
    if workers > 1 and "--master" not in options:
        port = str(_free_port())
        # the workers are forked by Locust; each closes the write end, so the master alone holds it
        held, let_go = os.pipe()
        chosen += ["--processes", str(workers), "--leash-fd", str(held), str(let_go)]
        chosen += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        chosen += ["--master-host", "127.0.0.1", "--master-port", port]
    return chosen


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
