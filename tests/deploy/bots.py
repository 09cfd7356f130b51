"""Bots that create requests and keep what they were answered."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

ASK = {"topic": "sales", "description": "Could somebody call me back, please?"}


class Bots:
    """`ids` are the requests acknowledged with 201, in that order; `statuses` counts every answer."""

    def __init__(self, session: aiohttp.ClientSession, url: str, bearer: Callable[[], str]) -> None:
        self.ids: list[str] = []
        self.statuses: Counter[int | str] = Counter()
        self._session = session
        self._url = url
        self._bearer = bearer
        self._progress = asyncio.Condition()

    async def ask(self, body: Any = ASK, headers: Mapping[str, str] | None = None) -> aiohttp.ClientResponse | None:
        """Call once; the answer with its body read, None when the connection was lost."""
        sent = {"Authorization": f"Bearer {self._bearer()}", **(headers or {})}
        try:
            async with self._session.post(f"{self._url}/assistance", json=body, headers=sent) as answer:
                told = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            self.statuses[type(error).__name__] += 1
            return None
        self.statuses[answer.status] += 1
        if answer.status == 201:
            self.ids.append(told["id"])
            async with self._progress:
                self._progress.notify_all()
        return answer

    async def reached(self, more: int) -> None:
        """Return once `more` requests than now are acknowledged."""
        wanted = len(self.ids) + more
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.ids) >= wanted)

    @asynccontextmanager
    async def asking(self, body: Any = ASK, at_once: int = 8) -> AsyncIterator[None]:
        """Within the block that many bots create requests, each again as soon as it is answered."""

        async def bot() -> None:
            while True:
                await self.ask(body)

        running = [asyncio.create_task(bot()) for _ in range(at_once)]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            for task in running:
                with suppress(asyncio.CancelledError):
                    await task
