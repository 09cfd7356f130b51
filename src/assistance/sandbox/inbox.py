"""What a fake has taken: bounded, in order of arrival, and something a test can wait for."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Keeps the last `keep` items and counts them all."""

    def __init__(self, keep: int) -> None:
        """Forget the oldest item when there would be more than `keep`."""
        self._items: deque[T] = deque(maxlen=keep)
        self._news = asyncio.Event()
        self.total = 0

    def add(self, item: T) -> None:
        """Take one more item and wake whoever waits."""
        self._items.append(item)
        self.total += 1
        self._news.set()

    def items(self) -> list[T]:
        """What is kept, oldest first."""
        return list(self._items)

    async def reached(self, total: int, within: float) -> list[T]:
        """Return what is kept once `total` items have come in since the start.

        Raises:
            TimeoutError: they did not come `within` that many seconds.
        """
        async with asyncio.timeout(within):
            while self.total < total:
                self._news.clear()
                await self._news.wait()
        return self.items()
