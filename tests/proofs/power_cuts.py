"""A run under load in which the disk and all processes on it lose power."""

import asyncio
import random
from pathlib import Path

from tests.fakes.cluster import Cluster
from tests.fakes.powercut import PowerCutDisk
from tests.fakes.process import surroundings
from tests.proofs.checker import Findings
from tests.proofs.clients import Clients, asks
from tests.proofs.crashes import crashing, drained, judged
from tests.proofs.databases import Database
from tests.proofs.launch import serving


async def over_power_cuts(
    database: Database,
    disk: PowerCutDisk,
    folder: Path,
    cuts: int,
    rng: random.Random,
    *plants: str,
    server: Cluster | None = None,
) -> Findings:
    """What the checker finds after a run with that many cuts; the service, and `server` if given, die with the disk."""
    total = 300 * (cuts + 1)
    async with surroundings(folder, keep=2 * total) as around, serving(around, database, *plants) as service:

        async def cut() -> None:
            disk.cut()
            await service.kill()
            if server is not None:
                await asyncio.to_thread(server.kill)
            await asyncio.to_thread(disk.restore)
            if server is not None:
                await asyncio.to_thread(server.start)

        # The tables themselves must be on the disk before the first cut, whatever bug is planted.
        await asyncio.to_thread(disk.sync)
        clients = Clients(service, asks(total, rng))
        points = sorted(rng.sample(range(100, total - 100), cuts))
        crashes = await crashing(clients, service, database, cut, points, rng)
        await drained(service, database)
        await service.kill()
        return judged(around, clients.log, database, crashes)
