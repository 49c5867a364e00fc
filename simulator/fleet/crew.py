"""The threads that share the parts of a piece of work on the fleet."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from simulator.fleet.layout import PARTS


def available_threads() -> int:
    """Return how many threads this machine runs at once for us, at most 8."""
    if hasattr(os, "sched_getaffinity"):
        return min(8, len(os.sched_getaffinity(0)))
    return min(8, os.cpu_count() or 1)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="fleet")


class Crew:
    """Threads that take parts of a work one by one; who takes which changes no result.

    Args:
        threads: how many, the caller's own included.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def start(self, piece: Callable[[int], None], worthwhile: bool = True) -> Callable[[], None]:
        """Start all parts of a work on the other threads; what is returned joins in and waits.

        Args:
            piece: does one part, given its number below ``PARTS``.
            worthwhile: whether there is enough to do for more than the caller's thread.
        """
        parts = iter(range(PARTS))  # next() is atomic

        def work() -> None:
            for part in parts:
                piece(part)

        helpers = self._threads - 1 if worthwhile else 0
        others = [_pool(self._threads).submit(work) for _ in range(helpers)]

        def join() -> None:
            work()
            for other in others:
                other.result()

        return join
