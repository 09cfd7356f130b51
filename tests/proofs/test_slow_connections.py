"""Five hundred clients that send one byte a second are disconnected and slow down no one else."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.clients import asks, come
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving
from tests.proofs.load import steadily

pytestmark = pytest.mark.alone
SLOW = 500
RATE = 50
LIMIT = 10.0
HEAD = b"POST /assistance HTTP/1.1\r\nHost: assistance.example\r\nContent-Type: application/json\r\n"
STARTS = {"header": HEAD + b"X-Slow: ", "body": HEAD + b"Authorization: %s\r\nContent-Length: 1000\r\n\r\n"}


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("where", STARTS)
@ONE_IN_CI
async def test_slow_connections_are_closed_and_delay_no_other(
    where: str, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """All are closed within the limit, and the p99 of steady callers less than doubles."""
    log = asks(RATE * 18, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        await steadily(service, log[: 2 * RATE], RATE)  # what runs for the first time runs slower
        before = await steadily(service, log[2 * RATE : 7 * RATE], RATE)
        start = STARTS[where].replace(b"%s", around.bearer["Authorization"].encode())
        slow = [asyncio.create_task(_closed_after(service, start)) for _ in range(SLOW)]
        during = await steadily(service, log[7 * RATE :], RATE)
        lasted = await asyncio.gather(*slow)
    say(f"{SLOW} slow in the {where}: closed after {min(lasted):.1f} to {max(lasted):.1f} s, goal {LIMIT:g} s")
    say(f"before: {before}; meanwhile: {during}")
    p99 = 1000 * during.typical_p99()
    say(f"p99 of the median second {p99:.1f} ms, goal 2 x {1000 * before.typical_p99():.1f} ms")
    assert max(lasted) < LIMIT + 2
    assert set(before.statuses) == set(during.statuses) == {201}
    assert during.typical_p99() < 2 * before.typical_p99() + 0.02


async def _closed_after(service: ServiceProcess, start: bytes) -> float:
    """Send `start`, then a byte a second; the seconds until the service closes the connection."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    began = loop.time()
    writer.write(start)
    closed = asyncio.create_task(reader.read())
    try:
        while not closed.done():
            tick = asyncio.create_task(come(loop.time() + 1))
            await asyncio.wait({closed, tick}, return_when=asyncio.FIRST_COMPLETED)
            if not tick.cancel():
                writer.write(b"x")
        return loop.time() - began
    finally:
        writer.transport.abort()
