"""Bots that ask at the same time, and their log: what each asked, and what it was told."""

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
    """One ask. `marker` begins its description, so that every copy of it is known again.

    `status` is that of the last answer, None when each connection was lost, `failure` the last error of that kind;
    `key` is its Idempotency-Key: with one, it is asked again until there is an answer.
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
    """Four of five to Slack, the rest by mail; half of them with a key."""
    run = f"{rng.getrandbits(32):08x}"
    made = []
    for number in range(total):
        marker = f"[{run}-{number:06d}]"
        topic = rng.choice(("sales", "sales", "sales", "sales", "pricing"))
        key = f"{run}-{number}" if rng.random() < 0.5 else None
        made.append(Ask(marker, topic, f"{marker} {rng.choice(_TAILS)}", key))
    return made


class Clients:
    """`at_once` bots that share a list of asks and go on until each was asked: flat out, or `rate` a second at most.

    Each asks `service` and `others` in turn, without those that are down; where it is refused it tries the next one.
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
        """Return once so many asks were acknowledged."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._answered >= answered)

    async def _bot(self) -> None:
        for ask in self._left:
            while True:
                service = await self._next()
                await self._turn()
                await self._ask(service if service.up.is_set() else await self._next(), ask)
                # Who supervises will say when the service is back; until then there is nobody to ask.
                await asyncio.sleep(0)
                if ask.status in {201, 200} or ask.key is None:
                    break

    async def _turn(self) -> None:
        """Nobody makes up for what could not be asked while the service was down."""
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
        await tell(service, ask)
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


async def tell(service: ServiceProcess, ask: Ask) -> None:
    """Send the ask once and write down the answer; an ask whose connection is lost keeps what it was told before."""
    ask.tries += 1
    headers = {**service.around.bearer, **({"Idempotency-Key": ask.key} if ask.key else {})}
    body = {"topic": ask.topic, "description": ask.description}
    try:
        async with service.around.session.post(f"{service.url}/assistance", json=body, headers=headers) as answer:
            told: Any = await answer.json()
    except (aiohttp.ClientError, OSError) as error:
        ask.failure = error
        return
    ask.status, ask.request_id = answer.status, told.get("id")
    ask.retry_after = answer.headers.get("Retry-After")
