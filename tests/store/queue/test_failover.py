"""Failover: the next step starts at once when those before it have failed or are parked."""

import asyncio
from typing import Any

import pytest
from tests.store.asks import (
    ME,
    NOW,
    OTHER,
    deliveries,
    dequeue,
    events,
    failover,
    move,
    new,
    notice,
    record_outcome,
    request,
    states,
    status,
)

from assistance.model import AssistanceRequest, EventType, State, Status, When
from assistance.store import Park, Store

HOURS = "Mon-Fri 09:00-18:00 UTC"


async def owe(store: Store, *channels: str, **later: Any) -> AssistanceRequest:
    """A request with a notice on each channel, and a failover to `mail` a minute later."""
    of = request()
    first = [notice(of, n, name) for n, name in enumerate(channels or ("slack",), 1)]
    step = failover(of, len(first) + 1, step=1, **later)
    await store.accept(new(*first, step, of=of))
    return of


async def due(store: Store, of: AssistanceRequest) -> float:
    """When the failover is due, seconds from now."""
    return (await deliveries(store, of.id))[-1].due_at - NOW


async def end(store: Store, channel: str, state: State) -> None:
    """Give what is due on the channel this outcome."""
    for job in await dequeue(store, channel, at=NOW):
        await record_outcome(store, job, state, at=NOW + 2)


async def test_a_failover_starts_at_once_when_the_step_before_has_failed(store: Store):
    """It need not wait for its time."""
    of = await owe(store)
    await end(store, "slack", State.FAILED)
    assert await due(store, of) == pytest.approx(2)
    assert len(await dequeue(store, "mail", at=NOW + 2)) == 1


async def test_a_failover_starts_at_once_when_the_step_before_is_parked(store: Store):
    """By its own verdict, before the channel is parked as a whole."""
    of = await owe(store)
    await end(store, "slack", State.PARKED)
    assert await due(store, of) == pytest.approx(2)


async def test_a_failover_starts_at_once_when_a_channel_is_parked(store: Store):
    """For every request that waits on it."""
    waiting = [await owe(store) for _ in range(5)]
    assert await store.park(Park("slack", "credentials", NOW + 3)) == 5
    assert [await due(store, of) for of in waiting] == [pytest.approx(3)] * 5


async def test_a_failover_waits_while_another_channel_of_the_step_may_have_it(store: Store):
    """All of them must have failed or be parked."""
    of = await owe(store, "slack", "sms")
    await end(store, "slack", State.FAILED)
    assert await due(store, of) == pytest.approx(60)
    await end(store, "sms", State.PARKED)
    assert await due(store, of) == pytest.approx(2)


async def test_a_failover_waits_while_the_step_before_is_tried_again(store: Store):
    """A channel that answers slowly is no channel that failed."""
    of = await owe(store)
    await end(store, "slack", State.RETRYING)
    assert await due(store, of) == pytest.approx(60)


async def test_a_failover_does_not_start_because_a_log_channel_failed(store: Store):
    """It counts for nothing, nor does its success keep the failover waiting."""
    of = request()
    await store.accept(new(notice(of, 1, "log", person=False), notice(of, 2), failover(of, 3, step=1), of=of))
    await end(store, "log", State.FAILED)
    assert await due(store, of) == pytest.approx(60)
    await end(store, "slack", State.FAILED)
    assert await due(store, of) == pytest.approx(2)


async def test_two_failures_at_the_same_time_start_the_failover(store: Store):
    """Of two that fail at once in two processes, one sees the other."""
    requests = [await owe(store, "slack", "sms") for _ in range(10)]
    mine, theirs = await dequeue(store, "slack", at=NOW), await dequeue(store, "sms", at=NOW, lease=OTHER)
    await asyncio.gather(*(record_outcome(store, job, State.FAILED, at=NOW + 2) for job in mine + theirs))
    assert [await due(store, of) for of in requests] == [pytest.approx(2)] * 10


