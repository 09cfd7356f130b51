"""A provider that is down gets rest, and what waits for it burns no tries."""

import asyncio

from tests.dispatch.stage import Stage

from assistance.dispatch.breaker import Breaker
from assistance.model import Reason, TryLater
from assistance.store import LaneState


def outage() -> TryLater:
    return TryLater(Reason.CONNECTION)


def fail(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.failed(now)


def test_it_opens_after_five_failures_in_a_row():
    """Four are not enough; the fifth is."""
    breaker = Breaker()
    fail(breaker, 4)
    assert breaker.closed
    fail(breaker, 1)
    assert breaker.wait(0.0) == 1.0


def test_a_success_ends_the_row():
    """Failures with successes between them are no row."""
    breaker = Breaker()
    for _ in range(4):
        fail(breaker, 4)
        breaker.succeeded()
        breaker.succeeded()
        breaker.succeeded()
        breaker.succeeded()
    assert breaker.closed


def test_it_opens_when_more_than_half_of_twenty_failed():
    """Ten of twenty are not enough; eleven are."""
    breaker = Breaker()
    for _ in range(10):
        breaker.succeeded()
        breaker.failed(0.0)
    assert breaker.closed
    breaker.failed(0.0)
    assert not breaker.closed


def test_each_failure_while_half_open_doubles_the_rest_up_to_fifteen_seconds():
    """1, 2, 4, 8, then 15 s for good; a success begins anew."""
    breaker, now, rests = Breaker(), 0.0, []
    fail(breaker, 5)
    for _ in range(6):
        rests.append(breaker.wait(now))
        now += rests[-1]
        breaker.failed(now)
    assert rests == [1, 2, 4, 8, 15, 15]
    breaker.succeeded()
    fail(breaker, 5, now)
    assert breaker.wait(now) == 1


def test_what_was_under_way_when_it_opened_says_nothing_new():
    """Fifteen more failures of the same moment do not lengthen the rest."""
    breaker = Breaker()
    fail(breaker, 20)
    assert breaker.wait(0.0) == 1.0


async def test_waiting_for_the_provider_burns_no_try(stage: Stage):
    """In a long outage one message at a time probes; most of those that wait are not tried before it is over."""
    provider = stage.providers["slack"]
    provider.always = outage
    asked = [(await stage.ask()).request.id for _ in range(40)]
    await stage.go_on(120, 1)
    assert 120 / 15 <= len(provider.tried) <= 120 / 15 + 20
    provider.always = None
    await stage.go_on(16, 1)
    tried = [len(await stage.tries(request_id)) for request_id in asked]
    assert max(tried) <= 2
    await stage.go_on(200, 2)
    assert len(provider.delivered) == 40


async def test_half_open_lets_one_try(stage: Stage):
    """While the one is being sent no other is; when it is delivered all are."""
    provider = stage.providers["slack"]
    provider.always = outage
    for _ in range(40):
        await stage.ask()
    await stage.quiet()
    assert not stage.dispatcher.lanes["slack"].health.breaker.closed
    begun = len(provider.tried)
    provider.always = hang = asyncio.Event()
    await stage.go_on(4)
    assert len(provider.tried) == begun + 1
    hang.set()
    await stage.go_on(0.5)
    assert len(provider.tried) > begun + 16


async def test_an_outage_of_one_channel_is_none_of_another(stage: Stage):
    """Breakers belong to channels."""
    stage.providers["slack"].always = outage
    for _ in range(20):
        await stage.ask()
    await stage.quiet()
    assert stage.dispatcher.lanes["mail"].health.breaker.closed


async def test_every_process_sees_that_a_channel_does_not_answer(stage: Stage):
    """As long as it is tried again and again; it is over with the first answer."""

    async def failing() -> bool:
        state = next(iter(await stage.store.lane_states()), LaneState("slack"))
        return (state.failing_until or 0) > stage.clock.now()

    provider = stage.providers["slack"]
    provider.always = outage
    for _ in range(4):
        await stage.sent()
    assert not await failing()
    await stage.sent()
    for _ in range(6):
        assert await failing()
        await stage.go_on(15, 1)
    provider.always = None
    await stage.go_on(16, 1)
    assert not await failing()
