"""What waits, when a process starts with a clock that was set since the one before it stopped."""

import pytest
from tests.fakes.clock import SharedClock
from tests.fakes.postgres import Postgres
from tests.store.asks import NOW, WEEK, ask, deliveries, dequeue, record_outcome

from assistance.model import State
from assistance.store import Clocks, Freeze, LaneState, Park, Store, open_store

HOUR = 3600.0


@pytest.mark.parametrize(
    ("house", "machine", "found", "snapshot"),
    [
        pytest.param(NOW, NOW, NOW - HOUR, -HOUR, id="set back while nobody looked"),
        pytest.param(NOW, NOW - HOUR, NOW - HOUR + 60, -HOUR, id="set back, and down for a minute"),
        pytest.param(NOW, NOW + HOUR, NOW + HOUR + 60, HOUR, id="set forward, and down for a minute"),
        pytest.param(NOW, NOW + HOUR, NOW, 0.0, id="set forward, and back again"),
        pytest.param(NOW, NOW, NOW + WEEK, 0.0, id="down for a week"),
        pytest.param(NOW, NOW, NOW - 2, 0.0, id="a second or two"),
    ],
)
async def test_what_waits_comes_when_it_was_to_come(
    store: Store, house: float, machine: float, found: float, snapshot: float
):
    """It is shifted by as much as the clock was set, once, with its deadlines; what has happened is not."""
    over, retried = await ask(store, at=NOW - 2), await ask(store, at=NOW - 1)
    done, again = await dequeue(store)
    await record_outcome(store, done, State.DELIVERED, at=NOW)
    await record_outcome(store, again, State.RETRYING, at=NOW, due_at=NOW + 30)
    await store.note_clocks(Clocks(house, machine))
    assert await store.resume(found) == pytest.approx(snapshot)
    assert await store.resume(found) == 0
    [waits], [past] = await deliveries(store, retried.request.id), await deliveries(store, over.request.id)
    assert waits.due_at == pytest.approx(NOW + 30 + snapshot)
    assert waits.owed_since == pytest.approx(NOW - 1 + snapshot)
    assert past.owed_since == NOW - 2
    assert len(await store.expire(NOW + snapshot + WEEK - 10)) == 0


async def test_what_was_parked_frozen_and_leased_is_shifted_too(store: Store):
    """Nothing waits an hour longer because a clock was set back; what is parked keeps the time it has been."""
    parked = await ask(store, "mail")
    await store.park(Park("mail", "credentials", NOW))
    await store.freeze(Freeze("slack", NOW + 30))
    await store.note_clocks(Clocks(NOW, NOW))
    assert await store.resume(NOW - HOUR) == pytest.approx(-HOUR)
    states = {state.channel: state for state in await store.lane_states()}
    assert states["slack"] == LaneState("slack", frozen_until=NOW + 30 - HOUR, arrival=-HOUR)
    assert (states["mail"].parked_since, states["mail"].probe_at) == (NOW - HOUR, NOW + 60 - HOUR)
    [delivery] = await deliveries(store, parked.request.id)
    assert delivery.owed_since == NOW - HOUR


async def test_a_store_without_a_past_is_left_alone(store: Store):
    """It is unknown by which clock it was written."""
    await ask(store, at=NOW + HOUR)
    assert await store.resume(NOW) == 0


@pytest.mark.parametrize("late", [1, 2, 3], ids=["at first", "next", "at last"])
async def test_a_server_that_answers_late_is_not_ahead(postgres: Postgres, late: int):
    """The time between the query and the server's reading of its clock passes on both sides."""
    name = postgres.migrated()
    clock = SharedClock(postgres.stop_clock(name, NOW), NOW)
    store, looks = open_store(postgres.at(name)), 0

    def machine() -> float:
        nonlocal looks
        looks += 1
        seen = clock.now()
        # Each answer is between two readings of the clock.
        if looks == 2 * late - 1:
            clock.advance(HOUR)
        return seen

    ahead = await store.clock_offset(machine)
    store.close()
    postgres.drop(name)
    assert clock.now() == NOW + HOUR
    assert ahead == pytest.approx(0, abs=0.001)
