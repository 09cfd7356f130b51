"""One store after the other: what is promised of one database is promised of all."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.fakes.postgres import Postgres, memory, running_postgres

from assistance.store import Store, open_store


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test run."""
    with running_postgres() as server:
        yield server


@contextmanager
def _sqlite(_request: pytest.FixtureRequest) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="store-", dir=memory()) as folder:
        yield f"sqlite:///{folder}/assistance.db"


@contextmanager
def _postgresql(request: pytest.FixtureRequest) -> Iterator[str]:
    server: Postgres = request.getfixturevalue("postgres")
    name = server.migrated()
    yield server.at(name)
    server.drop(name)


DATABASES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[str]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}
"""The next database joins every test by a line here."""


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where an empty database of the current schema is."""
    with DATABASES[request.param](request) as found:
        yield found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An empty store."""
    opened = open_store(url)
    yield opened
    opened.close()
