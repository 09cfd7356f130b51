"""Outcomes: what one try means for its delivery, its request and the time line."""

import asyncio

import pytest
from tests.store.asks import (
    GONE,
    NOW,
    ask,
    deliveries,
    dequeue,
    events,
    move,
    new,
    notice,
    outcome,
    record_outcome,
    request,
    states,
    status,
)

from assistance.model import Actor, Attempt, EventType, Outcome, State, Status
from assistance.store import Command, DeliveryOutcome, FollowUp, Park, Recorded, Recovery, Retry, Store
from assistance.store.queue.outcomes import PARKED_KEPT


async def test_a_delivered_notice_notifies_its_request(store: Store):
    """With the provider's reference, the try and an event; the time is that of the provider's answer."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    assert await record_outcome(store, job, State.DELIVERED, reference="17.5") is not Recorded.LATE
    seen = await store.get(accepted.request.id)
    assert seen is not None
    assert (seen[0].status, seen[0].notified_at, seen[0].sequence) == (Status.NOTIFIED, NOW + 1.5, 2)
    assert (seen[1][0].state, seen[1][0].reference, seen[1][0].attempts) == (State.DELIVERED, "17.5", 1)
    [_, notified] = await events(store, accepted.request.id)
    assert (notified.type, notified.at, notified.data) == (EventType.NOTIFIED, NOW + 1.5, {"n": 1, "channel": "slack"})
    [(_, tries)] = await store.tries(accepted.request.id)
    assert tries == [Attempt(NOW + 1, 0.5, Outcome.DELIVERED)]


async def test_the_second_channel_that_has_it_gives_a_delivered_event(store: Store):
    """A request is notified once."""
    accepted = await ask(store, "slack", "mail")
    for job in await dequeue(store, "slack", "mail"):
        await record_outcome(store, job, State.DELIVERED)
    assert [event.type for event in await events(store, accepted.request.id)] == [
        EventType.ACCEPTED,
        EventType.NOTIFIED,
        EventType.DELIVERED,
    ]


async def test_two_outcomes_of_one_request_in_one_group_are_two_events(store: Store):
    """Their numbers follow each other, and the request has the last one."""
    accepted = await ask(store, "slack", "mail")
    jobs = await dequeue(store, "slack", "mail")
    recorded = await asyncio.gather(*(record_outcome(store, job, State.DELIVERED) for job in jobs))
    assert Recorded.LATE not in recorded
    line = await events(store, accepted.request.id)
    assert [event.sequence for event in line] == [1, 2, 3]
    seen = await store.get(accepted.request.id)
    assert seen is not None
    assert seen[0].sequence == 3


async def test_a_log_channel_notifies_nobody(store: Store):
    """It counts for nothing, since no person reads it."""
    of = request()
    await store.accept(new(notice(of, 1, "log", person=False), notice(of, 2), of=of))
    [job] = await dequeue(store, "log")
    await record_outcome(store, job, State.DELIVERED)
    assert await status(store, of.id) == Status.ACCEPTED
    assert (await events(store, of.id))[-1].type is EventType.DELIVERED


async def test_a_try_that_is_to_be_repeated_is_due_then(store: Store):
    """It burns a try, keeps its reason, and gives no event."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    await record_outcome(store, job, State.RETRYING, due_at=NOW + 30)
    [delivery] = await deliveries(store, accepted.request.id)
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == (State.RETRYING, 1, NOW + 30)
    assert delivery.last_error == "rejected"
    assert len(await events(store, accepted.request.id)) == 1
    assert await dequeue(store, at=NOW + 29) == []
    [again] = await dequeue(store, at=NOW + 30)
    await record_outcome(store, again, State.DELIVERED, at=NOW + 30)
    [(_, tries)] = await store.tries(accepted.request.id)
    assert [each.outcome for each in tries] == [Outcome.RETRY, Outcome.DELIVERED]


async def test_a_try_in_plain_form_stays_in_plain_form(store: Store):
    """What was too long for the provider once is sent short from then on."""
    await ask(store)
    [job] = await dequeue(store)
    await record_outcome(store, job, State.RETRYING, short=True)
    [again] = await dequeue(store)
    assert again.delivery.short


