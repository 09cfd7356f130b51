"""Opening PostgreSQL: what is unsafe is refused, with a sentence that says what to do."""

from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from assistance.store.engine.database import Database
from assistance.store.engine.migrations import outdated
from assistance.store.engine.waking import Wakes
from assistance.store.errors import StoreRefusedError

T = TypeVar("T")

OLDEST = 150_000
_WRITERS, _READERS = 3, 4
"""Connections of a process: three to write (accepts, dispatch, wake-ups), four to read. One more listens."""
_POOL_SECONDS = 5
SILENCE = 12.0
"""Seconds without an answer after which a connection is closed: more than a statement may take."""
_HELLO = 5.0
_CHECK_EVERY = 0.1
_DEFAULTS = {
    "connect_timeout": 5,
    "application_name": "assistance",
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""libpq's own names; the URI may set others. A server that is cut off is noticed within seconds, not hours."""
_LIMITS = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    # Stopped process: it must not keep its rows locked, https://www.postgresql.org/docs/current/runtime-config-client.html
    "idle_in_transaction_session_timeout": "10s",
}
_SETTINGS = """SELECT current_setting('fsync'), current_setting('synchronous_commit'),
                  current_setting('server_version_num')::int, pg_is_in_recovery()"""
LIMIT = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _LIMITS.items())


class _Impatient(psycopg.Connection[Any]):
    """A connection that waits `SILENCE` seconds for an answer.

    Hanging thread: a proxy or pooler may accept what we send while the server behind it hangs or is gone. Neither the
    server's own limits nor TCP keep-alives end that wait, and the writer would write nothing until a restart.
    """

    def wait(self, gen: PQGen[T], interval: float = _CHECK_EVERY, timeout: float | None = None) -> T:
        """Override psycopg's."""
        # Outside of transactions only small queries run, such as the pool's check of the connection.
        silence = min(_HELLO, SILENCE) if self.autocommit else SILENCE
        try:
            return super().wait(gen, interval, silence if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None and self.info.transaction_status is TransactionStatus.ACTIVE:
                # Late answer: on an open connection it would be taken for the answer to the next statement.
                self.close()
            raise


def open_postgresql(url: str) -> Database:
    """The database at a libpq URI.

    Raises:
        StoreRefusedError: it cannot be reached, its version or settings do not do, or its schema is outdated.
    """
    conninfo = parse(url)
    writing, reading = _engine(conninfo, _WRITERS), _engine(conninfo, _READERS, reads=True)
    try:
        lacking = outdated(reading)
    except DBAPIError as error:
        raise unusable(error) from None
    if lacking:
        reading.dispose()
        raise StoreRefusedError(f"the database's schema is {lacking}: run `assistance migrate`")
    return Database(writing, reading, wakes=Wakes(writing, conninfo))


def migrating_engine(url: str) -> Engine:
    """An engine whose statements take as long as they need.

    Raises:
        StoreRefusedError: the URI cannot be read.
    """
    return create_engine(
        "postgresql+psycopg://",
        creator=partial(_connect, parse(url), limit=False),
        poolclass=NullPool,
        hide_parameters=True,
        use_native_hstore=False,
    )


def parse(url: str) -> str:
    """The URI with our own defaults. Raises StoreRefusedError, which never quotes the URI: it has a password."""
    try:
        given: dict[str, Any] = conninfo_to_dict(url)
        return make_conninfo("", **{**_DEFAULTS, **given})
    except psycopg.Error:
        raise StoreRefusedError("the database's URL is not one that PostgreSQL's libpq can read") from None


def _engine(conninfo: str, size: int, *, reads: bool = False) -> Engine:
    return create_engine(
        "postgresql+psycopg://",
        creator=partial(_connect, conninfo, reads=reads),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,
        use_native_hstore=False,
    )


def _connect(conninfo: str, *, reads: bool = False, limit: bool = True) -> psycopg.Connection[Any]:
    connection = (_Impatient if limit else psycopg.Connection[Any]).connect(conninfo, autocommit=True)
    try:
        _check(connection)
        if limit:
            connection.execute(f"SELECT {LIMIT}")
        connection.autocommit = False
        if reads:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.adapters.register_loader("uuid", TextLoader)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: psycopg.Connection[Any]) -> None:
    """Check every new connection. Failover: it may lead to a server with other settings."""
    row = connection.execute(_SETTINGS).fetchone()
    assert row is not None
    fsync, synchronous_commit, version, standby = row
    if version < OLDEST:
        raise StoreRefusedError(f"PostgreSQL {version // 10_000} is too old; 15 or newer is needed")
    for name, value in (("fsync", fsync), ("synchronous_commit", synchronous_commit)):
        if value == "off":
            raise StoreRefusedError(f"PostgreSQL runs with {name}=off and can lose what it has confirmed; turn it on")
    if standby:
        raise StoreRefusedError("PostgreSQL is a standby that cannot be written to; connect to the primary")


def unusable(error: DBAPIError) -> StoreRefusedError:
    """The refusal when it cannot be opened. Secrecy: libpq names the host and the user, never the password."""
    return StoreRefusedError(f"PostgreSQL cannot be used: {'; '.join(str(error.orig).split(chr(10)))}")
