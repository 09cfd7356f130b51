"""When a message is tried again, and when no more."""

import math
from itertools import pairwise
from typing import Any

import pytest
from tests.dispatch.stage import Stage

from assistance.model import Misconfigured, Outcome, Reason, TryLater, Undeliverable

HOUR = 3600.0


def later(after: Any = None) -> TryLater:
    return TryLater(Reason.SERVER_ERROR, after)


def undeliverable() -> Undeliverable:
    return Undeliverable(Reason.REJECTED, code="invalid_blocks")


async def test_a_message_is_tried_soon_at_first_then_patiently(stage: Stage):
    """With the longest jitter the tries are 0, 2, 10, 30, 120 and 300 seconds apart."""
    stage.providers["slack"].script.extend([later] * 5)
    request_id = await stage.sent()
    await stage.until(lambda: stage.providers["slack"].delivered, most=600, step=1)
    times = stage.providers["slack"].times
    assert [b - a for a, b in pairwise(times)] == [pytest.approx(wait, abs=1.01) for wait in (2, 10, 30, 120, 300)]
    assert [made.outcome for made in await stage.tries(request_id)] == [Outcome.RETRY] * 5 + [Outcome.DELIVERED]


async def test_every_try_bears_the_same_key(stage: Stage):
    """The provider can tell a second try from a second message."""
    stage.providers["slack"].script.extend([later] * 3)
    request_id = await stage.sent()
    await stage.until(lambda: stage.providers["slack"].delivered)
    assert {message.key for _, message in stage.providers["slack"].tried} == {f"{request_id}.1"}


async def test_retry_after_wins_over_the_schedule(stage: Stage):
    """A provider that wants a minute's rest gets it."""
    stage.providers["slack"].script.append(lambda: later(60))
    await stage.sent()
    await stage.until(lambda: stage.providers["slack"].delivered)
    first, second = stage.providers["slack"].times
    assert 60 <= second - first <= 61


async def test_retry_after_may_be_a_header_as_it_came(stage: Stage):
    """A channel that is not ours need not read it."""
    stage.providers["slack"].script.append(lambda: later("60"))
    await stage.sent()
    await stage.until(lambda: stage.providers["slack"].delivered)
    first, second = stage.providers["slack"].times
    assert 60 <= second - first <= 61


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2026 07:28:00 GMT", "", -5, math.nan, math.inf, object()])
async def test_a_retry_after_that_is_no_time_is_none(stage: Stage, after: object):
    """The try counts, and the schedule says when the next one is."""
    stage.providers["slack"].script.append(lambda: later(after))
    request_id = await stage.sent()
    assert len(await stage.tries(request_id)) == 1
    await stage.go_on(3)
    assert await stage.states(request_id) == ["delivered"]


async def test_retry_after_freezes_the_lane_for_every_request(stage: Stage):
    """What was waiting and what comes in meanwhile goes out when the time is over, and burns no try."""
    stage.providers["slack"].script.append(lambda: TryLater(Reason.RATE_LIMITED, 30))
    await stage.sent()
    others = [await stage.sent() for _ in range(3)]
    await stage.go_on(29)
    assert len(stage.providers["slack"].tried) == 1
    await stage.go_on(2.5)
    assert len(stage.providers["slack"].delivered) == 4
    assert [made.outcome for made in await stage.tries(others[0])] == [Outcome.DELIVERED]


async def test_a_frozen_lane_opens_on_the_second(stage: Stage):
    """The engine wakes when the time is over, not at its next poll."""
    stage.providers["slack"].script.append(lambda: later(7.25))
    await stage.sent()
    await stage.sent()
    await stage.go_on(7.25, 0.25)
    assert stage.providers["slack"].times[1] - stage.providers["slack"].times[0] == pytest.approx(7.25, abs=0.01)


async def test_retry_after_outlives_the_process(stage: Stage):
    """The next process does not send before the time either."""
    stage.providers["slack"].script.append(lambda: later(50))
    await stage.sent()
    await stage.restart()
    await stage.sent()
    await stage.go_on(48)
    assert len(stage.providers["slack"].tried) == 1
    await stage.go_on(4)
    assert len(stage.providers["slack"].delivered) == 2


