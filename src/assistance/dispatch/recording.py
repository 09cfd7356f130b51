"""Writing down what was learned, however long that takes: what was sent and is not recorded is sent again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import structlog

from assistance.dispatch.lane import Lane
from assistance.model import Clock
from assistance.store import (
    DeliveryOutcome,
    Failing,
    Freeze,
    Job,
    Park,
    Recorded,
    Store,
    StoreBrokenError,
    StoreUnavailableError,
    Unpark,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")

_PAUSES = 0.05, 1.0
"""Seconds between the first two tries to write, and at most."""

_TRY = 20.0
"""Seconds within which a try has come to its end, and its outcome is written."""


class Recorder:
    """Tells the store; returns when it knows, or when it can never know."""

    def __init__(self, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        """`wake` is called when something may have become due."""
        self._store = store
        self._clock = clock
        self._wake = wake

    async def settle(self, settlement: DeliveryOutcome) -> Recorded | None:
        """Record what became of a try; says what it came to, None when nobody can know."""
        recorded = await self._insist(partial(self._store.record_outcome, settlement))
        if recorded is Recorded.LATE:
            log.warning("late_outcome_ignored", delivery=settlement.delivery.key)
        return recorded

    async def release(self, lane: Lane, jobs: Iterable[Job]) -> None:
        """Give back what was not sent, no try counted; where the lane is out of order it is parked."""
        await asyncio.gather(*(self._insist(partial(self._store.release, job.delivery)) for job in jobs))
        if (reason := lane.out_of_order) is not None:
            await self.park_what_waits(lane.name, reason)

    async def freeze(self, lane: Lane) -> None:
        """Remember for all processes, restarts included, when the lane may go on."""
        await self._insist(partial(self._store.freeze, Freeze(lane.name, lane.frozen_until)))

    async def note_failing(self, lane: Lane) -> None:
        """Let it be seen in all processes whether the channel answers this one."""
        again = None if lane.breaker.closed else lane.breaker.wait(self._clock.monotonic()) + _TRY
        until = None if again is None else self._clock.now() + again
        await self._insist(partial(self._store.note_failing, Failing(lane.name, until)))

    async def park(self, lane: Lane, reason: str) -> None:
        """Stop the lane until it is mended; the failover of what waits on it starts."""
        if lane.parked is None:
            log.error("channel_parked", channel=lane.name, reason=reason)
        with lane.report.telling():
            lane.park(reason)
            await self.park_what_waits(lane.name, reason)

    async def park_what_waits(self, channel: str, reason: str) -> None:
        """Park what is due on the channel."""
        park = Park(channel, reason, self._clock.now())
        if parked := await self._insist(partial(self._store.park, park)):
            log.error("deliveries_parked", channel=channel, reason=reason, parked=parked)
            self._wake()

    async def unpark(self, lane: Lane) -> None:
        """Let the lane go on, with all that waits for it."""
        with lane.report.telling():
            resumed = await self._insist(partial(self._store.unpark, Unpark(lane.name, self._clock.now())))
            lane.unpark()
        log.info("channel_mended", channel=lane.name, due_again=resumed)
        self._wake()

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T | None:
        pause, longest = _PAUSES
        while True:
            try:
                return await write()
            except StoreBrokenError:
                # This process must end, and the next one goes on from what is stored.
                return None
            except StoreUnavailableError:
                pass
            except Exception:
                log.exception("not_recorded")
            await self._clock.sleep(pause)
            pause = min(pause * 2, longest)
