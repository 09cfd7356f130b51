"""PostgreSQL: what is refused, what is limited, and how it goes on after an outage."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text
from tests.fakes.cluster import BINARIES, cluster
from tests.fakes.postgres import Postgres
from tests.store.asks import NOW, ask, dequeue, new, notice, request

from assistance.store import Store, StoreRefusedError, StoreUnavailableError, migrate, open_store
from assistance.store.engine import migrations, postgresql


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of a database with the current schema."""
    name = postgres.migrated()
    yield name
    postgres.drop(name)


@pytest.fixture
def store(postgres: Postgres, database: str) -> Iterator[Store]:
    """A store on that database."""
    opened = open_store(postgres.at(database))
    yield opened
    opened.close()


def refusal(url: str) -> str:
    with pytest.raises(StoreRefusedError) as refused:
        open_store(url)
    return str(refused.value)


def test_a_database_that_may_lose_what_it_confirmed_is_refused(postgres: Postgres, database: str):
    """Whether it is set for the server, the database or the user."""
    postgres.run("ALTER DATABASE {} SET synchronous_commit = off", database)
    assert "synchronous_commit=off" in refusal(postgres.at(database))


@pytest.mark.skipif(BINARIES is None, reason="PostgreSQL's programs are not installed")
def test_a_server_that_does_not_sync_is_refused():
    """`fsync=off` is for data that may be lost."""
    with cluster() as server:
        server.make("fsync = off\n")
        assert "fsync=off" in refusal(server.url)


def test_an_old_server_is_refused(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch):
    """With the version that is needed."""
    monkeypatch.setattr(postgresql, "OLDEST", 1_000_000)
    assert "is too old; 15 or newer" in refusal(postgres.at(database))


def test_a_database_without_the_schema_is_refused(postgres: Postgres):
    """`serve` does not migrate PostgreSQL: the old version may still be at work."""
    name = postgres.empty()
    try:
        assert "run `assistance migrate`" in refusal(postgres.at(name))
        assert migrate(postgres.at(name))[0] is None
        open_store(postgres.at(name)).close()
    finally:
        postgres.drop(name)


def test_an_outdated_schema_is_refused(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch):
    """It says from which revision to which."""
    found = migrations.newest()
    monkeypatch.setattr("assistance.store.engine.migrations.newest", lambda: "9999")
    assert f"at revision {found}, not 9999: run `assistance migrate`" in refusal(postgres.at(database))


def test_the_schema_of_a_newer_version_will_do(postgres: Postgres, database: str):
    """While a new version rolls out, the old one goes on, and can even be restarted."""
    postgres.run("UPDATE alembic_version SET version_num = '9999'", database=database)
    assert migrate(postgres.at(database)) == ("9999", "9999")
    open_store(postgres.at(database)).close()


