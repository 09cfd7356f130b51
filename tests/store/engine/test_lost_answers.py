"""The answer to a commit is lost: the callers get an error, and trying again does no harm."""

from collections.abc import Iterator

import pytest
from tests.fakes.lossy import LossyProxy
from tests.fakes.postgres import Postgres
from tests.store.asks import ALL, GONE, NOW, ask, dequeue, events, key, new, record_outcome, request, states

from assistance.model import State
from assistance.store import Acceptance, Recorded, Recovery, Store, StoreUnavailableError, open_store


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[LossyProxy]:
    """A way to an empty database that can lose answers."""
    name = postgres.migrated()
    between = LossyProxy(postgres.at(name))
    yield between
    between.close()
    postgres.drop(name)


@pytest.fixture
def store(proxy: LossyProxy) -> Iterator[Store]:
    """A store behind the proxy."""
    opened = open_store(proxy.url)
    yield opened
    opened.close()


def lose_next(proxy: LossyProxy) -> None:
    proxy.lost.clear()
    proxy.lose.set()


async def test_an_accept_with_a_key_finds_itself_stored(store: Store, proxy: LossyProxy):
    """The caller tries again with its key: the same request, once."""
    lose_next(proxy)
    with pytest.raises(StoreUnavailableError):
        await store.accept(new(of=request(), key=key("k")))
    assert proxy.lost.wait(10)
    again = await store.accept(new(of=request(), key=key("k")))
    assert again.how is Acceptance.REPLAYED
    assert [seen[0].id for seen in await store.page(ALL)] == [again.request.id]


async def test_an_outcome_recorded_again_changes_nothing(store: Store, proxy: LossyProxy):
    """It was written the first time."""
    accepted = await ask(store)
    [job] = await dequeue(store)
    lose_next(proxy)
    with pytest.raises(StoreUnavailableError):
        await record_outcome(store, job, State.DELIVERED)
    assert proxy.lost.wait(10)
    assert await record_outcome(store, job, State.DELIVERED) is Recorded.LATE
    assert await states(store, accepted.request.id) == [State.DELIVERED]
    assert len(await events(store, accepted.request.id)) == 2


async def test_a_lease_whose_answer_was_lost_is_recovered_when_it_ends(store: Store, proxy: LossyProxy):
    """It is late, not lost."""
    accepted = await ask(store)
    lose_next(proxy)
    with pytest.raises(StoreUnavailableError):
        await dequeue(store, lease=GONE)
    assert proxy.lost.wait(10)
    assert await states(store, accepted.request.id) == [State.SENDING]
    assert await store.recover(Recovery(NOW + 1)) == 1
    assert len(await dequeue(store)) == 1