async def test_a_parked_try_burns_none(store: Store):
    """The channel is wrong, not the message."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    await record_outcome(store, job, State.PARKED)
    [delivery] = await deliveries(store, accepted.request.id)
    assert (delivery.state, delivery.attempts) == (State.PARKED, 0)
    [(_, tries)] = await store.tries(accepted.request.id)
    assert [each.outcome for each in tries] == [Outcome.PARKED]


async def test_tries_on_a_parked_channel_do_not_pile_up(store: Store):
    """The last of them are kept, and every try with another outcome."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    await record_outcome(store, job, State.RETRYING)
    [job] = await dequeue(store)
    await store.park(Park("slack", "credentials", NOW))
    for minute in range(PARKED_KEPT + 5):
        await record_outcome(store, job, State.PARKED, at=NOW + 60 * minute)
        await store.try_parked()
        [job] = await dequeue(store, probes=["slack"], at=NOW + 60 * minute + 59)
    [(_, tries)] = await store.tries(accepted.request.id)
    assert [each.outcome for each in tries] == [Outcome.RETRY, *[Outcome.PARKED] * PARKED_KEPT]
    assert tries[-1].at == NOW + 60 * (PARKED_KEPT + 4)


@pytest.mark.parametrize("end", [Status.CLAIMED, Status.CANCELLED])
async def test_a_delivery_after_a_claim_or_an_end_leaves_the_status(store: Store, end: Status):
    """A request that was claimed or cancelled meanwhile stays so; that it was delivered is on its time line."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    await move(store, accepted.request.id, end)
    assert await record_outcome(store, job, State.DELIVERED) is not Recorded.LATE
    assert await status(store, accepted.request.id) == end
    assert (await events(store, accepted.request.id))[-1].type is EventType.NOTIFIED


@pytest.mark.parametrize("state", [State.DELIVERED, State.FAILED])
async def test_no_event_is_older_than_the_one_before_it(store: Store, state: State):
    """Where a person acts during a send, the outcome's event has the later instant."""
    accepted = await ask(store, "slack", "mail")
    jobs = await dequeue(store, "slack", "mail")
    command = Command(accepted.request.id, Actor("api", "bot"), NOW + 9)
    await store.change(FollowUp(command, "and soon"))
    assert all(
        await asyncio.gather(*(record_outcome(store, each, state, at=NOW + n) for n, each in enumerate(jobs, 1)))
    )
    line = await events(store, accepted.request.id)
    assert len(line) == (4 if state is State.DELIVERED else 5)
    assert [event.at for event in line[1:]] == [NOW + 9] * (len(line) - 1)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_what_no_database_stores_is_replaced_in_a_providers_text(store: Store, text: str):
    """A provider's unreadable answer must not make its message be sent again for ever."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    tried = Attempt(NOW, 0.1, Outcome.RETRY, text, text, text)
    assert (
        await store.record_outcome(DeliveryOutcome(job.delivery, State.RETRYING, tried, NOW, reference=text))
        is not Recorded.LATE
    )
    [(delivery, [kept])] = await store.tries(accepted.request.id)
    assert {kept.reason, kept.code, kept.answer, delivery.reference, delivery.last_error} & {text} == set()


async def test_an_outcome_of_what_was_never_leased_is_refused(store: Store):
    """Nor is one of a request that does not exist."""
    accepted = await ask(store)
    unknown = notice(request(), 1)
    assert await store.record_outcome(outcome(accepted.deliveries[0], State.DELIVERED)) is Recorded.LATE
    assert await store.record_outcome(outcome(unknown, State.FAILED)) is Recorded.LATE


async def test_what_was_delivered_is_not_sent_again_because_its_lease_was_recovered(store: Store):
    """Its outcome comes late, and it was not leased since."""
    accepted = await ask(store)
    [job] = await dequeue(store, lease=GONE)
    assert await store.recover(Recovery(NOW + 40)) == 1
    assert await record_outcome(store, job, State.DELIVERED) is not Recorded.LATE
    assert await states(store, accepted.request.id) == [State.DELIVERED]
    assert await dequeue(store, at=NOW + 41) == []


async def test_a_failure_does_not_count_once_its_lease_was_recovered(store: Store):
    """It is tried again anyway, and may be delivered."""
    accepted = await ask(store)
    [job] = await dequeue(store, lease=GONE)
    await store.recover(Recovery(NOW + 40))
    assert await record_outcome(store, job, State.FAILED) is Recorded.LATE
    assert await states(store, accepted.request.id) == [State.PENDING]


async def test_an_outcome_of_before_does_not_end_a_delivery_that_is_sent_again(store: Store):
    """The answer to a commit was lost, and the outcome is recorded twice."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    await record_outcome(store, job, State.DELIVERED)
    await store.change(
        Retry(Command(accepted.request.id, Actor("api", "op"), NOW + 2), 1, frozenset({State.DELIVERED}))
    )
    assert await record_outcome(store, job, State.DELIVERED) is Recorded.LATE
    assert await states(store, accepted.request.id) == [State.PENDING]
