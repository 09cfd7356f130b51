"""Start and end: soon ready, small when idle, and an end that loses nothing."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.clients import Ask, asks, tell
from tests.proofs.crashes import Crash, judged, settled
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import made, serving

pytestmark = pytest.mark.alone


@ONE_IN_CI
async def test_it_is_ready_soon_and_small_when_idle(tmp_path: Path, database: Database, say: Say):
    """Ready well before a deployment grows impatient, and small enough for the smallest machine."""
    async with surroundings(tmp_path) as around:
        async with serving(around, database) as warm:
            await warm.kill()
        service = made(around, database)
        try:
            took, worked, idle = await service.start(), service.work(), service.memory()
        finally:
            await service.kill()
    say(f"ready after {took:.2f} s ({worked:.2f} s of one core), goal 2 s; {idle:.1f} MB, goal 120 MB")
    assert worked < 3
    assert idle < 135


@ONE_IN_CI
async def test_sigterm_under_load_keeps_every_promise(tmp_path: Path, database: Database, rng: random.Random, say: Say):
    """Whoever was answered 201 while the service was ending is there afterwards; the exit code is 0."""
    log = asks(20_000, rng)
    async with surroundings(tmp_path, keep=2 * len(log)) as around, serving(around, database) as service:
        bots = [asyncio.create_task(_until_refused(service, log[number::8])) for number in range(8)]
        await around.slack.arrived(50)
        service.signal(signal.SIGTERM)
        began = time.monotonic()
        await service.logged("stopping")
        not_ready = await service.status("/readyz")
        code = await service.ended()
        took = time.monotonic() - began
        await asyncio.gather(*bots)
        waiting, held = database.owed(), database.held()
        await service.start()
        await settled(service, database)
        asked = [ask for ask in log if ask.tries]
        failures = Counter(type(ask.failure).__name__ for ask in asked if ask.failure)
        findings = judged(around, asked, database)
    say(f"ended with {code} after {took:.1f} s, {waiting} still owed, {len(held)} held: {findings}, {dict(failures)}")
    assert (code, not_ready) == (0, 503)
    assert held == frozenset()
    assert findings.violations == []
    assert service.complaint() == ""


async def _until_refused(service: ServiceProcess, log: list[Ask]) -> None:
    for ask in log:
        await tell(service, ask)
        if ask.status is None:
            return


@ONE_IN_CI
async def test_a_second_sigterm_ends_at_once(tmp_path: Path, database: Database, rng: random.Random, say: Say):
    """Whoever is in a hurry says it twice, and reads of it; what was acknowledged is delivered after the next start."""
    log = asks(20, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        await around.slack.down()
        for ask in log:
            await tell(service, ask)
        service.signal(signal.SIGTERM)
        await service.logged("stopping")
        service.signal(signal.SIGTERM)
        began = time.monotonic()
        code = await service.ended()
        took = time.monotonic() - began
        last = service.log()[-1]["event"]
        held = database.held()
        await around.slack.up()
        await service.start()
        await settled(service, database)
        findings = judged(around, log, database, [Crash(held, 0, 0)])
    say(f"ended with {code} after {took:.2f} s, {len(held)} in flight: {findings}")
    assert took < 1
    assert (code, last) == (0, "stopped_at_once")
    assert findings.violations == []
    assert findings.acknowledged == len(log)
