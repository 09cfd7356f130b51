"""Never faster than a channel may be sent to."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dispatch.stage import Stage

from assistance.dispatch.lane import carried_over
from assistance.model import Bucket

PACES = st.one_of(
    st.floats(0.001, 1), st.floats(1, 500), st.sampled_from([1 / 3600, 1 / 60, 0.1, 1 / 3, 1.0, 7.0, 20.0])
)
GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 100)), max_size=60)


def sent(bucket: Bucket, arrival: float, now: float, gaps: list[float]) -> tuple[list[float], float]:
    """When messages went that came so provider apart, each after its wait, and what the bucket remembers then."""
    times = []
    for gap in gaps:
        now += gap
        now += bucket.wait(arrival, now)
        arrival = bucket.spend(arrival, now)
        times.append(now)
    return times, arrival


def never_above(times: list[float], per_second: float) -> None:
    bucket = max(1.0, per_second)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= bucket + (times[last] - start) * per_second + 1e-6


@given(PACES, PACES, GAPS, GAPS)
def test_a_reload_gives_nobody_a_second_bucket(before: float, after: float, gaps: list[float], more: list[float]):
    """What is sent after the pace was changed keeps the new one, whatever was saved up under the old."""
    times, arrival = sent(Bucket(before), 0.0, 0.0, gaps)
    now = times[-1] if times else 0.0
    held = Bucket(before).tokens(arrival, now)
    arrival = carried_over(before, after, arrival, now)
    assert Bucket(after).tokens(arrival, now) == pytest.approx(min(held, Bucket(after).size), abs=1e-6)
    never_above(sent(Bucket(after), arrival, now, more)[0], after)


async def test_a_lane_keeps_its_pace_over_a_backlog(stage: Stage):
    """Sixty messages that wait go out one a second, and none is left behind."""
    provider = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    for _ in range(60):
        await stage.ask()
    await stage.go_on(64, 0.25)
    assert len(provider.delivered) == 60
    never_above(provider.times, 1.0)


async def test_a_slow_provider_does_not_slow_the_pace(stage: Stage):
    """Answers that take four seconds are waited for side by side."""
    provider = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    provider.always = asyncio.Event()
    for _ in range(20):
        await stage.ask()
    await stage.go_on(10, 0.25)
    assert len(provider.tried) >= 10


async def test_a_pace_of_one_an_hour_is_mended_by_a_reload(stage: Stage):
    """Nobody waits an hour for a mistake in the routing file that was corrected."""
    provider = stage.add_channel("slack", pace="1/h")
    await stage.reload()
    for _ in range(3):
        await stage.ask()
    await stage.go_on(5)
    assert len(provider.delivered) == 1
    stage.add_channel("slack", pace="10/s")
    await stage.reload()
    await stage.go_on(3)
    assert len(provider.delivered) == 3
