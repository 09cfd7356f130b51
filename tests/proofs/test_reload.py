"""The routing file is changed under load: a valid one is in force within a second, an invalid one never."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.conftest import Say
from tests.fakes.process import ROUTING, ServiceProcess, surroundings
from tests.proofs.clients import Ask, asks, send
from tests.proofs.databases import ONE_IN_CI, Database
from tests.proofs.launch import serving

AT_ONCE = 4
GROWN = ROUTING + "  billing:\n    steps: [{{notify: [pricing-mail]}}]\n"
WRONG = ROUTING + "  broken:\n    steps: [{{notify: [nobody]}}]\n"


@dataclass
class Load:
    """Clients that send without a pause, each on its own kept connection."""

    service: ServiceProcess
    rng: random.Random
    answers: list[int | None] = field(default_factory=list)
    connections: int = 0
    over: bool = False

    async def ask(self, topic: str) -> int | None:
        ask: Ask = asks(1, self.rng)[0]
        ask.topic = topic
        await send(self.service, ask)
        return ask.status

    async def run(self) -> None:
        while not self.over:
            self.answers.append(await self.ask("sales"))

    async def more(self, asks_: int = 50) -> None:
        """Return after that many more answers."""
        wanted = len(self.answers) + asks_

        async def there() -> bool:
            return len(self.answers) >= wanted

        await self.service.when(there)


@asynccontextmanager
async def loaded(folder: Path, database: Database, rng: random.Random) -> AsyncIterator[Load]:
    """A service under steady load, whose connections are counted."""
    async with surroundings(folder) as around, serving(around, database) as service:
        load = Load(service, rng)
        async with _counting(load) as session:
            around.session, waiting = session, around.session
            clients = [asyncio.create_task(load.run()) for _ in range(AT_ONCE)]
            try:
                yield load
            finally:
                load.over = True
                await asyncio.gather(*clients)
                around.session = waiting


@asynccontextmanager
async def _counting(load: Load) -> AsyncIterator[aiohttp.ClientSession]:
    async def created(*_: Any) -> None:
        load.connections += 1

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(created)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        yield session


@pytest.mark.alone
@ONE_IN_CI
async def test_a_saved_file_counts_within_a_second_and_a_wrong_one_never(
    tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """Under load an invalid file changes nothing, a new topic is usable within a second, no connection drops."""
    async with loaded(tmp_path, database, rng) as load:
        around, service = load.service.around, load.service
        await load.more()
        around.route(WRONG)
        await service.logged("routing_reload_failed")
        assert await load.ask("broken") == 400
        assert await load.ask("sales") == 201
        around.route(GROWN)
        saved = time.monotonic()

        async def usable() -> bool:
            return await load.ask("billing") == 201

        await service.when(usable)
        took = time.monotonic() - saved
        await load.more()
    say(f"usable {took:.2f} s after saving, goal 1 s; {len(load.answers)} asks on {load.connections} connections")
    assert took < 1.5
    assert set(load.answers) == {201}
    assert load.connections <= AT_ONCE + 1


@pytest.mark.parametrize("way", ["SIGHUP", "POST /-/reload"])
@ONE_IN_CI
async def test_a_reload_that_is_asked_for_drops_no_connection(
    way: str, tmp_path: Path, database: Database, rng: random.Random, say: Say
):
    """SIGHUP and POST /-/reload read the file at once, all or nothing, and no request fails meanwhile."""
    async with loaded(tmp_path, database, rng) as load:
        for routing in (WRONG, GROWN):
            await load.more()
            load.service.around.route(routing)
            if way == "SIGHUP":
                load.service.signal(signal.SIGHUP)
                word = {WRONG: "routing_reload_failed", GROWN: "routing_reloaded"}[routing]
                await load.service.logged(word, reason="SIGHUP")
            else:
                assert await _reload(load.service) == {WRONG: 409, GROWN: 200}[routing]
            assert await load.ask("broken") == 400
        assert await load.ask("billing") == 201
        await load.more()
    say(f"{len(load.answers)} asks on {load.connections} connections")
    assert set(load.answers) == {201}
    assert load.connections <= AT_ONCE + 1


async def _reload(service: ServiceProcess) -> int:
    url = f"{service.url}/-/reload"
    async with service.around.session.post(url, headers=service.around.bearer) as answer:
        await answer.read()
        return answer.status
