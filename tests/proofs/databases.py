"""The databases that every proof runs on, and how its checker reads them behind the service's back."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pysqlite3.dbapi2
import pytest
from sqlalchemy import Engine, Row, create_engine, text
from sqlalchemy.pool import NullPool

_OWED = "state IN ('pending', 'retrying', 'sending', 'parked')"
_LEASE = 8.0
"""Seconds of the lease that `calm_leases` plants."""


def _nothing() -> bool:
    return True


@dataclass(frozen=True)
class Database:
    """One database of one test.

    `takeover` is the seconds after which what a dead process held goes out again, `plants` what every service on it is
    started with, `sharing` what must be planted besides where several processes are to use it. `quiet` says whether
    nothing that a dead process began is still under way.
    """

    url: str
    takeover: float
    connect: Callable[[], Engine]
    plants: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()
    quiet: Callable[[], bool] = _nothing

    @cached_property
    def _engine(self) -> Engine:
        return self.connect()

    def read(self, statement: str, **values: Any) -> Sequence[Row[Any]]:
        """The rows of a SELECT."""
        with self._engine.connect() as connection:
            return connection.execute(text(statement), values).all()

    def held(self) -> frozenset[str]:
        """The keys of what was being sent when the process died."""
        deadline = time.monotonic() + 10
        while not self.quiet():
            assert time.monotonic() < deadline, "the server still works for the dead process"
            Event().wait(0.01)
        rows = self.read("SELECT request_id, n FROM deliveries WHERE state = 'sending'")
        return frozenset(f"{row.request_id}.{row.n}" for row in rows)

    def owed(self) -> int:
        """How many deliveries are not over yet."""
        return int(self.read(f"SELECT count(*) AS owed FROM deliveries WHERE {_OWED}")[0].owed)


def sqlite(folder: Path) -> Database:
    """A file in `folder`. It is read without the right to write, so that a look never tidies up after a crash."""
    path = folder / "assistance.db"

    def connect() -> Engine:
        return create_engine(
            "sqlite://",
            creator=lambda: pysqlite3.dbapi2.connect(f"file:{path}?mode=ro", uri=True),
            module=pysqlite3.dbapi2,
            poolclass=NullPool,
        )

    return Database(f"sqlite:///{path}", 0.0, connect, sharing=("shared_file",))


@contextmanager
def _sqlite(_request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    yield sqlite(folder)


def postgresql(url: str, takeover: float = _LEASE, plants: tuple[str, ...] = ("calm_leases",)) -> Database:
    """The database at `url`. What a dead process held comes back when its lease ends, so that leases are short here.

    Not as short as may be: a process that a busy machine lets wait must not lose what it has just leased.
    """

    def connect() -> Engine:
        return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)

    def quiet() -> bool:
        return not database.read(_WORKING)

    database = Database(url, takeover, connect, plants, quiet=quiet)
    return database


_WORKING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'assistance'"


@contextmanager
def _postgresql(request: pytest.FixtureRequest, _folder: Path) -> Iterator[Database]:
    server = request.getfixturevalue("postgres")
    name = server.migrated()
    try:
        yield postgresql(server.at(name))
    finally:
        server.drop(name)


DATABASES: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractContextManager[Database]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}
"""The next database joins every proof by a line here."""

_FIRST, *_OTHERS = DATABASES
ONE_IN_CI = pytest.mark.parametrize(
    "database", [_FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in _OTHERS)], indirect=True
)
"""For proofs that hardly depend on the database: the short form runs them on the first."""
