"""The token bucket: never more than its size and its time, never a token too few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistance.model import Bucket

RATES = st.one_of(st.floats(0.001, 1), st.floats(1, 500), st.sampled_from([1 / 3600, 0.1, 1 / 3, 1.0, 7.0]))
GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 100)), max_size=60)


@given(RATES, GAPS, st.booleans())
def test_no_span_sees_more_than_a_full_bucket_and_the_rate(rate: float, gaps: list[float], patient: bool):  # noqa: FBT001
    """Patient or not, a caller gets at most the size of the bucket and the span times the rate."""
    bucket, arrival, now, times = Bucket(rate), 0.0, 1e6, []
    for gap in gaps:
        now += gap
        if patient:
            now += bucket.wait(arrival, now)
        if not bucket.wait(arrival, now):
            arrival = bucket.spend(arrival, now)
            times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= bucket.size + (times[last] - start) * rate + 1e-4


@given(RATES, st.integers(1, 50))
def test_to_wait_as_long_as_it_says_is_enough(rate: float, messages: int):
    """One wait a token: rounding makes nobody wake too early and wait again."""
    bucket, arrival, now = Bucket(rate), 0.0, 1e6
    for _ in range(messages):
        now += bucket.wait(arrival, now)
        assert bucket.wait(arrival, now) == 0.0
        arrival = bucket.spend(arrival, now)


def test_a_full_bucket_holds_a_second_and_one_token_at_least():
    """A rate of five gives five at once, a rate of one in ten seconds gives one."""
    assert Bucket(5).tokens(0.0, 100.0) == 5
    assert Bucket(0.1).tokens(0.0, 100.0) == 1
    assert Bucket(5).tokens(Bucket(5).spend(0.0, 100.0, 5), 100.0) == 0
    assert Bucket(5).wait(Bucket(5).spend(0.0, 100.0, 5), 100.0) == pytest.approx(0.2)
