"""Messages between workers and coordinator, in Locust's own channel.

They work alike within one process and between machines:

========================  =================================================================
worker → coordinator      ``midas-ready``, ``midas-progress``, ``midas-stolen``, ``midas-rows``,
                          ``midas-replaced``
coordinator → worker      ``midas-start``, ``midas-steal``, ``midas-replace``, ``midas-stop``
========================  =================================================================
"""

from collections.abc import Callable
from typing import Any

from locust.runners import Runner

Data = dict[str, Any]
NOTHING = "nothing"
"""a worker's answer to an order about a credential that it does not hold"""


def listen(runner: Runner, kind: str, take: Callable[[str, Data], None]) -> None:
    """Have ``take(sender, data)`` called for each message of one kind."""

    def on_message(**message: Any) -> None:  # noqa: ANN401  (Locust's signature, by keyword)
        take(message["msg"].node_id, message["msg"].data)

    runner.register_message(kind, on_message)
