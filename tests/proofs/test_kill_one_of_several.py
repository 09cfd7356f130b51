"""`kill -9` of one of several processes on one PostgreSQL: the others go on, and nothing is lost."""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Say
from tests.fakes.postgres import Postgres
from tests.fakes.process import ServiceProcess, Surroundings, surroundings
from tests.proofs.clients import Clients, asks
from tests.proofs.crashes import Crash, drained, judged
from tests.proofs.databases import Database, postgresql
from tests.proofs.launch import fleet
from tests.proofs.sinks import copies

from assistance.sandbox.slack import Fault

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]
FIGURE = 1.0
"""Seconds after the end of a lease within which a dead dispatcher's deliveries have arrived."""
MACHINE = 2.0
"""Seconds more that a busy machine may take."""

pytestmark = pytest.mark.timeout(300)


def _held(database: Database, service: ServiceProcess) -> frozenset[str]:
    """The keys of the deliveries that this process has leased."""
    rows = database.read(
        "SELECT request_id, n FROM deliveries WHERE state = 'sending' AND lease_owner LIKE :owner",
        owner=f"%:{service.pid}:%",
    )
    return frozenset(f"{row.request_id}.{row.n}" for row in rows)


async def _busy(dispatchers: Sequence[ServiceProcess], database: Database) -> ServiceProcess:
    """A process that has leases, while any delivery is owed."""
    while await asyncio.to_thread(database.owed):
        for service in dispatchers:
            if await asyncio.to_thread(_held, database, service):
                return service
    return dispatchers[0]


async def _fall(service: ServiceProcess, database: Database) -> Crash:
    """Kill it; the keys that it had leased."""
    at = time.time()
    await service.kill()
    return Crash(_held(database, service), at, 0)


def _late(around: Surroundings, crash: Crash) -> float:
    """Seconds from the kill until the last of these keys has arrived again."""
    since = [copy.at for copy in copies(around) if copy.key in crash.in_flight and copy.at > crash.ready_at]
    return max(since, default=crash.ready_at) - crash.ready_at


@pytest.mark.parametrize(
    ("total", "rounds"), [(600, 1), pytest.param(10_000, 10, marks=LONG), pytest.param(100_000, 100, marks=LONG)]
)
async def test_the_others_go_on_when_one_is_killed(
    total: int, rounds: int, postgres: Postgres, tmp_path: Path, rng: random.Random, say: Say
):
    """API and dispatcher are killed alternately under load: clients use the other API, nothing acknowledged is lost."""
    database = postgresql(postgres.at(postgres.migrated()))
    log, crashes, starts = asks(total, rng), [], []
    async with surroundings(tmp_path, keep=2 * total) as around, fleet(around, database, of_each=2) as ships:
        around.slack.always(Fault(hang=0.1))
        for number in range(rounds):
            clients = Clients(ships.apis[0], log[number::rounds], others=ships.apis[1:])
            asking = asyncio.create_task(clients.run())
            await clients.reached(total // rounds // 4)
            api = rng.choice(ships.apis)
            crashes.append(await _fall(api, database))
            await clients.reached(total // rounds // 2)
            dispatcher = await _busy(ships.dispatchers, database)
            crashes.append(await _fall(dispatcher, database))
            starts.append(await asyncio.gather(api.start(), dispatcher.start()))
            await asking
        await drained(ships.dispatchers[0], database, within=60)
        findings = judged(around, log, database, crashes)
    in_flight = [len(crash.in_flight) for crash in crashes]
    say(f"{rounds} kills of an API and {rounds} of a dispatcher: {findings}, in flight {in_flight[1::2][:20]}")
    say(f"both ready again after {[round(max(both), 1) for both in starts][:20]} s")
    assert findings.violations == []
    assert all(ask.acknowledged for ask in log if ask.key)
    assert not any(in_flight[::2])


@pytest.mark.parametrize("leases", [(), pytest.param((30.0, ()), marks=LONG)], ids=["calm", "real"])
async def test_what_a_dead_dispatcher_held_goes_out_soon_after_its_lease(
    leases: tuple[Any, ...], postgres: Postgres, tmp_path: Path, rng: random.Random, say: Say
):
    """The other dispatcher sends within a second after the lease's end, not only at its next housekeeping."""
    database = postgresql(postgres.at(postgres.migrated()), *leases)
    lease = database.takeover
    log = asks(5, rng)
    for ask in log:
        ask.topic = "sales"
    async with surroundings(tmp_path) as around, fleet(around, database, of_each=2) as ships:
        around.slack.always(Fault(hang=True))
        await Clients(ships.apis[0], log).run()
        await around.slack.called(len(log))
        crashes = [await _fall(max(ships.dispatchers, key=lambda each: len(_held(database, each))), database)]
        around.slack.always(None)
        other = next(each for each in ships.dispatchers if each.running)
        await drained(other, database, within=lease + 60)
        findings, late = judged(around, log, database, crashes), _late(around, crashes[0])
    say(f"{len(crashes[0].in_flight)} in flight: delivered after {late:.2f} s, goal {lease + FIGURE:g} s; {findings}")
    assert crashes[0].in_flight
    assert late < lease + FIGURE + MACHINE
    assert findings.violations == []
