"""The service as a process for the length of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes.process import ServiceProcess, Surroundings


@asynccontextmanager
async def process(around: Surroundings, database_url: str, **options: Any) -> AsyncIterator[ServiceProcess]:
    """A service that is ready; killed at the end of the block if it still runs."""
    service = ServiceProcess(around, database_url, **options)
    try:
        await service.start(within=60)
        yield service
    finally:
        await service.kill()
