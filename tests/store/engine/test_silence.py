"""PostgreSQL falls silent, and TCP does not report it: a hanging server, a proxy that drops a connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fakes.clock import until
from tests.fakes.postgres import Postgres, through
from tests.fakes.toxic import Toxic, ToxicProxy
from tests.store.asks import ask, dequeue

from assistance.store import Store, StoreUnavailableError, open_store
from assistance.store.engine import postgresql, waking

SILENCE = 1.0


@pytest.fixture
async def between(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[ToxicProxy, Store]]:
    """A store, and the proxy through which it reaches an empty database."""
    monkeypatch.setattr(postgresql, "SILENCE", SILENCE)
    name = postgres.migrated()
    connect, url = through(postgres.at(name) + "&connect_timeout=2")
    async with ToxicProxy(connect) as proxy:
        store = await asyncio.to_thread(open_store, url(proxy.port))
        yield proxy, store
        await asyncio.to_thread(store.close)
    postgres.drop(name)


async def test_connections_that_have_fallen_silent_are_given_up(between: tuple[ToxicProxy, Store]):
    """All calls fail while it lasts; afterwards they get new connections, without a restart."""
    proxy, store = between
    accepted = await ask(store)
    await dequeue(store)
    assert await store.get(accepted.request.id)
    proxy.spoil(answers=Toxic(silent=True))
    lost = [ask(store), dequeue(store), *(store.get(accepted.request.id) for _ in range(4))]
    results = await asyncio.gather(*lost, return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailableError}
    assert "no answer" not in map(str, results)
    proxy.heal(forget=True)
    await ask(store)
    await dequeue(store)
    assert await store.get(accepted.request.id)


async def test_a_pause_that_ends_in_time_is_only_a_delay(between: tuple[ToxicProxy, Store]):
    """No caller gets an error."""
    proxy, store = between
    await ask(store)
    proxy.spoil(answers=Toxic(silent=True))
    asking = asyncio.create_task(ask(store))
    await asyncio.wait({asking}, timeout=SILENCE / 4)
    assert not asking.done()
    proxy.heal()
    assert (await asking).request.sequence == 1


async def test_a_listener_whose_connection_was_dropped_listens_again(
    between: tuple[ToxicProxy, Store], monkeypatch: pytest.MonkeyPatch
):
    """It finds out by itself that its connection is dead, and is notified again within seconds."""
    monkeypatch.setattr(waking, "QUIET", 0.2)
    monkeypatch.setattr(waking, "ECHO", 1.0)
    proxy, store = between
    wakes: asyncio.Queue[None] = asyncio.Queue()
    listening = asyncio.create_task(store.listen(lambda: wakes.put_nowait(None)))
    async with asyncio.timeout(10):
        await wakes.get()
        await wakes.get()  # its own: no other process sends one
    proxy.spoil(answers=Toxic(silent=True))
    await until(lambda: sum(link.held for link in proxy._links) > 1)
    proxy.heal(forget=True)
    while not wakes.empty():
        wakes.get_nowait()
    async with asyncio.timeout(10):
        await wakes.get()
    listening.cancel()
