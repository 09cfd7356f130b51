"""Every test that asks for `store` or `url` runs on SQLite and on PostgreSQL: both promise the same."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.fakes.postgres import Postgres, memory

from assistance.store import Store, open_store


@contextmanager
def _sqlite(_request: pytest.FixtureRequest) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="store-", dir=memory()) as folder:
        yield f"sqlite:///{folder}/assistance.db"


@contextmanager
def _postgresql(request: pytest.FixtureRequest) -> Iterator[str]:
    server: Postgres = request.getfixturevalue("postgres")
    yield server.at(server.emptied())


DATABASES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[str]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}
"""Another database needs one line here."""


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database with the current schema."""
    with DATABASES[request.param](request) as found:
        yield found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An empty store."""
    opened = open_store(url)
    yield opened
    opened.close()
