"""The model's laws, made callable from kernels: the very objects that the reference calls.

``register_jitable`` leaves a function as it is for Python and lets compiled code call it.
"""

from numba.extending import register_jitable

from scenarios.demand import initial, switches
from scenarios.spec import rules


for law in (
    rules.expiry,
    rules.polled_age,
    rules.renewal_age,
    rules.stationary_position,
    rules.backoff_delay,
    rules.hour_of_day,
    switches.gap,
    switches.task_at,
    switches.active_at,
    initial.polled_life,
    initial.initial_slot,
):
    register_jitable(law)
