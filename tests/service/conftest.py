"""A service for each test, on SQLite unless the module asks for both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.postgres import Postgres, running_postgres
from tests.fakes.service import Service, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test run."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def environ(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings that lead to the database of the test's parameter, none for SQLite."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield {}
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.migrated()
    yield {"ASSISTANCE_DATABASE_URL": server.at(name)}
    server.drop(name)


@pytest.fixture
async def service(tmp_path: Path, environ: dict[str, Any]) -> AsyncIterator[Service]:
    async with running(tmp_path, **environ) as service:
        yield service
