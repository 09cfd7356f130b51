"""PostgreSQL's answers to commits are lost on the network, repeatedly, under load."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.clock import until
from tests.fakes.lossy import LossyProxy
from tests.fakes.postgres import Postgres
from tests.fakes.process import ROUTING, surroundings
from tests.proofs.clients import Clients, asks
from tests.proofs.crashes import drained, judged
from tests.proofs.databases import postgresql
from tests.proofs.launch import serving

LONG = [pytest.mark.long, pytest.mark.timeout(1800)]
# Without a shared pace, an accept also leases its deliveries: a lost answer then leaves a lease behind.
UNPACED = ROUTING.replace("[pricing@example.com], pace: 1000/s", "[pricing@example.com]")

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("of", ["", "INSERT INTO requests"], ids=["any", "accepts"])
@pytest.mark.parametrize("losses", [6, pytest.param(200, marks=LONG)])
async def test_a_lost_answer_to_a_commit_costs_no_request(
    losses: int, of: str, postgres: Postgres, tmp_path: Path, rng: random.Random, say: Say
):
    """Whatever was committed: a retry with the key finds the request, and nothing is lost or sent twice."""
    url = postgres.at(postgres.migrated())
    proxy, database, total = LossyProxy(url, of), postgresql(url), 60 * (losses + 1)
    log = asks(total, rng)
    async with (
        surroundings(tmp_path, UNPACED, keep=2 * total) as around,
        serving(around, replace(database, url=proxy.url)) as service,
    ):
        clients = Clients(service, log)
        asking = asyncio.create_task(clients.run())
        for number in range(losses):
            await clients.reached(60 * number + rng.randrange(30))
            proxy.lose.set()
            await until(lambda: not proxy.lose.is_set(), within=60)
        await asking
        await drained(service, database, within=60)
        findings = judged(around, log, database)
        reasons = Counter(line["reason"] for line in service.log("store_unavailable"))
    proxy.close()
    refused = sum(ask.status == 503 or ask.tries > 1 for ask in log)
    assert refused >= losses or not of
    say(f"{losses} answers lost, {refused} asks heard 503, {dict(reasons)}: {findings}")
    assert reasons
    assert {ask.status for ask in log} <= {201, 503}
    assert all(ask.acknowledged for ask in log if ask.key)
    assert findings.violations == []
