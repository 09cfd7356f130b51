"""Channels that must not be sent to: frozen for a while, or parked until they are mended."""

import pytest
from tests.store.asks import (
    ME,
    NOW,
    OTHER,
    ask,
    deliveries,
    dequeue,
    failover,
    new,
    notice,
    record_outcome,
    request,
    states,
)

from assistance.model import State
from assistance.store import Dequeue, Freeze, LaneState, Park, Recorded, Store, Unpark, open_store
from assistance.store.queue import lanes, leases


async def test_a_frozen_channel_gives_nothing_until_its_time(store: Store):
    """`Retry-After` holds for every dispatcher."""
    await ask(store, "slack", "mail")
    await store.freeze(Freeze("slack", NOW + 600))
    assert [job.delivery.channel for job in await dequeue(store, "slack", "mail")] == ["mail"]
    await store.freeze(Freeze("sms", NOW - 600))
    await ask(store, "sms")
    assert len(await dequeue(store, "sms")) == 1


async def test_a_shorter_freeze_does_not_end_a_longer_one(store: Store):
    """The latest instant counts."""
    for until in (NOW + 600, NOW + 60):
        await store.freeze(Freeze("slack", until))
    assert await store.lane_states() == [LaneState("slack", frozen_until=NOW + 600)]


async def test_what_was_learned_of_a_channel_outlives_the_process(url: str):
    """A restart does not send to a destination that asked for a pause."""
    store = open_store(url)
    await store.freeze(Freeze("slack", NOW + 600))
    await store.park(Park("mail", "credentials", NOW))
    store.close()
    store = open_store(url)
    known = {state.channel: state for state in await store.lane_states()}
    store.close()
    assert known["slack"].frozen_until == NOW + 600
    assert (known["mail"].parked_since, known["mail"].parked_reason, known["mail"].probe_at) == (
        NOW,
        "credentials",
        NOW + 60,
    )


async def test_parking_keeps_what_is_due_and_leaves_what_is_not(store: Store):
    """What becomes due later is parked by the next sweep; what is being sent comes to its end."""
    sent = await ask(store, at=NOW - 5)
    [job] = await dequeue(store, at=NOW)
    now, later = await ask(store), await ask(store, at=NOW + 60)
    assert await store.park(Park("slack", "credentials", NOW + 1)) == 1
    assert await store.park(Park("slack", "credentials", NOW + 60)) == 1
    assert await record_outcome(store, job, State.DELIVERED) is not Recorded.LATE
    found = [(await states(store, each.request.id))[0] for each in (sent, now, later)]
    assert found == [State.DELIVERED, State.PARKED, State.PARKED]
    [state] = await store.lane_states()
    assert (state.parked_since, state.probe_at) == (NOW + 1, NOW + 61)
    assert (await deliveries(store, now.request.id))[0].last_error == "credentials"


async def test_one_process_a_minute_probes_a_parked_channel(store: Store):
    """The first one; all see when the next may."""
    for _ in range(3):
        await ask(store)
    await store.park(Park("slack", "credentials", NOW + 1))
    assert await dequeue(store, at=NOW + 60, probes=["slack"]) == []
    assert len(await dequeue(store, at=NOW + 61, probes=["slack"])) == 1
    assert await dequeue(store, at=NOW + 61, probes=["slack"], lease=OTHER) == []
    assert [state.probe_at for state in await store.lane_states()] == [NOW + 121]


@pytest.mark.parametrize("named", ["slack", None])
async def test_a_parked_channel_is_tried_when_asked_for(store: Store, named: str | None):
    """An operator who has mended it does not wait; parking more of what is due on it forgets nothing of that."""
    await ask(store)
    await store.park(Park("slack", "credentials", NOW + 1))
    await store.try_parked("mail")
    assert await dequeue(store, probes=["slack", "mail"]) == []
    await store.try_parked(named)
    await ask(store)
    await store.park(Park("slack", "credentials", NOW + 2))
    assert len(await dequeue(store, at=NOW + 2, probes=["slack", "mail"])) == 1


