"""Holding an answer until there is news."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from assistance.store import Store

T = TypeVar("T")

_POLL = 1.0
"""Seconds between two looks without being told: another process may have changed it."""


async def until(
    store: Store, request_id: str, look: Callable[[], Awaitable[T]], enough: Callable[[T], bool], seconds: float
) -> T:
    """What `look` gives once it is `enough`, or as it is after `seconds`."""
    with store.changes.watch(request_id) as changed:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            changed.clear()
            seen = await look()
            left = deadline - loop.time()
            if enough(seen) or left <= 0:
                return seen
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _POLL)):
                    await changed.wait()
