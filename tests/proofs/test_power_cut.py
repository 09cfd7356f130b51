"""The power is cut under load: what was acknowledged is on the disk. A kill finds none of what this finds."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.fakes.powercut import PowerCutDisk
from tests.fakes.process import surroundings
from tests.proofs.checker import Findings
from tests.proofs.clients import Clients, asks
from tests.proofs.conftest import Say
from tests.proofs.crashes import crashing, judged, settled
from tests.proofs.databases import sqlite
from tests.proofs.launch import serving

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]


async def _cuts(disk: PowerCutDisk, folder: Path, cuts: int, rng: random.Random, *plants: str) -> Findings:
    """What the checker finds after a run with so many power cuts."""
    database = sqlite(disk.path)
    total = 300 * (cuts + 1)
    async with surroundings(folder, keep=2 * total) as around, serving(around, database, *plants) as service:

        async def cut() -> None:
            disk.cut()
            await service.kill()
            await asyncio.to_thread(disk.restore)

        # The tables are old when the power fails, whatever is planted.
        await asyncio.to_thread(disk.sync)
        clients = Clients(service, asks(total, rng))
        points = sorted(rng.sample(range(100, total - 100), cuts))
        crashes = await crashing(clients, service, database, cut, points, rng)
        await settled(service, database)
        await service.kill()
        return judged(around, clients.log, database, crashes)


@pytest.mark.parametrize("cuts", [2, pytest.param(10, marks=LONG), pytest.param(200, marks=LONG)])
async def test_what_was_acknowledged_before_a_power_cut_is_delivered(
    cuts: int, disk: PowerCutDisk, tmp_path: Path, rng: random.Random, say: Say
):
    """Nothing acknowledged is lost when everything is gone that had not reached the disk."""
    findings = await _cuts(disk, tmp_path, cuts, rng)
    say(f"{cuts} power cuts: {findings}")
    assert findings.violations == []


async def test_the_power_cut_finds_a_database_that_does_not_wait_for_the_disk(
    disk: PowerCutDisk, tmp_path: Path, rng: random.Random, say: Say
):
    """With `synchronous=NORMAL` planted, acknowledged requests are lost, and the proof says so."""
    findings = await _cuts(disk, tmp_path, 1, rng, "normal_sync")
    say(f"planted synchronous=NORMAL, 1 power cut: {findings}")
    assert findings.lost
