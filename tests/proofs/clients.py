"""Concurrent bots and their log: what each asked, and what it was answered."""

import asyncio
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from tests.fakes.process import ServiceProcess

_TAILS = ("please", "¿cuánto cuesta? 💶", "a <b> & c", "line one\nline two", "日本語の文章")


@dataclass(slots=True)
class Ask:
    """One call. `marker` begins its description, so that every copy can be recognised.

    `status` is that of the last answer, None when every connection was lost; `failure` is the last such error. `key` is
    its Idempotency-Key: with one, the call is repeated until it is answered.
    """

    marker: str
    topic: str
    description: str
    key: str | None
    status: int | None = None
    request_id: str | None = None
    retry_after: str | None = None
    failure: Exception | None = None
    tries: int = 0

    @property
    def acknowledged(self) -> bool:
        return self.status == 201


def asks(total: int, rng: random.Random) -> list[Ask]:
    """Four of five go to Slack, the rest by mail; half have a key."""
    run = f"{rng.getrandbits(32):08x}"
    made = []
    for number in range(total):
        marker = f"[{run}-{number:06d}]"
        topic = rng.choice(("sales", "sales", "sales", "sales", "pricing"))
        key = f"{run}-{number}" if rng.random() < 0.5 else None
        made.append(Ask(marker, topic, f"{marker} {rng.choice(_TAILS)}", key))
    return made


class Clients:
    """`at_once` bots that work through one list of calls, as fast as they can or at most `rate` a second.

    Each calls `service` and `others` alternately, except those that are down; where one refuses it tries the next.
    """

    def __init__(
        self,
        service: ServiceProcess,
        log: Sequence[Ask],
        at_once: int = 16,
        others: Sequence[ServiceProcess] = (),
        rate: float = math.inf,
    ) -> None:
        self.log = log
        self.at_once = at_once
        self._services = itertools.cycle((service, *others))
        self._number = 1 + len(others)
        self._pause = 1 / rate
        self._turn_at = 0.0
        self._left = iter(log)
        self._answered = 0
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as bots:
            for _ in range(self.at_once):
                bots.create_task(self._bot())

    async def reached(self, answered: int) -> None:
        """Return once so many calls were acknowledged."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._answered >= answered)

    async def _bot(self) -> None:
        for ask in self._left:
            while True:
                service = await self._next()
                await self._turn()
                await self._ask(service if service.up.is_set() else await self._next(), ask)
                # The test sets `up` when the service is back; until then every call would fail.
                await asyncio.sleep(0)
                if ask.status in {201, 200} or ask.key is None:
                    break

    async def _turn(self) -> None:
        """Do not catch up on calls that were due while the service was down."""
        now = asyncio.get_running_loop().time()
        self._turn_at = max(self._turn_at + self._pause, now)
        await come(self._turn_at)

    async def _next(self) -> ServiceProcess:
        for service in itertools.islice(self._services, self._number):
            if service.up.is_set():
                return service
        down = next(self._services)
        await down.up.wait()
        return down

    async def _ask(self, service: ServiceProcess, ask: Ask) -> None:
        await send(service, ask)
        if ask.acknowledged:
            async with self._progress:
                self._answered += 1
                self._progress.notify_all()


async def come(due: float) -> None:
    """Return as soon as the loop's time is `due`."""
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()
    alarm = loop.call_at(due, there.set_result, None)
    try:
        await there
    finally:
        alarm.cancel()


async def send(service: ServiceProcess, ask: Ask) -> None:
    """Send the call once and record the answer; when the connection is lost, an earlier answer is kept."""
    ask.tries += 1
    headers = {**service.around.bearer, **({"Idempotency-Key": ask.key} if ask.key else {})}
    body = {"topic": ask.topic, "description": ask.description}
    try:
        async with service.around.session.post(f"{service.url}/assistance", json=body, headers=headers) as answer:
            read: Any = await answer.json()
    except (aiohttp.ClientError, OSError) as error:
        ask.failure = error
        return
    ask.status, ask.request_id = answer.status, read.get("id")
    ask.retry_after = answer.headers.get("Retry-After")
