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

_OLDEST = 150_000
_WRITERS, _READERS = 3, 4
"""Connections of a process: accepts, dispatch and wake-ups; what callers look at. One more listens."""
_POOL_SECONDS = 5
SILENCE = 12.0
"""Seconds after which a server that owes an answer is given up: more than it may take for a statement."""
_HELLO = 5.0
_LOOK_EVERY = 0.1
_DEFAULTS = {
    "connect_timeout": 5,
    "application_name": "assistance",
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""libpq's own names; the URI may say otherwise. A server that is cut off is noticed within seconds, not hours."""
_LIMITS = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    # A process that stands still in a transaction must not hold its rows: https://www.postgresql.org/docs/current/runtime-config-client.html
    "idle_in_transaction_session_timeout": "10s",
}
_LOOK = """SELECT current_setting('fsync'), current_setting('synchronous_commit'),
                  current_setting('server_version_num')::int, pg_is_in_recovery()"""
_LIMIT = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _LIMITS.items())


class _Impatient(psycopg.Connection[Any]):
    """A connection that does not wait for ever.

    The server's own limits end what it still works on; the system's end connections whose packets go astray. Neither
    helps where a middleman takes what we send and the server behind it hangs, is gone, or has forgotten us: a thread
    that waits there would write nothing any more until the process is started anew.
    """

    def wait(self, gen: PQGen[T], interval: float = _LOOK_EVERY, timeout: float | None = None) -> T:
        """See psycopg."""
        # Outside of transactions only small questions are asked, whether anybody is there at all among them.
        silence = min(_HELLO, SILENCE) if self.autocommit else SILENCE
        try:
            return super().wait(gen, interval, silence if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None and self.info.transaction_status is TransactionStatus.ACTIVE:
                # The answer is still to come; closed, nobody takes it for that to the next question.
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
    """The URI with our own defaults. Raises StoreRefusedError, which never quotes it: it holds a password."""
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
            connection.execute(f"SELECT {_LIMIT}")
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
    """Look at every connection: after a failover it may lead to a server with other settings."""
    row = connection.execute(_LOOK).fetchone()
    assert row is not None
    fsync, synchronous_commit, version, standby = row
    if version < _OLDEST:
        raise StoreRefusedError(f"PostgreSQL {version // 10_000} is too old; 15 or newer is needed")
    for name, value in (("fsync", fsync), ("synchronous_commit", synchronous_commit)):
        if value == "off":
            raise StoreRefusedError(f"PostgreSQL runs with {name}=off and can lose what it has confirmed; turn it on")
    if standby:
        raise StoreRefusedError("PostgreSQL is a standby that cannot be written to; connect to the primary")


def unusable(error: DBAPIError) -> StoreRefusedError:
    """What to say when it cannot be opened. libpq names the host and the user, never the password."""
    return StoreRefusedError(f"PostgreSQL cannot be used: {'; '.join(str(error.orig).split(chr(10)))}")