async def test_a_channel_that_is_not_parked_is_not_probed(store: Store):
    """To try all leaves those alone that are not parked."""
    await store.freeze(Freeze("slack", NOW + 60))
    await store.try_parked()
    dequeued = await store.dequeue(Dequeue({}, ME, NOW + 1, lambda _hours, _at: True, probes=["slack"]))
    assert (dequeued.probed, dequeued.lanes) == (frozenset(), (LaneState("slack", frozen_until=NOW + 60),))


async def test_a_parked_channel_gives_nothing(store: Store):
    """Not even what has come since."""
    await store.park(Park("slack", "credentials", NOW))
    await ask(store)
    assert await dequeue(store) == []


async def test_what_was_accepted_without_knowing_is_parked_by_the_next_dequeue(store: Store):
    """A process that does not send knows no lanes: what it accepts for a parked channel fails over at once."""
    await store.park(Park("slack", "credentials: invalid_auth", NOW))
    of = request()
    await store.accept(new(notice(of, 1), failover(of, 2), of=of))
    dequeued = await store.dequeue(Dequeue({"mail": 5}, ME, NOW + 1, lambda _hours, _at: True))
    assert dequeued.parked == {"slack": 1}
    assert [job.delivery.channel for job in dequeued.jobs] == ["mail"]
    waits, _ = await deliveries(store, of.id)
    assert (waits.state, waits.last_error) == (State.PARKED, "credentials")
    assert (await store.dequeue(Dequeue({"mail": 5}, ME, NOW + 1, lambda _hours, _at: True))).parked == {}


async def test_a_mended_channel_goes_on_where_it_stood(store: Store):
    """All is due at once, tries and all, and the time parked does not count."""
    fresh = await ask(store)
    tried = await ask(store)
    jobs = {job.request.id: job for job in await dequeue(store)}
    await record_outcome(store, jobs[tried.request.id], State.RETRYING, due_at=NOW + 5)
    await store.release(jobs[fresh.request.id].delivery)
    assert await store.park(Park("slack", "credentials", NOW + 10)) == 2
    assert await store.unpark(Unpark("slack", NOW + 1000)) == 2
    [one], [two] = await deliveries(store, fresh.request.id), await deliveries(store, tried.request.id)
    assert (one.state, one.due_at) == (State.PENDING, NOW)
    assert (two.state, two.attempts) == (State.RETRYING, 1)
    assert [one.owed_since, two.owed_since] == [pytest.approx(NOW + 990)] * 2
    assert await store.lane_states() == [LaneState("slack")]
    assert len(await dequeue(store, at=NOW + 1000)) == 2


async def test_mending_one_channel_leaves_the_others_parked(store: Store):
    """Each is parked by itself."""
    accepted = await ask(store, "slack", "mail")
    for channel in ("slack", "mail"):
        await store.park(Park(channel, "credentials", NOW))
    await store.unpark(Unpark("mail", NOW + 1))
    assert await states(store, accepted.request.id) == [State.PARKED, State.PENDING]
    assert await store.waiting_channels() == ["mail"]
    assert await store.parked_channels() == ["slack"]


async def test_much_is_parked_and_freed_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch):
    """No step is larger than it may be, and nothing is left over."""
    for module in (lanes, leases):
        monkeypatch.setattr(module, "AT_ONCE", 3)
    for _ in range(10):
        await ask(store)
    assert await store.park(Park("slack", "credentials", NOW + 1)) == 10
    assert await store.unpark(Unpark("slack", NOW + 2)) == 10
    assert len(await dequeue(store, at=NOW + 2, room=20)) == 10


async def test_the_channels_on_which_something_waits_are_known(store: Store):
    """In the order of their names; what is sent or over does not count."""
    assert await store.waiting_channels() == []
    for channel in ("b", "a", "c", "a"):
        await ask(store, channel)
    await dequeue(store, "c", lease=ME)
    assert await store.waiting_channels() == ["a", "b"]
    assert await store.parked_channels() == []
