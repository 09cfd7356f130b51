"""A clock that stands still until a test advances it."""

import asyncio
import itertools
import threading
from collections.abc import Callable

_TURNS = 200
"""Of the loop, after which `until` has time."""


class ManualClock:
    """A `Clock` whose time passes by `advance` only; sleepers wake when their time has come."""

    BEGIN = 1_800_000_000.0

    def __init__(self, now: float = BEGIN) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        sleeper = (self._monotonic + seconds, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    def jump(self, seconds: float) -> None:
        """Set the time of day; the monotonic time stays."""
        self._now += seconds

    @property
    def sleeping(self) -> list[float]:
        """The seconds that each sleeper still has to wait."""
        return sorted(until - self._monotonic for until, waking in self._sleepers if not waking.done())

    def advance(self, seconds: float) -> None:
        """Let time pass and wake the sleepers that are due; they run when the test awaits next."""
        self._now += seconds
        self._monotonic += seconds
        for until, waking in self._sleepers:
            if until <= self._monotonic and not waking.done():
                waking.set_result(None)


class SharedClock(ManualClock):
    """A `ManualClock` that sets a second clock as well: the process's and its database server's."""

    def __init__(self, also: Callable[[float], None], now: float = ManualClock.BEGIN) -> None:
        """`also` sets the second clock, which must be at `now`."""
        super().__init__(now)
        self._also = also
        self._moving = threading.Lock()

    def now(self) -> float:
        # Race: a thread that reads both clocks must never see one advanced and the other not.
        with self._moving:
            return super().now()

    def advance(self, seconds: float) -> None:
        with self._moving:
            self._also(self._now + seconds)
            super().advance(seconds)


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Return as soon as `condition` holds; TimeoutError after `within` real seconds.

    Checked at each iteration of the loop at first, then a thousand times a second: other threads need the processor.
    """
    never = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(within):
        for turn in itertools.count():
            if condition():
                return
            await (asyncio.wait({never}, timeout=0.001) if turn > _TURNS else asyncio.sleep(0))
