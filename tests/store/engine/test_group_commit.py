"""Group commit: many writes, few commits, and no write fails because of another."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from tests.store.asks import ALL, NOW, ask, dequeue, key, new, notice, record_outcome, request

from assistance.model import State
from assistance.store import Acceptance, Recorded, Store, StoreBrokenError, StoreUnavailableError, open_store
from assistance.store.engine import writer
from assistance.store.engine.writer import Writer


@pytest.fixture
def commits() -> list[int]:
    """The size of each group that was committed."""
    return []


@pytest.fixture
def counted(url: str, commits: list[int]) -> Iterator[Store]:
    """An empty store that counts its commits."""
    store = open_store(url, commits.append)
    yield store
    store.close()


def written(store: Store) -> Writer:
    return store.accepting


async def test_two_hundred_concurrent_accepts_are_all_stored_in_few_commits(counted: Store, commits: list[int]):
    """Each gets its own answer, and all are there."""
    asks = [counted.accept(new(of=request(), key=key(f"k{n}"))) for n in range(200)]
    accepted = await asyncio.gather(*asks)
    assert {each.how for each in accepted} == {Acceptance.CREATED}
    assert {seen[0].id for seen in await counted.page(ALL)} == {each.request.id for each in accepted}
    assert sum(commits) == 200
    assert len(commits) < 100


async def test_a_bad_item_does_not_take_the_others_down_with_it(store: Store):
    """What cannot be stored fails alone, wherever it stands in its group."""
    bad = request(description=None, topic=None)
    asks = [store.accept(new(of=request())) for _ in range(9)]
    asks.insert(4, store.accept(new(of=bad)))
    results = await asyncio.gather(*asks, return_exceptions=True)
    failed = [place for place, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [4]
    assert isinstance(results[4], StoreUnavailableError)
    assert len(await store.page(ALL)) == 9


async def test_a_request_with_a_bad_delivery_is_not_stored_at_all(store: Store):
    """All or nothing: neither the request nor its good deliveries nor its key."""
    of = request()
    twice = notice(of, 1), notice(of, 2), notice(of, 2)
    with pytest.raises(StoreUnavailableError):
        await store.accept(new(*twice, of=of, key=key("k")))
    assert await store.page(ALL) == []
    assert (await store.accept(new(of=request(), key=key("k")))).how is Acceptance.CREATED


async def test_nothing_of_what_was_to_be_stored_is_in_the_error(store: Store):
    """The customer's words do not get into a log by way of an exception."""
    of = request(description="a secret wish")
    with pytest.raises(StoreUnavailableError) as caught:
        await store.accept(new(notice(of, 1), notice(of, 1), of=of))
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "secret wish" not in f"{chain}{chain.args}"
        chain = None if chain.__suppress_context__ else chain.__context__


async def test_a_group_keeps_the_order_of_its_items(store: Store):
    """What was submitted first is written first."""
    seen: list[int] = []

    def note(_connection: Connection, items: Sequence[int]) -> list[int]:
        seen.extend(items)
        return [item * 2 for item in items]

    results = await asyncio.gather(*(written(store).write(note, n) for n in range(100)))
    assert results == [n * 2 for n in range(100)]
    assert seen == list(range(100))


async def test_what_fails_by_a_bug_reaches_its_caller(store: Store):
    """An unexpected exception is raised to the caller, which must not wait for ever."""

    def break_(_connection: Connection, _items: Sequence[Any]) -> list[Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await written(store).write(break_, None)
    await ask(store)


async def test_a_write_whose_caller_gave_up_is_not_stored(store: Store):
    """What was still in the queue is left out; the rest is written."""
    began, go_on = Event(), Event()

    def hold(_connection: Connection, items: Sequence[Any]) -> list[Any]:
        began.set()
        assert go_on.wait(10)
        return list(items)

    held = asyncio.ensure_future(written(store).write(hold, None))
    await asyncio.to_thread(began.wait, 10)
    given_up = asyncio.ensure_future(ask(store))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    go_on.set()
    await held
    kept = await ask(store)
    assert [seen[0].id for seen in await store.page(ALL)] == [kept.request.id]


async def test_nobody_waits_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch):
    """A database that does not answer is reported in time, and works again when it does."""
    go_on = Event()

    def hang(_connection: Connection, items: Sequence[Any]) -> list[Any]:
        assert go_on.wait(10)
        return list(items)

    monkeypatch.setattr(writer, "PATIENCE", 0.05)
    with pytest.raises(StoreUnavailableError):
        await written(store).write(hang, None)
    go_on.set()
    monkeypatch.undo()
    await ask(store)


async def test_what_is_waiting_is_written_before_the_store_closes(url: str):
    """A process that stops in order loses nothing."""
    store = open_store(url)
    waiting = [asyncio.ensure_future(ask(store)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(store.close)
    accepted = await asyncio.gather(*waiting)
    store = open_store(url)
    assert len(await store.page(ALL)) == len(accepted) == 20
    store.close()


async def test_accepts_and_outcomes_at_the_same_time_are_all_written(store: Store):
    """Different kinds of writes do not get in each other's way."""
    for _ in range(50):
        await ask(store, at=NOW - 1)
    jobs = await dequeue(store, room=50)
    results = await asyncio.gather(
        *(ask(store, "mail") for _ in range(50)), *(record_outcome(store, job, State.DELIVERED) for job in jobs)
    )
    assert Recorded.LATE not in results
    assert len(await store.page(ALL)) == 100


async def test_a_failed_statement_leaves_nothing_behind(store: Store):
    """The transaction is undone, and the next one begins afresh."""

    def fail(connection: Connection, _items: Sequence[Any]) -> list[Any]:
        connection.execute(text("DELETE FROM requests"))
        connection.execute(text("SELECT * FROM nowhere"))
        return []

    await ask(store)
    with pytest.raises(StoreUnavailableError):
        await written(store).write(fail, None)
    assert len(await store.page(ALL)) == 1
    await ask(store)


async def test_what_waits_behind_a_failed_sync_is_not_stored(tmp_path: Path):
    """After a failed sync no later write is reported as stored."""
    store = open_store(f"sqlite:///{tmp_path}/assistance.db")
    began, go_on = Event(), Event()

    def lose(_connection: Connection, _items: Sequence[Any]) -> list[Any]:
        began.set()
        assert go_on.wait(10)
        raise OperationalError("COMMIT", {}, OSError("disk I/O error"))

    lost = asyncio.ensure_future(written(store).write(lose, None))
    await asyncio.to_thread(began.wait, 10)
    waiting = asyncio.ensure_future(ask(store))
    await asyncio.sleep(0)
    go_on.set()
    results = await asyncio.gather(lost, waiting, return_exceptions=True)
    assert [type(each) for each in results] == [StoreBrokenError, StoreBrokenError]
    assert await store.page(ALL) == []
    store.close()


async def test_a_commit_that_cannot_be_counted_is_a_commit(url: str):
    """Its callers are answered that it is stored, once, even when `on_commit` fails."""

    def fail(_size: int) -> None:
        raise ZeroDivisionError

    store = open_store(url, fail)
    accepted = await asyncio.gather(ask(store), ask(store))
    assert {seen[0].id for seen in await store.page(ALL)} == {each.request.id for each in accepted}
    store.close()
