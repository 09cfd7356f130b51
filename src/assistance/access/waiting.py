"""Holding an answer until there is news."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.types import Scope

from assistance.store import Store

T = TypeVar("T")

_SOONEST, _LATEST = 0.05, 1.0
"""Seconds between the first two looks without being told, and at most: another process may have changed it."""


class WaitingRoom:
    """Where callers wait for a request to change, so many at once and until the process stops.

    They do not count as being served (see `Gate`): whoever has a seat here costs a little memory and one look a second.
    """

    def __init__(self, store: Store, seats: int, *, keep_alive: float = 15.0) -> None:
        """`store` tells what changes in this process; a stream says each `keep_alive` seconds that it is alive."""
        self.keep_alive = keep_alive
        self._store = store
        self._free = seats
        self._closing = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether nobody is kept waiting any more."""
        return self._closing.is_set()

    def close(self) -> None:
        """Let everybody go with what there is."""
        self._closing.set()

    @contextmanager
    def seat(self, scope: Scope) -> Iterator[bool]:
        """A seat for the caller, who leaves its place at the gate; False where none is free."""
        if self._free <= 0 or self.closed:
            yield False
            return
        self._free -= 1
        scope["state"].get("release", _stay)()
        try:
            yield True
        finally:
            self._free += 1

    async def until(
        self,
        request_id: str,
        look: Callable[[], Awaitable[T]],
        enough: Callable[[T], bool],
        seconds: float,
    ) -> T:
        """What `look` gives once it is `enough`, or as it is after `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # Where one process does everything, all news is told.
        pause = _LATEST if self._store.exclusive else _SOONEST
        with self._store.changes.subscribe(request_id) as changed:
            while True:
                changed.clear()
                seen = await look()
                left = deadline - loop.time()
                if enough(seen) or left <= 0 or self.closed:
                    return seen
                await self._news(changed, min(left, pause))
                pause = min(2 * pause, _LATEST)

    async def _news(self, changed: asyncio.Event, seconds: float) -> None:
        """Return when it has changed, when the room closes, or after `seconds`."""
        waits = [asyncio.ensure_future(event.wait()) for event in (changed, self._closing)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def _stay() -> None:
    """There is no gate."""
