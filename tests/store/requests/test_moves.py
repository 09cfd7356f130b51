"""What people, bots and time do to a request."""

import asyncio

import pytest
from tests.store.asks import NOW, WEEK, ask, deliveries, dequeue, events, move, record_outcome, request, states, status

from assistance.model import Actor, Claim, EventType, Kind, State, Status, Transition
from assistance.store import ConflictError, NotFoundError, Recorded, Store


async def test_a_claim_is_written_down_with_its_time(store: Store):
    """On the request and on its time line."""
    accepted = await ask(store)
    snapshot = await move(store, accepted.request.id, Status.CLAIMED)
    assert snapshot.request.claim == Claim(Actor.parse("slack:U1 Ana"), NOW + 1)
    seen = await store.get(accepted.request.id)
    assert seen is not None
    assert seen[0] == snapshot.request
    assert [(event.sequence, event.type, event.actor) for event in await events(store, accepted.request.id)][1:] == [
        (2, EventType.CLAIMED, Actor.parse("slack:U1 Ana"))
    ]


async def test_of_many_claims_at_the_same_time_one_wins(store: Store):
    """All others are refused with its claim."""
    accepted = await ask(store)
    claims = [move(store, accepted.request.id, Status.CLAIMED) for _ in range(20)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(isinstance(result, ConflictError) for result in results) == 19
    assert len(await events(store, accepted.request.id)) == 2


async def test_a_release_ends_the_claim(store: Store):
    """The request is what it was before."""
    accepted = await ask(store)
    await move(store, accepted.request.id, Status.CLAIMED)
    snapshot = await move(store, accepted.request.id, None)
    assert (snapshot.request.status, snapshot.request.claim) == (Status.ACCEPTED, None)


async def test_a_move_gets_an_update_where_the_notice_was_sent(store: Store):
    """One update for each channel that has the notice, about that very event."""
    accepted = await ask(store, "slack", "mail")
    [job] = await dequeue(store, "slack")
    await record_outcome(store, job, State.DELIVERED)
    snapshot = await move(store, accepted.request.id, Status.CLAIMED)
    [news] = [each for each in snapshot.deliveries if each.kind is Kind.UPDATE]
    assert (news.n, news.channel, news.about, news.state) == (3, "slack", 3, State.PENDING)
    assert await deliveries(store, accepted.request.id) == list(snapshot.deliveries)


@pytest.mark.parametrize("over", [Status.CANCELLED, Status.RESOLVED])
@pytest.mark.parametrize("to", [Status.CANCELLED, Status.RESOLVED, Status.CLAIMED])
async def test_what_is_over_stays_over(store: Store, over: Status, to: Status):
    """No move leads out of it, and none is written."""
    accepted = await ask(store)
    await move(store, accepted.request.id, over)
    assert not [each for each in Transition if over in each.allowed]
    with pytest.raises(ConflictError):
        await move(store, accepted.request.id, to)
    assert await status(store, accepted.request.id) == over
    assert len(await events(store, accepted.request.id)) == 2


async def test_a_cancelled_request_owes_nothing_more(store: Store):
    """What waits, is planned or parked is skipped; what is being sent gets its outcome."""
    accepted = await ask(store, "slack", "mail", "sms")
    [job] = await dequeue(store, "slack")
    [tried] = await dequeue(store, "mail")
    await record_outcome(store, tried, State.PARKED)
    await move(store, accepted.request.id, Status.CANCELLED)
    assert (await states(store, accepted.request.id))[:3] == [State.SENDING, State.SKIPPED, State.SKIPPED]
    assert await record_outcome(store, job, State.DELIVERED) is not Recorded.LATE


async def test_a_request_that_does_not_exist_cannot_be_changed(store: Store):
    """An unknown id is not found."""
    with pytest.raises(NotFoundError):
        await move(store, request().id, Status.CANCELLED)


async def test_a_request_expires_when_its_time_is_over_and_nothing_is_owed(store: Store):
    """Until then it stays open, and while a notice is owed too."""
    notified, owed, dequeued = [await ask(store) for _ in range(3)]
    jobs = {job.request.id: job for job in await dequeue(store, room=10)}
    await record_outcome(store, jobs[notified.request.id], State.DELIVERED)
    await record_outcome(store, jobs[owed.request.id], State.PARKED)
    await record_outcome(store, jobs[dequeued.request.id], State.DELIVERED)
    await move(store, dequeued.request.id, Status.CLAIMED)
    assert await store.expire(NOW + WEEK - 1) == []
    assert await store.expire(NOW + WEEK) == [notified.request.id]
    assert await store.expire(NOW + WEEK) == []
    assert [await status(store, each.request.id) for each in (notified, owed, dequeued)] == [
        "expired",
        "accepted",
        "claimed",
    ]
    assert (await events(store, notified.request.id))[-1].type is EventType.EXPIRED


async def test_a_log_channel_that_still_waits_keeps_a_request_from_expiring(store: Store):
    """Whatever is owed is owed."""
    accepted = await ask(store, "log")
    assert await store.expire(NOW + WEEK) == []
    await move(store, accepted.request.id, Status.CANCELLED)
    assert await store.expire(NOW + WEEK) == []