def test_a_server_that_is_not_there_is_named_without_the_password():
    """Quickly, in one line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = refusal(f"postgresql://ana:hidden@127.0.0.1:{port}/db")
    assert f"{port}" in said
    assert "hidden" not in said
    assert "\n" not in said


def test_a_server_that_does_not_answer_is_given_up():
    """The wait is no longer than the connection's time-out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        assert "timeout" in refusal(f"postgresql://127.0.0.1:{listener.getsockname()[1]}/db?connect_timeout=2")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("url", ["postgresql://u:hidden@[h/db", "postgresql://h/db?hidden=1", "mysql://u:hidden@h/d"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str):
    """It holds a password."""
    assert "hidden" not in refusal(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_uri_overrides_our_defaults(scheme: str):
    """All of libpq's names are known; what is not named has our default."""
    conninfo = postgresql.parse(f"{scheme}://ana:secret@/db?host=/run/pg&application_name=mine")
    assert "application_name=mine" in conninfo
    assert "connect_timeout=5" in conninfo
    assert "host=/run/pg" in conninfo


async def test_every_session_is_limited(store: Store):
    """No statement, no lock and no idle transaction lasts for long; readers cannot write."""

    def look(connection: Connection, _items: Sequence[None] = ()) -> list[dict[str, Any]]:
        modes = "transaction_read_only", "transaction_isolation"
        names = "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name"
        columns = ", ".join(f"current_setting('{name}') AS {name}" for name in (*names, *modes))
        return [dict(row) for row in connection.execute(text(f"SELECT {columns}")).mappings()]

    limits = {
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "10s",
        "application_name": "assistance",
    }
    reads = {"transaction_read_only": "on", "transaction_isolation": "repeatable read"}
    writes = {"transaction_read_only": "off", "transaction_isolation": "read committed"}
    assert await store.read(look) == [limits | reads]
    assert await store.accepting.write(look, None) == limits | writes
    assert await store.dispatching.write(look, None) == limits | writes


async def test_a_statement_that_takes_too_long_is_given_up(
    postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
):
    """Its caller gets an error, and the next write works."""
    monkeypatch.setattr(postgresql, "LIMIT", "set_config('statement_timeout', '100ms', false)")
    store = open_store(postgres.at(database))

    def dawdle(connection: Connection, items: Sequence[None]) -> Sequence[None]:
        connection.execute(text("SELECT pg_sleep(30)"))
        return items

    with pytest.raises(StoreUnavailableError):
        await store.accepting.write(dawdle, None)
    await ask(store)
    store.close()


async def test_accepts_do_not_wait_for_the_dispatcher(store: Store):
    """A dispatch write that hangs does not hold up an accept."""
    began, go_on = Event(), Event()

    def hang(_connection: Connection, items: Sequence[None]) -> Sequence[None]:
        began.set()
        assert go_on.wait(10)
        return items

    hanging = asyncio.ensure_future(store.dispatching.write(hang, None))
    assert await asyncio.to_thread(began.wait, 10)
    await ask(store)
    assert not hanging.done()
    go_on.set()
    await hanging


async def test_an_outage_is_reported_at_once_and_survived(store: Store, postgres: Postgres, database: str):
    """Writers and readers fail within a second while it lasts, and work again after it without a restart."""
    accepted = await ask(store)
    with postgres.out_of_order(database):
        for _ in range(2):
            began = time.monotonic()
            results = await asyncio.gather(
                ask(store), dequeue(store), store.get(accepted.request.id), return_exceptions=True
            )
            assert [type(result) for result in results] == [StoreUnavailableError] * 3
            assert time.monotonic() - began < 2
    assert store.broken is None
    assert await store.get(accepted.request.id) is not None
    await ask(store)
    assert len(await dequeue(store)) == 2


async def test_sessions_that_the_server_has_ended_are_replaced_unnoticed(
    store: Store, postgres: Postgres, database: str
):
    """After a restart or a failover no caller gets an error."""
    await ask(store)
    await dequeue(store)
    with postgres.out_of_order(database):
        pass
    await ask(store)
    assert len(await dequeue(store)) == 1
    assert await store.waiting_channels() == []


async def test_a_server_that_became_unsafe_meanwhile_is_not_written_to(store: Store, postgres: Postgres, database: str):
    """A failover may lead to a server with other settings."""
    await ask(store)
    postgres.run("ALTER DATABASE {} SET synchronous_commit = off", database)
    with postgres.out_of_order(database):
        pass
    with pytest.raises(StoreUnavailableError, match="synchronous_commit=off"):
        await ask(store)
    postgres.run("ALTER DATABASE {} RESET synchronous_commit", database)
    await ask(store)


async def test_a_dispatcher_in_another_process_is_woken_by_what_is_due(store: Store, postgres: Postgres, database: str):
    """At once, and again after its connection was cut."""
    heard = asyncio.Event()
    other = open_store(postgres.at(database))
    listening = asyncio.ensure_future(other.listen(heard.set))
    await _hear(heard)
    await ask(store)
    await _hear(heard)
    with postgres.out_of_order(database):
        pass
    await _hear(heard)
    await ask(store)
    await _hear(heard)
    listening.cancel()
    other.close()


async def _hear(heard: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await heard.wait()
    heard.clear()


async def test_many_accepts_send_few_notifications(store: Store, postgres: Postgres, database: str):
    """Never one an accept, and none for what is due later."""
    with psycopg.connect(postgres.at(database), autocommit=True) as listener:
        listener.execute("LISTEN assistance_due")
        of = request()
        await store.accept(new(notice(of, 1, due_at=NOW + 60), of=of))
        assert list(listener.notifies(timeout=0.2)) == []
        await asyncio.gather(*(ask(store) for _ in range(200)))
        assert 1 <= len(list(listener.notifies(timeout=0.5))) <= 20
