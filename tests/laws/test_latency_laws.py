"""Laws of merged histograms: order and grouping do not matter, and nothing is lost."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.latency import decode, latencies, merge, percentile
from tests.records import histogram, operation

LATENCIES = st.lists(st.floats(1e-6, 3000.0), min_size=1, max_size=30)
SHARES = (0.0, 0.5, 0.9, 0.99, 1.0)


def percentiles(data: list[list[float]]) -> list[int]:
    merged = merge([decode(histogram(values)) for values in data])
    return [merged.get_value_at_percentile(100 * share) for share in SHARES]


@settings(max_examples=20, deadline=None)
@given(st.lists(LATENCIES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_merge_is_the_histogram_of_all_in_whatever_order(
    data: list[list[float]], rng: Random
) -> None:
    whole = percentiles([[value for values in data for value in values]])
    shuffled = list(data)
    rng.shuffle(shuffled)
    assert percentiles(data) == percentiles(shuffled) == whole


@settings(max_examples=20, deadline=None)
@given(st.lists(LATENCIES, min_size=1, max_size=6))
def test_a_percentile_lies_between_the_extremes_and_rises(data: list[list[float]]) -> None:
    found = latencies(operation("op", values, batch=batch) for batch, values in enumerate(data))
    assert found is not None
    assert found.count == sum(len(values) for values in data)
    values = [percentile(found, share)[0].value for share in (0.01, 0.5, 0.95, 0.99)]
    assert values == sorted(values)
    everything = [value for values in data for value in values]
    assert min(everything) * 0.998 - 1e-6 <= values[0]
    assert values[-1] <= max(everything) * 1.002 + 1e-6
