"""Dequeue: in the order of rank and time, as much as there is room for, and only what still holds."""

import asyncio

import pytest
from tests.store.asks import (
    ME,
    NOW,
    OTHER,
    ask,
    deliveries,
    dequeue,
    failover,
    move,
    new,
    notice,
    record_outcome,
    request,
    states,
    update,
)

from assistance.model import Condition, EventType, Kind, Priority, State, Status, When
from assistance.store import Acceptance, Dequeue, Lease, Park, Store

HOURS = "Mon-Fri 09:00-18:00 UTC"


async def test_what_is_urgent_and_then_what_is_due_longest_goes_first(store: Store):
    """Rank before time, time before nothing."""
    late = await ask(store, at=NOW - 1)
    early = await ask(store, at=NOW - 3)
    urgent = await ask(store, at=NOW - 2, priority=Priority.URGENT)
    jobs = await dequeue(store)
    assert [job.request.id for job in jobs] == [each.request.id for each in (urgent, early, late)]


async def test_no_more_is_leased_than_there_is_room_for(store: Store):
    """Room is counted by channel; urgent ones count too."""
    for _ in range(4):
        await ask(store, "slack", "mail")
    await ask(store, priority=Priority.URGENT)
    jobs = (await store.dequeue(Dequeue({"slack": 3, "mail": 1}, ME, NOW, lambda _hours, _at: True))).jobs
    assert [job.delivery.channel for job in jobs] == ["slack", "slack", "slack", "mail"]
    assert len(await dequeue(store, "slack", "mail")) == 5


