"""Starts the service on a database: unchanged, with planted bugs, or with a crash at a chosen point."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.process import SERVICE, ServiceProcess, Surroundings
from tests.proofs.databases import Database

INSERTS = tuple(f"after-insert-{table}" for table in ("requests", "deliveries", "events", "idempotency"))
ACCEPTING = ("before-begin", *INSERTS, "before-commit", "after-commit", "amid-answer")
SENDING = ("after-claim", "before-connect", "before-record", "after-record")
"""The points at which the service can be made to crash."""

_PLANTED = str(Path(__file__).with_name("planted.py"))


def program(database: Database, *plants: str) -> tuple[str, ...]:
    """Python's arguments for a service with these plants."""
    planted = (*database.plants, *plants)
    return (_PLANTED, ",".join(planted)) if planted else SERVICE


def made(around: Surroundings, database: Database, *plants: str, **options: Any) -> ServiceProcess:
    """A service that is not started yet."""
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


@dataclass(frozen=True, slots=True)
class Fleet:
    """Processes that share one PostgreSQL: some accept requests, some send."""

    apis: tuple[ServiceProcess, ...]
    dispatchers: tuple[ServiceProcess, ...]

    @property
    def all(self) -> tuple[ServiceProcess, ...]:
        return (*self.apis, *self.dispatchers)


@asynccontextmanager
async def fleet(around: Surroundings, database: Database, *plants: str, of_each: int = 1) -> AsyncIterator[Fleet]:
    """That many processes of each role, ready; killed at the end of the block if they still run."""

    def some(role: str) -> tuple[ServiceProcess, ...]:
        return tuple(made(around, database, *plants, name=f"{role}-{n}", role=role) for n in range(of_each))

    ships = Fleet(some("api"), some("dispatcher"))
    try:
        # The first one compiles the modules for all.
        await ships.all[0].start()
        await asyncio.gather(*(service.start() for service in ships.all[1:]))
        yield ships
    finally:
        await asyncio.gather(*(service.kill() for service in ships.all))
