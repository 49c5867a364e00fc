"""What a role may do against what its tasks need: over-privilege, and what no task may need."""

from collections.abc import Iterator

from scenarios.errors import Problem
from scenarios.spec.regime import Enforcer, Regime, Scope
from scenarios.spec.schema import Scenario, Workload

CANARIES = "canary:"
"""resource of the permissions that nobody needs"""


def scoped(regime: Regime) -> bool:
    """Return whether a document opens one task's permissions only, and not by its holder's word."""
    enforced = regime.scope_enforced_by is not Enforcer.NOBODY
    return regime.scope is Scope.ONE_TASK and enforced


def problems(workload: Workload, key: str) -> Iterator[Problem]:
    """Yield what a class may not be granted: less than its tasks need, or a canary.

    Args:
        workload: the class.
        key: its path in the scenario.
    """
    if workload.granted is None:
        return
    for task in workload.tasks:
        lacking = sorted(set(task.permissions) - set(workload.granted))
        if lacking:
            yield Problem(
                f"{key}.granted",
                f"no {lacking[0]!r}",
                f"must hold what its tasks need, and task {task.name!r} needs it",
            )
    for permission in workload.granted:
        if permission.startswith(CANARIES):
            yield Problem(
                f"{key}.granted",
                f"{permission!r}",
                f"nobody may be granted a canary: {CANARIES}… opens nothing and alerts",
            )


def warnings(scenario: Scenario) -> Iterator[str]:
    """Yield a line for each class that is granted what no task of it needs."""
    wide = [regime.name for regime in scenario.regimes if not scoped(regime)]
    for workload in scenario.workloads:
        unneeded = [p for p in workload.held if p not in workload.needed]
        if not unneeded:
            continue
        sums = (
            f"{workload.name}: granted {len(workload.held)}, tasks need {len(workload.needed)}: "
            f"{len(unneeded)} that no task needs, for example {unneeded[0]}"
        )
        if wide:
            yield f"{sums}; a stolen credential opens them under {', '.join(wide)}"
        else:
            yield f"{sums}; no regime here has a credential that opens them"