async def test_a_job_has_all_that_its_message_needs(store: Store):
    """The request comes with it, the fence grows, and no other process gets it."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    assert job.request == accepted.request
    assert (job.delivery.state, job.delivery.fence) == (State.SENDING, 1)
    assert await dequeue(store, lease=OTHER) == []


async def test_nothing_is_leased_before_its_time(store: Store):
    """Due at that very instant is due."""
    await ask(store, at=NOW + 10)
    assert await dequeue(store, at=NOW + 9.9) == []
    assert len(await dequeue(store, at=NOW + 10)) == 1


async def test_two_dispatchers_share_what_is_due(store: Store):
    """Each delivery goes to one of them."""
    for _ in range(20):
        await ask(store)
    mine, theirs = await asyncio.gather(dequeue(store, room=100), dequeue(store, room=100, lease=OTHER))
    assert len({job.delivery.key for job in mine + theirs}) == len(mine) + len(theirs) == 20


async def test_a_failover_is_sent_when_nobody_was_notified_in_its_time(store: Store):
    """The first channel may still be trying."""
    of = request()
    await store.accept(new(notice(of, 1), failover(of, 2), of=of))
    assert await dequeue(store, "mail", at=NOW + 59) == []
    assert [job.delivery.n for job in await dequeue(store, "mail", at=NOW + 60)] == [2]


async def test_a_failover_is_skipped_when_a_person_was_notified(store: Store):
    """Only when its time has come; until then it is planned."""
    of = request()
    await store.accept(new(notice(of, 1), failover(of, 2), of=of))
    [job] = await dequeue(store)
    await record_outcome(store, job, State.DELIVERED)
    assert await states(store, of.id) == [State.DELIVERED, State.PENDING]
    assert await dequeue(store, "mail", at=NOW + 60) == []
    assert await states(store, of.id) == [State.DELIVERED, State.SKIPPED]


async def test_an_escalation_is_skipped_when_the_request_is_claimed(store: Store):
    """`if: unclaimed` depends on the claim, not on who was notified."""
    of, other = request(), request()
    for each in (of, other):
        step = notice(each, 2, "mail", due_at=NOW + 60, step=1, condition=Condition.UNCLAIMED)
        await store.accept(new(notice(each, 1), step, of=each))
    await move(store, of.id, Status.CLAIMED)
    assert [job.request.id for job in await dequeue(store, "mail", at=NOW + 60)] == [other.id]
    assert await states(store, of.id) == [State.PENDING, State.SKIPPED]


async def test_many_that_do_not_hold_do_not_hide_one_that_does(store: Store):
    """One dequeue gets past all failover steps of requests that are notified."""
    notified = [request() for _ in range(250)]
    await asyncio.gather(*(store.accept(new(notice(of, 1), failover(of, 2), of=of)) for of in notified))
    jobs = await dequeue(store, "slack", room=250)
    await asyncio.gather(*(record_outcome(store, job, State.DELIVERED) for job in jobs))
    needed = request(NOW + 1)
    await store.accept(new(notice(needed, 1), failover(needed, 2), of=needed))
    jobs = await dequeue(store, "mail", at=NOW + 120, room=4)
    assert [job.request.id for job in jobs] == [needed.id]


@pytest.mark.parametrize(
    ("when", "is_open", "goes_out"),
    [
        (When.OPEN, True, True),
        (When.OPEN, False, False),
        (When.CLOSED, True, False),
        (When.CLOSED, False, True),
        (When.BOTH, False, True),
    ],
)
async def test_hours_count_when_its_time_has_come(store: Store, *, when: When, is_open: bool, goes_out: bool):
    """What is out of its hours then is skipped."""
    of = request()
    await store.accept(new(notice(of, 1, hours=HOURS, when=when), of=of))
    assert bool(await dequeue(store, is_open=is_open)) is goes_out
    assert await states(store, of.id) == [State.SENDING if goes_out else State.SKIPPED]


async def test_hours_count_only_before_the_first_try(store: Store):
    """What has begun in time is tried again after closing time."""
    of = request()
    await store.accept(new(notice(of, 1, hours=HOURS, when=When.OPEN), of=of))
    [job] = await dequeue(store)
    await record_outcome(store, job, State.RETRYING)
    assert len(await dequeue(store, is_open=False)) == 1


@pytest.mark.parametrize("end", [Status.CANCELLED, Status.RESOLVED])
async def test_no_notice_is_sent_for_a_request_that_is_over(store: Store, end: Status):
    """Its notices that wait are skipped at once."""
    accepted = await ask(store, "slack", "mail")
    await move(store, accepted.request.id, end)
    assert await dequeue(store, "slack", "mail") == []
    assert await states(store, accepted.request.id) == [State.SKIPPED, State.SKIPPED]


async def test_an_update_waits_while_its_notice_is_being_sent(store: Store):
    """It comes after it, in its thread, with the event that it is about."""
    await ask(store, conversation_id="c")
    [notice_] = await dequeue(store)
    followed = await ask(store, conversation_id="c", at=NOW + 1)
    assert followed.how is Acceptance.FOLLOW_UP
    assert await dequeue(store, at=NOW + 1) == []
    await record_outcome(store, notice_, State.DELIVERED, reference="thread-1")
    assert await dequeue(store, at=NOW + 1.9) == []
    [job] = await dequeue(store, at=NOW + 2)
    assert (job.delivery.kind, job.thread) == (Kind.UPDATE, "thread-1")
    assert job.event is not None
    assert (job.event.type, job.event.sequence) == (EventType.FOLLOWED_UP, 2)


@pytest.mark.parametrize("state", [State.RETRYING, State.FAILED])
async def test_an_update_is_skipped_when_its_notice_was_not_delivered(store: Store, state: State):
    """A notice that is tried again includes the news."""
    accepted = await ask(store, conversation_id="c")
    [notice_] = await dequeue(store)
    await ask(store, conversation_id="c", at=NOW + 1)
    await record_outcome(store, notice_, state, due_at=NOW + 100)
    assert await dequeue(store, at=NOW + 2) == []
    assert await states(store, accepted.request.id) == [state, State.SKIPPED]


async def test_an_update_of_a_channel_that_never_had_the_notice_is_skipped(store: Store):
    """There is no thread to put it into."""
    of = request()
    await store.accept(new(update(notice(of, 1), 1), of=of))
    assert await dequeue(store) == []
    assert await states(store, of.id) == [State.SKIPPED]


async def test_a_probe_leases_one_parked_message_the_one_that_waits_longest(store: Store):
    """The others stay parked; it goes back to them when it fails."""
    accepted = [await ask(store, at=NOW - age) for age in (1, 3, 2)]
    await store.park(Park("slack", "credentials", NOW))
    assert await dequeue(store) == []
    await store.try_parked("slack")
    [job] = await dequeue(store, probes=["slack"])
    assert job.request.id == accepted[1].request.id
    await record_outcome(store, job, State.PARKED)
    assert [await states(store, each.request.id) for each in accepted] == [[State.PARKED]] * 3
    assert (await deliveries(store, accepted[1].request.id))[0].attempts == 0


async def test_a_probe_of_a_channel_without_parked_messages_leases_nothing(store: Store):
    """It does not lease what merely waits."""
    await ask(store)
    assert await dequeue(store, probes=["slack"]) == []


async def test_the_time_parked_does_not_count_however_often_it_was_probed(store: Store):
    """`retry_for` goes on from where it stood when the channel broke."""
    accepted = await ask(store)
    await store.park(Park("slack", "credentials", NOW + 10))
    for probe in range(1, 4):
        [job] = await dequeue(store, at=NOW + 10 + 100 * probe, probes=["slack"])
        await record_outcome(store, job, State.PARKED, at=NOW + 10 + 100 * probe)
    [job] = await dequeue(store, at=NOW + 410, probes=["slack"])
    assert job.delivery.owed_since == pytest.approx(NOW + 400)
    assert (await deliveries(store, accepted.request.id))[0].owed_since == pytest.approx(NOW + 400)


async def test_a_pace_holds_for_all_dispatchers_together(store: Store):
    """One second's worth at once, at least one message; then nothing until the bucket has filled."""
    for _ in range(20):
        await ask(store, "slack", "mail", "sms")
    paces = {"slack": 3.0, "mail": 0.5}
    first = await dequeue(store, "slack", "mail", "sms", paces=paces)
    second = await dequeue(store, "slack", "mail", "sms", paces=paces, lease=OTHER)
    counts = [[job.delivery.channel for job in jobs].count(name) for jobs in (first, second) for name in paces]
    assert counts == [3, 1, 0, 0]
    assert [job.delivery.channel for job in second] == ["sms"] * 10


async def test_a_lease_of_another_process_is_no_obstacle_on_another_channel(store: Store):
    """Each delivery of a request is leased by itself."""
    await ask(store, "slack", "mail")
    await dequeue(store, "slack", lease=Lease("a", 30))
    assert [job.delivery.channel for job in await dequeue(store, "mail", lease=Lease("b", 30))] == ["mail"]
