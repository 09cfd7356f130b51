"""The databases that the proofs run on, and how the checker reads them without the service."""

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
"""Seconds of a lease with `calm_leases`."""


def _nothing() -> bool:
    return True


@dataclass(frozen=True)
class Database:
    """The database of one test.

    `takeover`: seconds after which the leases of a dead process have ended. `plants`: what every service on it is
    started with. `sharing`: what several processes need in addition. `quiet`: whether the server has finished
    everything that a dead process began.
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

    def in_flight(self) -> frozenset[str]:
        """The keys of the deliveries that were being sent when the process died."""
        deadline = time.monotonic() + 10
        while not self.quiet():
            assert time.monotonic() < deadline, "the server still runs statements of the dead process"
            Event().wait(0.01)
        rows = self.read("SELECT request_id, n FROM deliveries WHERE state = 'sending'")
        return frozenset(f"{row.request_id}.{row.n}" for row in rows)

    def owed(self) -> int:
        """How many deliveries are still owed."""
        return int(self.read(f"SELECT count(*) AS owed FROM deliveries WHERE {_OWED}")[0].owed)


def sqlite(folder: Path) -> Database:
    """A file in `folder`. Read-only for the checker: a reader that may write would recover the file after a crash."""
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
    """The database at `url`. A dead process's deliveries go out when its leases end, so leases are short here.

    But not shorter: on a busy machine a process that has to wait for the processor would lose its leases.
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
"""Another database needs one line here."""

_FIRST, *_OTHERS = DATABASES
ONE_IN_CI = pytest.mark.parametrize(
    "database", [_FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in _OTHERS)], indirect=True
)
"""For proofs that hardly depend on the database: CI runs them on the first, the long form on all."""
