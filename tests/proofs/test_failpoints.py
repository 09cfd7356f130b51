"""A crash at every point of a request's life, from before its transaction to after its delivery is recorded."""

import asyncio
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import EndedError, ServiceProcess, surroundings
from tests.proofs.clients import Clients, asks
from tests.proofs.crashes import Crash, drained, judged
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import ACCEPTING, INSERTS, SENDING, made, program, serving

from assistance.sandbox.slack import Fault

_SLOW = 0.2
"""Seconds that Slack takes: fewer are sent than accepted, so that most are leased from the store."""


@pytest.mark.parametrize("points", [ACCEPTING, SENDING], ids=["accepting", "sending"])
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(3600)])], ids=str)
@ONE_IN_CI
async def test_death_at_any_point_loses_nothing(
    points: tuple[str, ...], rounds: int, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Wherever the process crashes, what was acknowledged is delivered, and nothing arrives that is not stored."""
    if rounds == 1:
        points = tuple(set(points) - set(rng.sample(INSERTS, len(INSERTS) - 1)))
    order = rng.sample([*points] * rounds, len(points) * rounds)
    log = asks(100 * len(order), rng)
    async with surroundings(tmp_path, keep=2 * len(log)) as around:
        around.slack.always(Fault(hang=_SLOW))
        service = made(around, database)
        asking = asyncio.create_task(Clients(service, log).run())
        try:
            crashes = [await _death(service, database, point, rng.randint(1, 5)) for point in order]
            around.slack.always(None)
            service.program = program(database)
            await service.start()
            await asking
            await drained(service, database)
        finally:
            asking.cancel()
            await service.kill()
        findings = judged(around, log, database, crashes)
    say(f"{len(order)} deaths, {', '.join(order[:12])}: {findings}")
    assert findings.violations == []
    assert findings.acknowledged > 0


async def _death(service: ServiceProcess, database: Database, point: str, number: int) -> Crash:
    service.program = program(database, f"crash:{point}:{number}")
    with suppress(EndedError):
        await service.start()
    try:
        assert await service.ended() == -signal.SIGKILL, f"{point}: {service.complaint()}"
    except TimeoutError:
        pytest.fail(f"{point} was never reached")
    return Crash(database.in_flight(), time.time(), 0)


@ONE_IN_CI
async def test_death_between_the_bytes_sent_and_the_answer_sends_once_more_under_the_same_key(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """A message that Slack has accepted but not confirmed before the crash arrives twice, with the same key."""
    log = asks(1, rng)
    log[0].topic = "sales"
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        around.slack.script(Fault(hang=True, after_accept=True))
        await Clients(service, log).run()
        (first,) = await around.slack.arrived(1)
        await service.kill()
        crash = Crash(database.in_flight(), time.time(), await service.start())
        second = (await around.slack.arrived(2))[1]
        await drained(service, database)
        findings = judged(around, log, database, [crash])
    say(str(findings))
    assert findings.violations == []
    assert findings.duplicates == 1
    assert first.payload == second.payload
