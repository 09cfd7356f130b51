"""One service for all tests of a module: each test asks for requests of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.fakes.service import Service, running


@pytest_asyncio.fixture
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with running(tmp_path_factory.mktemp("service")) as service:
        yield service