async def test_a_destination_may_ask_for_an_hour_at_most(stage: Stage):
    """A `Retry-After` of a year counts as an hour."""
    stage.providers["slack"].script.append(lambda: later(365 * 24 * HOUR))
    await stage.sent()
    await stage.go_on(HOUR - 60, 600)
    assert not stage.providers["slack"].delivered
    await stage.go_on(120, 10)
    assert stage.providers["slack"].delivered


async def test_a_rate_limit_that_names_no_time_is_a_second(stage: Stage):
    """429 without `Retry-After` slows the lane down for a moment."""
    stage.providers["slack"].script.append(lambda: TryLater(Reason.RATE_LIMITED))
    await stage.sent()
    await stage.sent()
    assert len(stage.providers["slack"].tried) == 1
    await stage.go_on(3)
    assert len(stage.providers["slack"].delivered) == 2


async def test_a_message_is_tried_for_as_long_as_its_channel_says(stage: Stage):
    """After `retry_for` there is one last try on the deadline; then it has failed, and so has the request."""
    stage.providers["slack"] = provider = stage.add_channel("slack", retry_for="1h")
    provider.always = later
    await stage.reload()
    request_id = await stage.sent()
    await stage.go_on(HOUR + 120, 20)
    assert provider.times[-1] - provider.times[0] == pytest.approx(HOUR, abs=21)
    assert await stage.states(request_id) == ["failed"]
    assert (await stage.snapshot(request_id))[0].status == "failed"
    assert await stage.events(request_id) == ["accepted", "delivery_failed", "failed"]


async def test_the_time_parked_does_not_count(stage: Stage):
    """A message of a channel that was misconfigured for two days still has its hour of tries."""
    provider = stage.add_channel("slack", retry_for="1h")
    await stage.reload()
    provider.always = lambda: Misconfigured(Reason.CREDENTIALS)
    request_id = await stage.sent()
    await stage.go_on(48 * HOUR, 1800)
    assert await stage.states(request_id) == ["parked"]
    provider.script.append(lambda: Undeliverable(Reason.REJECTED))
    provider.always = later
    await stage.go_on(60, 5)
    begun = len(provider.tried)
    await stage.go_on(HOUR / 2, 60)
    assert await stage.states(request_id) == ["retrying"]
    assert len(provider.tried) > begun
    await stage.go_on(HOUR, 60)
    assert await stage.states(request_id) == ["failed"]


async def test_a_message_that_is_refused_goes_once_more_as_short_text(stage: Stage):
    """The second try is short, and at once."""
    stage.providers["slack"].script.append(undeliverable)
    request_id = await stage.sent()
    assert [message.short for _, message in stage.providers["slack"].tried] == [False, True]
    assert await stage.states(request_id) == ["delivered"]


async def test_a_message_that_is_refused_twice_has_failed(stage: Stage):
    """It will never be delivered: the request has failed, with a reason, and nothing is tried any more."""
    stage.providers["slack"].always = undeliverable
    request_id = await stage.sent()
    await stage.go_on(30)
    assert len(stage.providers["slack"].tried) == 2
    request, (delivery,) = await stage.snapshot(request_id)
    assert (request.status, delivery.state, delivery.last_error) == ("failed", "failed", "rejected")


async def test_a_short_message_stays_short(stage: Stage):
    """What was refused in full is not sent in full again when the short form meets an outage."""
    stage.providers["slack"].script.extend([undeliverable, later])
    await stage.sent()
    await stage.until(lambda: stage.providers["slack"].delivered)
    assert [message.short for _, message in stage.providers["slack"].tried] == [False, True, True]


async def test_retries_do_not_starve_first_tries(stage: Stage):
    """At the limit of the pace, the retries of messages that fail for themselves take about a fifth of it."""
    provider = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    provider.fails = lambda message: later() if message.body == "bad" else None
    for second in range(90):
        await stage.ask(description="bad" if second % 3 == 0 else "good")
        await stage.go_on(1)
    retries = len(provider.tried) - len({message.key for _, message in provider.tried})
    assert 10 <= retries <= 90 / 5 + 5


async def test_an_urgent_message_is_tried_again_without_regard_to_others(stage: Stage):
    """The budget of retries is for those who can wait."""
    provider = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    provider.fails = lambda message: later() if message.body == "bad" else None
    for _ in range(4):
        await stage.ask(description="bad", priority="urgent")
        await stage.ask()
    for _ in range(30):
        await stage.ask()
    await stage.go_on(20)
    urgent = [message.key for _, message in provider.tried if message.urgent]
    assert len(urgent) >= 8
