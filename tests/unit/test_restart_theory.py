"""The closed forms of restarts at their limits, and against plain sampling."""

import numpy as np
import pytest

from simulator import restart_theory


def test_without_restarts_a_document_is_held_until_its_renewal() -> None:
    assert restart_theory.restarted_cycle(600.0, 1e-9) == pytest.approx(600.0, rel=1e-6)
    assert restart_theory.restarted_age(600.0, 1e-6) == pytest.approx(300.0, rel=1e-3)


def test_with_many_restarts_only_they_count() -> None:
    assert restart_theory.restarted_cycle(600.0, 1.0) == pytest.approx(1.0)
    assert restart_theory.restarted_age(600.0, 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("reload_s", "sync_s"), [(5.0, 5.0), (20.0, 3.0)])
def test_the_share_known_by_a_time_is_that_of_two_uniform_waits(
    reload_s: float, sync_s: float
) -> None:
    rng = np.random.default_rng(1)
    waits_s = rng.uniform(0, reload_s, 40_000) + rng.uniform(0, sync_s, 40_000)
    for wait_s in np.linspace(0.5, reload_s + sync_s, 6):
        expected = restart_theory.entry_share(float(wait_s), reload_s, sync_s)
        assert abs((waits_s <= wait_s).mean() - expected) < 4 * 0.5 / np.sqrt(40_000)
        assert restart_theory.entry_quantile(expected, reload_s, sync_s) <= wait_s + 1e-9
    assert restart_theory.entry_share(reload_s + sync_s, reload_s, sync_s) == pytest.approx(1.0)


def test_a_herd_before_a_large_issuer_waits_for_its_entries_only() -> None:
    assert restart_theory.herd_wait(1e4, 30.0, 5.0, 5.0, 1e9) == pytest.approx(5.0)


def test_a_sudden_herd_waits_half_of_what_it_takes_to_serve_it() -> None:
    """All ask within 3 ms what takes 100 s to serve: the mean of a uniform place in the queue."""
    wait_s = restart_theory.herd_wait(1e4, 1e-3, 1e-3, 1e-3, 100.0)
    assert wait_s == pytest.approx(50.0, rel=0.01)
