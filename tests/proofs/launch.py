"""Starts the service on a database: as it is, with something planted in it, or to its death at a chosen point."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.process import SERVICE, ServiceProcess, Surroundings
from tests.proofs.databases import Database

INSERTS = tuple(f"after-insert-{table}" for table in ("requests", "deliveries", "events", "idempotency"))
ACCEPTING = ("before-begin", *INSERTS, "before-commit", "after-commit", "amid-answer")
SENDING = ("after-claim", "before-connect", "before-record", "after-record")
"""The points at which the service can be told to die."""

_PLANTED = str(Path(__file__).with_name("planted.py"))


def program(database: Database, *plants: str) -> tuple[str, ...]:
    """What Python runs for a service with these plants."""
    planted = (*database.plants, *plants)
    return (_PLANTED, ",".join(planted)) if planted else SERVICE


def made(around: Surroundings, database: Database, *plants: str, **options: Any) -> ServiceProcess:
    """A service that does not run yet."""
    return ServiceProcess(around, database.url, program=program(database, *plants), **options)


@asynccontextmanager
async def serving(
    around: Surroundings, database: Database, *plants: str, **options: Any
) -> AsyncIterator[ServiceProcess]:
    """A service that is ready; killed at the end if it still runs."""
    service = made(around, database, *plants, **options)
    try:
        await service.start()
        yield service
    finally:
        await service.kill()
