"""Locust's usual users, in a closed loop: a locustfile for the bench's comparison.

``PACE`` in the environment says how a user waits: ``none``; ``constant:S`` (wait S seconds after
each answer); ``throughput:R`` (Locust's ``constant_throughput``, R requests/s a user).
"""

import os

from locust import FastHttpUser, constant, constant_throughput, task

_kind, _, _value = os.environ.get("PACE", "none").partition(":")


class ClosedLoop(FastHttpUser):
    """Asks, waits for the answer, asks again."""

    if _kind == "constant":
        wait_time = constant(float(_value))
    elif _kind == "throughput":
        wait_time = constant_throughput(float(_value))

    @task
    def ask(self) -> None:
        """One request."""
        self.client.get("/")