async def test_steps_start_one_after_the_other(store: Store):
    """The third one waits for the second."""
    of = request()
    await store.accept(new(notice(of, 1), failover(of, 2, "sms"), failover(of, 3, "mail", after=120), of=of))
    await end(store, "slack", State.FAILED)
    assert [each.due_at - NOW for each in await deliveries(store, of.id)][1:] == [pytest.approx(2), pytest.approx(120)]
    for job in await dequeue(store, "sms", at=NOW + 2):
        await record_outcome(store, job, State.FAILED, at=NOW + 3)
    assert await due(store, of) == pytest.approx(3)


async def test_a_failover_brought_forward_out_of_its_hours_goes_back_to_its_own_time(store: Store):
    """It would only be skipped now and may be open then: so does the plan of a new request."""
    of = await owe(store, hours=HOURS, when=When.OPEN)
    await end(store, "slack", State.FAILED)
    assert await dequeue(store, "mail", at=NOW + 2, is_open=False) == []
    assert await due(store, of) == pytest.approx(60)
    assert await status(store, of.id) == Status.ACCEPTED
    assert len(await dequeue(store, "mail", at=NOW + 60)) == 1


async def test_a_failover_brought_forward_within_its_hours_goes_out_at_once(store: Store):
    """Its hours hold already."""
    of = await owe(store, hours=HOURS, when=When.OPEN)
    await end(store, "slack", State.FAILED)
    assert [job.request.id for job in await dequeue(store, "mail", at=NOW + 2)] == [of.id]


async def test_a_request_that_no_channel_could_take_has_failed(store: Store):
    """With an event after that of the last delivery."""
    of = await owe(store)
    await end(store, "slack", State.FAILED)
    assert await status(store, of.id) == Status.ACCEPTED
    for job in await dequeue(store, "mail", at=NOW + 2):
        await record_outcome(store, job, State.FAILED, at=NOW + 3)
    assert await status(store, of.id) == Status.FAILED
    assert [(event.sequence, event.type) for event in await events(store, of.id)] == [
        (1, EventType.ACCEPTED),
        (2, EventType.DELIVERY_FAILED),
        (3, EventType.DELIVERY_FAILED),
        (4, EventType.FAILED),
    ]


async def test_a_request_has_failed_when_its_last_step_is_out_of_hours(store: Store):
    """The step is skipped at its time, and then nothing is left."""
    of = await owe(store, hours=HOURS, when=When.OPEN)
    await end(store, "slack", State.FAILED)
    assert await dequeue(store, "mail", at=NOW + 60, is_open=False) == []
    assert await states(store, of.id) == [State.FAILED, State.SKIPPED]
    assert await status(store, of.id) == Status.FAILED


async def test_a_request_with_a_parked_notice_has_not_failed(store: Store):
    """It goes on when the channel is mended."""
    of = await owe(store, "slack", "sms")
    await end(store, "slack", State.PARKED)
    await end(store, "sms", State.FAILED)
    for job in await dequeue(store, "mail", at=NOW + 2):
        await record_outcome(store, job, State.FAILED, at=NOW + 3)
    assert await status(store, of.id) == Status.ACCEPTED


async def test_a_log_channel_saves_no_request(store: Store):
    """Only people's channels count, in success and in failure."""
    of = request()
    await store.accept(new(notice(of, 1, "log", person=False), notice(of, 2), of=of))
    await end(store, "log", State.DELIVERED)
    await end(store, "slack", State.FAILED)
    assert await status(store, of.id) == Status.FAILED


async def test_two_last_failures_at_the_same_time_fail_the_request_once(store: Store):
    """One event says so."""
    of = request()
    await store.accept(new(notice(of, 1), notice(of, 2, "sms"), of=of))
    jobs = await dequeue(store, "slack", "sms")
    await asyncio.gather(*(record_outcome(store, job, State.FAILED) for job in jobs))
    assert await status(store, of.id) == Status.FAILED
    assert [event.type for event in await events(store, of.id)].count(EventType.FAILED) == 1


async def test_a_claimed_request_does_not_fail(store: Store):
    """A claim is worth more than a notice."""
    of = request()
    await store.accept(new(notice(of, 1), of=of))
    [job] = await dequeue(store, lease=ME)
    await move(store, of.id, Status.CLAIMED)
    await record_outcome(store, job, State.FAILED)
    assert await status(store, of.id) == Status.CLAIMED
