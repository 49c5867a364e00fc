"""What benches of services share: whom they serve, which process answers, what it uses."""

from contextlib import suppress
from pathlib import Path

import psutil

from loadgen.targets.port import Identity, Op, Target, Wire
from loadgen.targets.registry import make_wire
from scenarios.errors import TargetProtocol

AGENTS = 64
TTL_S = 3600.0
WARM_UP = 300
TRUST_DOMAIN = "bench.example"
PERMISSIONS = {"routine": ("ticket:read", "ticket:write"), "night": ("incident:write",)}


def provisioned(target: Target, issue: Op) -> Wire:
    """Register the agents for what ``issue`` issues, and return the wire that speaks for them."""
    scheme = "key://support/" if issue is Op.ISSUE_KEY else f"spiffe://{TRUST_DOMAIN}/support/"
    agents = [Identity(n, f"{scheme}{n}", "support", PERMISSIONS) for n in range(AGENTS)]
    target.provision(agents, None if issue is Op.ISSUE_KEY else TTL_S, False)
    wire = make_wire(target.name, target.wire_plan())
    wire.prepare()
    return wire


def server_of(target: Target) -> psutil.Process:
    """Return the process of ours that listens where the target says. Raises TargetProtocol."""
    port = target.endpoint().port
    for child in psutil.Process().children(recursive=True):
        for connection in child.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return child
    raise TargetProtocol(f"bench: {target.name} has no process that listens at {port}")


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU time that a process has used, to the nanosecond where the kernel tells."""
    with suppress(OSError, ValueError, IndexError):
        tasks = Path(f"/proc/{process.pid}/task").iterdir()
        used_ns = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
        if used_ns:
            return used_ns / 1e9
    times = process.cpu_times()
    return float(times.user + times.system)
