"""Never faster than a channel may be sent to."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.dispatch.stage import Stage

from assistance.dispatch.pace import Pace

PACES = st.one_of(
    st.floats(0.001, 1), st.floats(1, 500), st.sampled_from([1 / 3600, 1 / 60, 0.1, 1 / 3, 1.0, 7.0, 20.0])
)
GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 100)), max_size=60)


def sent(pace: Pace, now: float, gaps: list[float], *, patient: bool = True) -> list[float]:
    """When messages went that came so far apart: each waits for its turn, or is not there any more."""
    times = []
    for gap in gaps:
        now += gap
        while patient and (wait := pace.wait(now)):
            now += wait
        if not pace.wait(now):
            pace.spend()
            times.append(now)
    return times


def never_above(times: list[float], per_second: float) -> None:
    bucket = max(1.0, per_second)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= bucket + (times[last] - start) * per_second + 1e-6


@given(PACES, GAPS, st.floats(0, 1e6))
def test_no_window_ever_holds_more_than_a_bucket_and_its_time(per_second: float, gaps: list[float], now: float):
    """Whatever the pace, and however the messages come: in any span at most one bucket and the span times the pace."""
    never_above(sent(Pace(per_second, now), now, gaps), per_second)
    never_above(sent(Pace(per_second, now), now, gaps, patient=False), per_second)


@given(PACES, PACES, GAPS, GAPS)
def test_a_reload_gives_nobody_a_second_bucket(before: float, after: float, gaps: list[float], more: list[float]):
    """What is sent after the pace was changed keeps the new one, whatever was saved up under the old."""
    pace = Pace(before, 0.0)
    times = sent(pace, 0.0, gaps)
    now = times[-1] if times else 0.0
    pace.change(after, now)
    never_above(sent(pace, now, more), after)


@given(st.floats(0.01, 100), st.integers(1, 50))
def test_waiting_for_exactly_as_long_as_it_says_is_enough(per_second: float, messages: int):
    """No rounding error makes a sleeper wake a hair too early, again and again."""
    pace, now, waits = Pace(per_second, 0.0), 0.0, 0
    for _ in range(messages):
        while wait := pace.wait(now):
            now, waits = now + wait, waits + 1
        pace.spend()
    assert waits <= messages


def test_without_a_pace_everything_goes():
    """No limit, no wait."""
    pace = Pace(None, 0.0)
    for _ in range(1000):
        assert pace.wait(0.0) == 0.0
        pace.spend()


async def test_a_lane_keeps_its_pace_over_a_backlog(stage: Stage):
    """Sixty messages that wait go out one a second, and none is left behind."""
    far = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    for _ in range(60):
        await stage.ask()
    await stage.go_on(64, 0.25)
    assert len(far.dequeued) == 60
    never_above(far.times, 1.0)


async def test_a_slow_far_side_does_not_slow_the_pace(stage: Stage):
    """Answers that take four seconds are waited for side by side."""
    far = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    far.always = asyncio.Event()
    for _ in range(20):
        await stage.ask()
    await stage.go_on(10, 0.25)
    assert len(far.tried) >= 10


async def test_a_pace_of_one_an_hour_is_mended_by_a_reload(stage: Stage):
    """Nobody waits an hour for a mistake in the routing file that was corrected."""
    far = stage.add_channel("slack", pace="1/h")
    await stage.reload()
    for _ in range(3):
        await stage.ask()
    await stage.go_on(5)
    assert len(far.dequeued) == 1
    stage.add_channel("slack", pace="10/s")
    await stage.reload()
    await stage.go_on(3)
    assert len(far.dequeued) == 3
