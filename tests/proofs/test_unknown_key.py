"""Tokens with an unknown key, which anyone can send, slow down no other caller."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.process import ServiceProcess, surroundings
from tests.proofs.clients import asks
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving
from tests.proofs.load import steadily

pytestmark = pytest.mark.alone
RATE = 50


@ONE_IN_CI
async def test_an_unknown_key_while_the_issuer_hangs_delays_nobody(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """While a caller with an unknown key waits for an issuer that hangs, all others are answered as before."""
    log = asks(5 * RATE, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        await steadily(service, log[:RATE], RATE)
        before = await steadily(service, log[RATE : 2 * RATE], RATE)
        around.jwks.hang()
        fetches = around.jwks.fetches + around.jwks.discoveries
        stranger = asyncio.create_task(_stranger(service))
        during = await steadily(service, log[2 * RATE :], RATE)
        status, seconds = await stranger
        fetches = around.jwks.fetches + around.jwks.discoveries - fetches
    say(f"before: {before}; meanwhile: {during}; the stranger: {status} after {seconds:.1f} s, {fetches} fetch(es)")
    assert set(during.statuses) == {201}
    assert during.typical_p99() < before.typical_p99() * 2 + 0.05
    assert max(during.seconds) < 2
    assert (status, fetches) == (503, 1)
    assert 2 < seconds < 5


async def _stranger(service: ServiceProcess) -> tuple[int, float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    headers = {"Authorization": f"Bearer {service.around.forger.headed(kid='nobody-knows-me')}"}
    body = {"topic": "sales", "description": "let me in"}
    async with service.around.session.post(f"{service.url}/assistance", json=body, headers=headers) as answer:
        return answer.status, loop.time() - began
