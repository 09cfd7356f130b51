"""Leases: a late outcome changes nothing, and what a dead process had leased is recovered."""

import asyncio
from collections import Counter

import pytest
from tests.store.asks import (
    GONE,
    ME,
    NOW,
    OTHER,
    ask,
    deliveries,
    dequeue,
    events,
    outcome,
    record_outcome,
    states,
    status,
)

from assistance.model import State, Status
from assistance.store import Lease, Recorded, Recovery, Renewal, Store

OUTCOMES = [State.DELIVERED, State.RETRYING, State.FAILED, State.PARKED]


@pytest.mark.parametrize("late", OUTCOMES)
async def test_an_outcome_under_a_lost_lease_changes_nothing(store: Store, late: State):
    """Neither the delivery nor its request, its tries or its time line, whatever the outcome."""
    accepted = await ask(store)
    [zombie] = await dequeue(store, lease=GONE)
    assert await store.recover(Recovery(NOW + 1)) == 1
    [rightful] = await dequeue(store, lease=OTHER)
    before = await store.get(accepted.request.id), await events(store, accepted.request.id)
    assert await record_outcome(store, zombie, late) is Recorded.LATE
    assert (await store.get(accepted.request.id), await events(store, accepted.request.id)) == before
    assert (await store.tries(accepted.request.id))[0][1] == []
    assert await record_outcome(store, rightful, State.DELIVERED) is not Recorded.LATE


async def test_a_late_outcome_does_not_keep_the_others_of_its_group(store: Store):
    """Each in a batch is judged by its own fence."""
    lost, kept = await ask(store), await ask(store)
    [job] = await dequeue(store, room=1, lease=GONE)
    await store.recover(Recovery(NOW + 1))
    jobs = await dequeue(store, lease=OTHER)
    mine = next(each for each in jobs if each.request.id != job.request.id)
    results = [await record_outcome(store, each, State.DELIVERED) for each in (job, mine)]
    assert results == [Recorded.LATE, Recorded.NOTIFIED]
    assert {job.request.id, mine.request.id} == {lost.request.id, kept.request.id}


async def test_an_outcome_counts_once(store: Store):
    """Recorded twice, after an answer was lost, the second changes nothing."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    assert await record_outcome(store, job, State.DELIVERED) is not Recorded.LATE
    assert await record_outcome(store, job, State.DELIVERED) is Recorded.LATE
    assert len((await store.tries(accepted.request.id))[0][1]) == 1
    assert len(await events(store, accepted.request.id)) == 2


async def test_one_outcome_is_the_first_to_reach_a_person(store: Store):
    """Whichever is recorded first, also where both are in one group."""
    await ask(store, "slack", "mail")
    made = [outcome(job, State.DELIVERED) for job in await dequeue(store, "slack", "mail")]
    recorded = await asyncio.gather(*(store.record_outcome(each) for each in made))
    assert Counter(recorded) == Counter([Recorded.COUNTED, Recorded.NOTIFIED])


async def test_an_outcome_recorded_twice_in_one_group_counts_once(store: Store):
    """The group is written all the same."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    late = outcome(job, State.DELIVERED)
    recorded = await asyncio.gather(*(store.record_outcome(late) for _ in range(5)))
    assert Counter(recorded) == Counter([Recorded.LATE] * 4 + [Recorded.NOTIFIED])
    assert len((await store.tries(accepted.request.id))[0][1]) == 1


@pytest.mark.parametrize(("tries", "state"), [(0, State.PENDING), (1, State.RETRYING)])
async def test_what_is_released_waits_as_before_and_counts_no_try(store: Store, tries: int, state: State):
    """The next dispatcher leases it at once, under a new fence."""
    accepted = await ask(store)
    for _ in range(tries):
        [job] = await dequeue(store)
        await record_outcome(store, job, State.RETRYING)
    [job] = await dequeue(store)
    await store.release(job.delivery)
    [delivery] = await deliveries(store, accepted.request.id)
    assert (delivery.state, delivery.attempts) == (state, tries)
    [again] = await dequeue(store, lease=OTHER)
    assert again.delivery.fence == job.delivery.fence + 1


async def test_a_late_release_changes_nothing(store: Store):
    """Only its owner ends a lease."""
    accepted = await ask(store)
    [zombie] = await dequeue(store, lease=GONE)
    await store.recover(Recovery(NOW + 1))
    await dequeue(store, lease=OTHER)
    await store.release(zombie.delivery)
    assert await states(store, accepted.request.id) == [State.SENDING]


async def test_a_renewed_lease_is_not_recovered(store: Store):
    """The answer has those that still existed: a process learns what it has lost."""
    await ask(store)
    await ask(store)
    held = tuple(job.delivery for job in await dequeue(store, lease=GONE))
    await record_outcome(store, held[1], State.DELIVERED)
    assert await store.renew(Renewal(held, Lease("gone", 3600.0), NOW)) == {(held[0].request_id, held[0].n)}
    assert await store.recover(Recovery(NOW + 1)) == 0


async def test_only_a_lease_that_is_over_is_recovered(store: Store):
    """A lease that runs is its owner's."""
    alive, dead = await ask(store, "slack"), await ask(store, "mail")
    await dequeue(store, "slack", lease=ME)
    await dequeue(store, "mail", lease=GONE)
    assert await store.recover(Recovery(NOW + 1)) == 1
    assert await states(store, alive.request.id) + await states(store, dead.request.id) == [
        State.SENDING,
        State.PENDING,
    ]


async def test_what_the_calling_process_works_on_is_not_recovered(store: Store):
    """Its renewal may be in the queue of writes."""
    accepted = await ask(store)
    [job] = await dequeue(store, lease=GONE)
    mine = frozenset({(job.delivery.request_id, job.delivery.n)})
    assert await store.recover(Recovery(NOW + 1, mine)) == 0
    assert await record_outcome(store, job, State.DELIVERED) is not Recorded.LATE
    assert await status(store, accepted.request.id) == Status.NOTIFIED


async def test_a_process_that_is_alone_recovers_everything(store: Store):
    """The process that held it is gone, however long its lease would run; a try that was begun is not counted."""
    accepted = [await ask(store) for _ in range(3)]
    [tried, *_] = await dequeue(store, lease=Lease("before", 3600.0))
    await record_outcome(store, tried, State.RETRYING, due_at=NOW)
    await dequeue(store, lease=Lease("before", 3600.0))
    assert await store.recover(Recovery(NOW + 1, everything=True)) == 3
    found = {each.request.id: (await states(store, each.request.id))[0] for each in accepted}
    assert found.pop(tried.request.id) is State.RETRYING
    assert set(found.values()) == {State.PENDING}
