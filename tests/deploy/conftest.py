"""Fixtures for the tests of the shipped deployment."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from tests.deploy.edge_process import Edge, missing, running_edge, session_with


@pytest.fixture(scope="session")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The shipped edge with time-outs of one second; no test kills its upstreams."""
    if lacking := missing():
        pytest.skip(f"the edge cannot run here, missing: {lacking}")
    with running_edge(
        tmp_path_factory.mktemp("edge"), EDGE_HEADER_TIMEOUT="1s", EDGE_BODY_TIMEOUT="1s", EDGE_WAF_AUDIT="Off"
    ) as process:
        yield process


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    """A bot that trusts the edge's certificate."""
    async with session_with(edge) as session:
        yield session
