"""A run under load with crashes; the service is restarted each time, as an orchestrator does."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.fakes.process import ServiceProcess, Surroundings
from tests.proofs.checker import Findings, check
from tests.proofs.clients import Ask, Clients
from tests.proofs.databases import Database
from tests.proofs.sinks import copies

_LATEST = 0.05
"""Seconds after the chosen acknowledgement within which the crash happens."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The keys that were being sent at the crash, when the service was ready again, and the seconds of that start."""

    in_flight: frozenset[str]
    ready_at: float
    starting: float


async def crashing(
    clients: Clients,
    service: ServiceProcess,
    database: Database,
    crash: Callable[[], Awaitable[None]],
    points: Sequence[int],
    rng: random.Random,
) -> list[Crash]:
    """Run the clients; after each number of acknowledgements in `points`, `crash`, then start again."""
    happened = []
    asking = asyncio.create_task(clients.run())
    try:
        for point in points:
            reached = asyncio.create_task(clients.reached(point))
            await asyncio.wait({reached, asking}, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            await asyncio.wait({asking}, timeout=rng.uniform(0, _LATEST))
            await crash()
            happened.append(await restart(service, database))
        await asking
    finally:
        asking.cancel()
    return happened


async def restart(service: ServiceProcess, database: Database) -> Crash:
    """Start the service again after a crash."""
    in_flight = database.in_flight()
    starting = await service.start()
    return Crash(in_flight, time.time(), starting)


async def drained(service: ServiceProcess, database: Database, within: float = 30) -> None:
    """Return once no delivery is owed."""

    async def nothing_owed() -> bool:
        return database.owed() == 0

    await service.when(nothing_owed, within)


def judged(around: Surroundings, log: Sequence[Ask], database: Database, crashes: Sequence[Crash] = ()) -> Findings:
    """What the checker finds after the run."""
    return check(log, copies(around), database, [crash.in_flight for crash in crashes])


def resumption(around: Surroundings, crashes: Sequence[Crash]) -> list[float]:
    """For each crash, the seconds from readiness until all that it had interrupted arrived, or until the next crash."""
    arrived = copies(around)
    ends = [following.ready_at - following.starting for following in crashes[1:]] + [math.inf]
    found = []
    for crash, end in zip(crashes, ends, strict=True):
        since = [copy for copy in arrived if copy.key in crash.in_flight and crash.ready_at < copy.at < end]
        # Backwards, so that the first arrival is kept.
        first = {copy.key: copy.at for copy in reversed(since)}
        found.append(max(first.values(), default=crash.ready_at) - crash.ready_at)
    return found
