"""The service over real sockets, on one database for each test.

PostgreSQL, which has more ways to fail; the tests marked `main_flow` run on SQLite too, as do the demo and the proofs.
The store's own suite runs on both databases in full.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.service import Service, running


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The databases of a test that has a `service`."""
    if "environ" in metafunc.fixturenames:
        main = metafunc.definition.get_closest_marker("main_flow")
        metafunc.parametrize("environ", ["postgresql", "sqlite"] if main else ["postgresql"], indirect=True)


@pytest.fixture
def environ(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings that lead to the database; none for SQLite, which is the default."""
    if request.param == "sqlite":
        return {}
    server = request.getfixturevalue("postgres")
    return {"ASSISTANCE_DATABASE_URL": server.at(server.emptied())}


@pytest.fixture
async def service(tmp_path: Path, environ: dict[str, Any]) -> AsyncIterator[Service]:
    async with running(tmp_path, **environ) as service:
        yield service
