"""Leases: a late writer changes nothing, and what a dead process held comes back."""

import asyncio

import pytest
from tests.store.asks import GONE, ME, NOW, OTHER, ask, deliveries, events, settle, settlement, states, status, take

from assistance.model import State, Status
from assistance.store import Lease, Recovery, Renewal, Settled, Store

OUTCOMES = [State.DELIVERED, State.RETRYING, State.FAILED, State.PARKED]


@pytest.mark.parametrize("late", OUTCOMES)
async def test_an_outcome_under_a_lost_lease_changes_nothing(store: Store, late: State):
    """Neither the delivery nor its request, its tries or its time line, whatever the outcome."""
    accepted = await ask(store)
    [zombie] = await take(store, lease=GONE)
    assert await store.recover(Recovery(NOW + 1)) == 1
    [rightful] = await take(store, lease=OTHER)
    before = await store.get(accepted.request.id), await events(store, accepted.request.id)
    assert not await settle(store, zombie, late)
    assert (await store.get(accepted.request.id), await events(store, accepted.request.id)) == before
    assert (await store.tries(accepted.request.id))[0][1] == []
    assert await settle(store, rightful, State.DELIVERED)


async def test_a_late_outcome_does_not_keep_the_others_of_its_group(store: Store):
    """Each in a batch is judged by its own fence."""
    lost, kept = await ask(store), await ask(store)
    [work] = await take(store, room=1, lease=GONE)
    await store.recover(Recovery(NOW + 1))
    works = await take(store, lease=OTHER)
    mine = next(each for each in works if each.request.id != work.request.id)
    results = [await settle(store, each, State.DELIVERED) for each in (work, mine)]
    assert results == [Settled.LATE, Settled.NOTIFIED]
    assert {work.request.id, mine.request.id} == {lost.request.id, kept.request.id}


async def test_an_outcome_counts_once(store: Store):
    """Told of twice, after an answer was lost, the second one changes nothing."""
    accepted = await ask(store)
    [work] = await take(store)
    assert await settle(store, work, State.DELIVERED)
    assert not await settle(store, work, State.DELIVERED)
    assert len((await store.tries(accepted.request.id))[0][1]) == 1
    assert len(await events(store, accepted.request.id)) == 2


async def test_one_outcome_says_that_a_person_was_told(store: Store):
    """The first of them, whichever that is: also where both are told of in one group."""
    await ask(store, "slack", "mail")
    told = [settlement(work, State.DELIVERED) for work in await take(store, "slack", "mail")]
    settled = await asyncio.gather(*(store.settle(each) for each in told))
    assert sorted(settled) == [Settled.COUNTED, Settled.NOTIFIED]


async def test_an_outcome_told_twice_in_one_group_counts_once(store: Store):
    """The group is written all the same."""
    accepted = await ask(store)
    [work] = await take(store)
    told = settlement(work, State.DELIVERED)
    settled = await asyncio.gather(*(store.settle(told) for _ in range(5)))
    assert sorted(settled) == [Settled.LATE] * 4 + [Settled.NOTIFIED]
    assert len((await store.tries(accepted.request.id))[0][1]) == 1


@pytest.mark.parametrize(("tries", "state"), [(0, State.PENDING), (1, State.RETRYING)])
async def test_what_is_released_waits_as_before_and_counts_no_try(store: Store, tries: int, state: State):
    """The next dispatcher takes it at once, under a new fence."""
    accepted = await ask(store)
    for _ in range(tries):
        [work] = await take(store)
        await settle(store, work, State.RETRYING)
    [work] = await take(store)
    await store.release(work.delivery)
    [delivery] = await deliveries(store, accepted.request.id)
    assert (delivery.state, delivery.attempts) == (state, tries)
    [again] = await take(store, lease=OTHER)
    assert again.delivery.fence == work.delivery.fence + 1


async def test_a_late_release_changes_nothing(store: Store):
    """Only the holder gives a lease back."""
    accepted = await ask(store)
    [zombie] = await take(store, lease=GONE)
    await store.recover(Recovery(NOW + 1))
    await take(store, lease=OTHER)
    await store.release(zombie.delivery)
    assert await states(store, accepted.request.id) == [State.SENDING]


async def test_a_renewed_lease_is_not_taken_back(store: Store):
    """Says which were still held: a process learns what it has lost."""
    await ask(store)
    await ask(store)
    held = tuple(work.delivery for work in await take(store, lease=GONE))
    await settle(store, held[1], State.DELIVERED)
    assert await store.renew(Renewal(held, Lease("gone", 3600.0), NOW)) == {(held[0].request_id, held[0].n)}
    assert await store.recover(Recovery(NOW + 1)) == 0


async def test_only_what_is_over_is_taken_back(store: Store):
    """A lease that runs is its holder's."""
    alive, dead = await ask(store, "slack"), await ask(store, "mail")
    await take(store, "slack", lease=ME)
    await take(store, "mail", lease=GONE)
    assert await store.recover(Recovery(NOW + 1)) == 1
    assert await states(store, alive.request.id) + await states(store, dead.request.id) == [
        State.SENDING,
        State.PENDING,
    ]


async def test_what_the_asking_process_works_on_is_not_taken_back(store: Store):
    """Its renewal may be on its way."""
    accepted = await ask(store)
    [work] = await take(store, lease=GONE)
    mine = frozenset({(work.delivery.request_id, work.delivery.n)})
    assert await store.recover(Recovery(NOW + 1, mine)) == 0
    assert await settle(store, work, State.DELIVERED)
    assert await status(store, accepted.request.id) == Status.NOTIFIED


async def test_a_process_that_is_alone_takes_everything_back(store: Store):
    """Whoever held it is gone, however long its lease would run; a try that was begun is not counted."""
    accepted = [await ask(store) for _ in range(3)]
    [tried, *_] = await take(store, lease=Lease("before", 3600.0))
    await settle(store, tried, State.RETRYING, due_at=NOW)
    await take(store, lease=Lease("before", 3600.0))
    assert await store.recover(Recovery(NOW + 1, everything=True)) == 3
    found = {each.request.id: (await states(store, each.request.id))[0] for each in accepted}
    assert found.pop(tried.request.id) is State.RETRYING
    assert set(found.values()) == {State.PENDING}
