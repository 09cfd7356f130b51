"""The version of a request rises with each event and each change of a notice's state, and with nothing else."""

from collections.abc import Awaitable, Callable

import pytest
from tests.store.asks import GONE, ME, NOW, ask, dequeue, failover, move, new, notice, outcome, request

from assistance.model import Actor, State, Status, Transition
from assistance.store import (
    ChangedError,
    Command,
    Erasure,
    FollowUp,
    Lease,
    Move,
    Park,
    Recovery,
    Renewal,
    Reply,
    Reroute,
    Retry,
    Store,
    Unpark,
)


async def version(store: Store, request_id: str) -> int:
    found = await store.get(request_id)
    assert found is not None
    return found.version


async def test_rises_with_each_change_of_a_delivery(store: Store):
    """Leased, released, retried, parked, unparked, recovered, delivered, sent again: each is a new version."""
    id_ = (await ask(store)).request.id
    seen = [await version(store, id_)]

    async def risen(by: int = 1) -> None:
        seen.append(await version(store, id_))
        assert seen[-1] == seen[-2] + by

    assert seen == [1]
    [job] = await dequeue(store)
    await risen()
    await store.renew(Renewal((job.delivery,), ME, NOW + 1))
    await risen(by=0)
    await store.release(job.delivery)
    await risen()
    [job] = await dequeue(store)
    await risen()
    await store.record_outcome(outcome(job, State.RETRYING, due_at=NOW + 1))
    await risen()
    await store.park(Park("slack", "credentials", NOW + 2))
    await risen()
    await store.unpark(Unpark("slack", NOW + 3))
    await risen()
    [lost] = await dequeue(store, at=NOW + 4, lease=GONE)
    await risen()
    await store.recover(Recovery(NOW + 5, everything=True))
    await risen()
    await store.record_outcome(outcome(lost, State.FAILED))
    await risen(by=0)
    await store.record_outcome(outcome(lost, State.DELIVERED))
    await risen(by=2)
    claimed = await move(store, id_, Status.CLAIMED)
    await risen()
    assert claimed.version == seen[-1]


async def test_a_skipped_and_a_retried_delivery(store: Store):
    """A step that is not needed any more is skipped; what failed is sent again with the request's event."""
    of = request()
    await store.accept(new(notice(of, 1), failover(of, 2), of=of))
    [job] = await dequeue(store)
    await store.record_outcome(outcome(job, State.DELIVERED))
    before = await version(store, of.id)
    assert not await dequeue(store, "mail", at=NOW + 100)
    assert await version(store, of.id) == before + 1
    again = await store.change(Retry(Command(of.id, Actor("api", "ops"), NOW + 101), 2))
    assert (again.version, await version(store, of.id)) == (before + 3, before + 3)


async def test_sending_an_update_is_no_new_version(store: Store):
    """The version that a claim answers with stays good while the people who were notified get the update about it."""
    id_ = (await ask(store)).request.id
    [job] = await dequeue(store)
    await store.record_outcome(outcome(job, State.DELIVERED))
    claimed = await move(store, id_, Status.CLAIMED)
    [update] = await dequeue(store, at=NOW + 100)
    assert await version(store, id_) == claimed.version
    await store.record_outcome(outcome(update, State.DELIVERED))
    assert await version(store, id_) == claimed.version
    command = Command(id_, Actor("api", "desk"), NOW + 101, frozenset({claimed.version}))
    assert (await store.change(Reply(command, "Soon"))).version == claimed.version + 1


MOVES: dict[str, Callable[[Store, Command], Awaitable[object]]] = {
    "cancel": lambda store, command: store.change(Move(command, Transition.CANCEL)),
    "claim": lambda store, command: store.change(Move(command, Transition.CLAIM)),
    "follow up": lambda store, command: store.change(FollowUp(command, "More")),
    "reply": lambda store, command: store.change(Reply(command, "Soon")),
    "reroute": lambda store, command: store.change(Reroute(command, "pricing", "Pricing", (), None)),
    "erase": lambda store, command: store.change(Erasure(command, ())),
}


@pytest.mark.parametrize("name", MOVES)
async def test_a_command_names_the_versions_that_it_is_for(store: Store, name: str):
    """Another version is refused and nothing changes; one of several will do, and it is over with the change."""
    of = request()
    await store.accept(new(notice(of, 1), notice(of, 2, "mail"), of=of))
    await dequeue(store, lease=Lease("me", 30.0))
    now = await version(store, of.id)

    async def act(*versions: int) -> object:
        return await MOVES[name](store, Command(of.id, Actor("api", "desk"), NOW + 2, frozenset(versions)))

    for stale in ((), (now - 1, now + 1)):
        with pytest.raises(ChangedError):
            await act(*stale)
    assert await version(store, of.id) == now
    await act(now - 1, now)
    assert await version(store, of.id) > now
    with pytest.raises(ChangedError):
        await MOVES["reply" if name != "cancel" else "erase"](
            store, Command(of.id, Actor("api", "desk"), NOW + 3, frozenset({now}))
        )
