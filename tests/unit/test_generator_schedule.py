"""The shares of the workers are a partition; batches follow the intended start."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.generator.schedule import Schedule, batch_of


def _schedule(agents: list[int]) -> Schedule:
    n = len(agents)
    return Schedule(
        np.arange(n, dtype=np.float64),
        np.array(agents, np.int64),
        np.zeros(n, np.int32),
        np.zeros(n, np.uint8),
    )


@given(
    agents=st.lists(st.integers(0, 50), min_size=1, max_size=200),
    workers=st.integers(1, 5),
    by=st.sampled_from(["agent", "arrival"]),
)
def test_shares_are_a_partition_in_order(agents: list[int], workers: int, by: str) -> None:
    schedule = _schedule(agents)
    shares = [
        schedule.share(i, workers, "agent" if by == "agent" else "arrival") for i in range(workers)
    ]
    together = np.sort(np.concatenate([share.t_s for share in shares]))
    assert (together == schedule.t_s).all()
    assert all((np.diff(share.t_s) > 0).all() for share in shares)


@given(agents=st.lists(st.integers(0, 50), min_size=1, max_size=200), workers=st.integers(2, 5))
def test_an_agent_stays_in_one_worker(agents: list[int], workers: int) -> None:
    schedule = _schedule(agents)
    seen = [set(schedule.share(i, workers, "agent").agent.tolist()) for i in range(workers)]
    assert sum(len(each) for each in seen) == len(set(agents))


def test_every_nth_arrival() -> None:
    share = _schedule([7, 7, 7, 7, 7]).share(1, 2, "arrival")
    assert share.t_s.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("t_s", "batch"),
    [(0.0, -1), (1.999, -1), (2.0, 0), (3.999, 0), (4.0, 1), (9.999, 3), (10.0, 3), (11.0, 3)],
)
def test_batches(t_s: float, batch: int) -> None:
    assert batch_of(np.array([t_s]), warmup_s=2.0, seconds=10.0, batches=4).tolist() == [batch]
