"""Long polls and streams: an answer that waits until a request changes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from starlette.types import Scope

from assistance.store import Store

T = TypeVar("T")

_SOONEST, _LATEST = 0.05, 1.0
"""Seconds between two reads without a notification, at first and at most: another process may have changed it."""


class Waiters:
    """Those who wait for a request to change, so many at once and until the process stops.

    They do not occupy a slot of the `Envelope`: each costs a little memory and one read a second.
    """

    def __init__(self, store: Store, slots: int, *, keep_alive: float = 15.0) -> None:
        """`store` notifies of changes in this process; `keep_alive` is the longest silence of a stream, in seconds."""
        self.keep_alive = keep_alive
        self.closed = False
        """Whether all waits end at once, because the process stops."""
        self._store = store
        self._free = slots
        self._changed: set[asyncio.Event] = set()

    def close(self) -> None:
        """End all waits with what there is."""
        self.closed = True
        for changed in self._changed:
            changed.set()

    @contextmanager
    def slot(self, scope: Scope) -> Iterator[bool]:
        """A slot among the waiters, in exchange for the one of the gate; False where none is free."""
        if self._free <= 0 or self.closed:
            yield False
            return
        self._free -= 1
        if release := scope["state"].get("release"):
            release()
        try:
            yield True
        finally:
            self._free += 1

    async def until(
        self,
        request_id: str,
        read: Callable[[], Awaitable[T]],
        enough: Callable[[T], bool],
        seconds: float,
    ) -> T:
        """What `read` gives once it is `enough`, or as it is after `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # Where one process does everything, it is notified of every change.
        pause = _LATEST if self._store.exclusive else _SOONEST
        with self._store.changes.subscribe(request_id) as changed:
            self._changed.add(changed)
            try:
                while True:
                    # Lost wake-up: clear before reading, or a change in between goes unnoticed.
                    changed.clear()
                    found = await read()
                    left = deadline - loop.time()
                    if enough(found) or left <= 0 or self.closed:
                        return found
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), min(left, pause))
                    pause = min(2 * pause, _LATEST)
            finally:
                self._changed.discard(changed)
