"""A run under load with crashes in it: who supervises restarts the service, as an orchestrator would."""

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
"""Seconds after the acknowledgement that is aimed at within which the crash comes."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What was being sent when it came, when the service was ready again, and the seconds that took from its start."""

    held: frozenset[str]
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
    """Let the clients ask; after so many acknowledgements as each of `points` says, `crash`, then start again."""
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
    """Start what has died."""
    held = database.held()
    starting = await service.start()
    return Crash(held, time.time(), starting)


async def settled(service: ServiceProcess, database: Database, within: float = 30) -> None:
    """Return once nothing is owed."""

    async def nothing_owed() -> bool:
        return database.owed() == 0

    await service.when(nothing_owed, within)


def judged(around: Surroundings, log: Sequence[Ask], database: Database, crashes: Sequence[Crash] = ()) -> Findings:
    """The checker's word on a run that is over."""
    return check(log, copies(around), database, [crash.held for crash in crashes])


def resumption(around: Surroundings, crashes: Sequence[Crash]) -> list[float]:
    """For each crash, the seconds from readiness until all that it had interrupted had arrived, or the next came."""
    arrived = copies(around)
    ends = [following.ready_at - following.starting for following in crashes[1:]] + [math.inf]
    found = []
    for crash, end in zip(crashes, ends, strict=True):
        since = [copy for copy in arrived if copy.key in crash.held and crash.ready_at < copy.at < end]
        # Backwards, so that the first arrival is what stays.
        first = {copy.key: copy.at for copy in reversed(since)}
        found.append(max(first.values(), default=crash.ready_at) - crash.ready_at)
    return found
