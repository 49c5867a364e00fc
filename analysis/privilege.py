"""Over-privilege: what a stolen credential opens against what the robbed workload needs."""

from bisect import bisect_right
from itertools import accumulate

from analysis import estimators
from analysis.part import ISSUER_KEY, Part
from scenarios.record.estimate import Estimate


def over_privilege(part: Part) -> dict[str, Estimate]:
    """Return the permissions that a theft opens for each that the robbed agent's tasks need.

    1 is a credential for all tasks that can do no more than these; less, one for a single task.
    Only where the scenario says what is granted, and not of the issuer's key, which is everybody's.
    """
    workloads = part.manifest.scenario.get("workloads", ())
    said = any(workload.get("granted") is not None for workload in workloads)
    if part.manifest.world == "measured" or not said:
        return {}
    ends = list(accumulate(workload["count"] for workload in workloads))
    needed = [len({p for task in w["tasks"] for p in task["permissions"]}) for w in workloads]
    ratios = [
        theft.permissions / needed[bisect_right(ends, theft.agent)]
        for theft in part.thefts
        if theft.persona != ISSUER_KEY
    ]
    return {"over_privilege_ratio": estimators.mean(ratios, "1")}
