"""Start and end: ready soon, small when idle, and a stop loses nothing."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.clients import Ask, asks, send
from tests.proofs.crashes import Crash, drained, judged
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import made, serving

pytestmark = pytest.mark.alone


@ONE_IN_CI
async def test_it_is_ready_soon_and_small_when_idle(tmp_path: Path, database: Database, say: Say):
    """Ready long before a deployment's time-out, and small enough for the smallest machine."""
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
    """What was answered 201 while the service was stopping is stored; the exit code is 0."""
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
        waiting, in_flight = database.owed(), database.in_flight()
        await service.start()
        await drained(service, database)
        asked = [ask for ask in log if ask.tries]
        failures = Counter(type(ask.failure).__name__ for ask in asked if ask.failure)
        findings = judged(around, asked, database)
    say(
        f"ended with {code} after {took:.1f} s, {waiting} owed, {len(in_flight)} in flight: {findings} {dict(failures)}"
    )
    assert (code, not_ready) == (0, 503)
    assert in_flight == frozenset()
    assert findings.violations == []
    assert service.complaint() == ""


async def _until_refused(service: ServiceProcess, log: list[Ask]) -> None:
    for ask in log:
        await send(service, ask)
        if ask.status is None:
            return


@ONE_IN_CI
async def test_a_second_sigterm_ends_at_once(tmp_path: Path, database: Database, rng: random.Random, say: Say):
    """A second SIGTERM ends it at once and is logged; what was acknowledged is delivered after the next start."""
    log = asks(20, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        await around.slack.down()
        for ask in log:
            await send(service, ask)
        service.signal(signal.SIGTERM)
        await service.logged("stopping")
        service.signal(signal.SIGTERM)
        began = time.monotonic()
        code = await service.ended()
        took = time.monotonic() - began
        last = service.log()[-1]["event"]
        in_flight = database.in_flight()
        await around.slack.up()
        await service.start()
        await drained(service, database)
        findings = judged(around, log, database, [Crash(in_flight, 0, 0)])
    say(f"ended with {code} after {took:.2f} s, {len(in_flight)} in flight: {findings}")
    assert took < 1
    assert (code, last) == (0, "stopped_at_once")
    assert findings.violations == []
    assert findings.acknowledged == len(log)
