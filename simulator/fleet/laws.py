"""The model's laws, made callable from kernels: the very objects that the reference calls."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from numba.extending import overload

from scenarios.demand import initial, switches
from scenarios.spec import rules
from simulator import restarts
from simulator.fleet.memory import PART

P = ParamSpec("P")
R = TypeVar("R")


def compilable(law: Callable[P, R], inline: bool = False) -> Callable[P, R]:
    """Return a law, unchanged for Python, that compiled code may call as well."""

    @overload(
        law,
        inline="always" if inline else "never",
        jit_options=PART,
        strict=False,
    )
    def _compiled(*_args: Any, **_options: Any) -> Any:  # noqa: ANN401
        return law

    return law


expiry = compilable(rules.expiry)
ca_number = compilable(rules.ca_number)
ca_truncation = compilable(rules.ca_truncation)
trusted_from = compilable(rules.trusted_from)
usable_from = compilable(rules.usable_from)
polled_age = compilable(rules.polled_age)
passed_over = compilable(rules.passed_over)
availability_age = compilable(rules.availability_age)
age_by_hand = compilable(rules.age_by_hand)
stationary_age_by_hand = compilable(rules.stationary_age_by_hand)
renewal_age = compilable(rules.renewal_age)
stationary_position = compilable(rules.stationary_position)
restart_gap = compilable(restarts.restart_gap)
entry_delay = compilable(restarts.entry_delay)
node_delay = compilable(restarts.node_delay)
backoff_delay = compilable(rules.backoff_delay)
next_sync = compilable(rules.next_sync)
sync_gap = compilable(rules.sync_gap)
limiter = compilable(rules.limiter)
hour_of_day = compilable(rules.hour_of_day)
gap = compilable(switches.gap, inline=True)
task_at = compilable(switches.task_at)
active_at = compilable(switches.active_at)
kept_at = compilable(switches.kept_at)
polled_life = compilable(initial.polled_life)
initial_slot = compilable(initial.initial_slot)
by_own_clock = compilable(initial.by_own_clock)
walked_slot = compilable(initial.walked_slot)
