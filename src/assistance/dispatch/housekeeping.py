"""What is done every few seconds, whether anything is due or not."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from assistance.dispatch.lanes import Lanes
from assistance.dispatch.recording import Recorder
from assistance.model import Clock, Reason
from assistance.store import Lease, Recovery, Renewal, Store, StoreUnavailableError
from assistance.telemetry import Metrics

log = structlog.get_logger(__name__)

EVERY = 10.0
"""Seconds: a third of a lease."""
RECOVER_EVERY = 0.5
"""Seconds between two recoveries where there are other processes: what a dead one had leased is late by this."""

GRACE = 120.0
"""Seconds for which something may wait on a channel that this process has never known.

Another process may have a newer routing file, which comes here within a minute, or two where a volume brings it.
"""


def good_for(lease: float) -> float:
    """Seconds of a lease in which a send may begin: there is time to renew it then, before it ends."""
    return lease * 2 / 3


class Housekeeping:
    """Renews leases, recovers those of dead processes, and looks after channels that are parked or were removed.

    Nothing is done before `run`. `wake` is called when something has become due.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        lanes: Lanes,
        recorder: Recorder,
        *,
        lease: Callable[[], Lease],
        metrics: Metrics,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._lanes = lanes
        self._recorder = recorder
        self._lease = lease
        self._metrics = metrics
        self._wake = wake
        self._strange: dict[str, float] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        recover_every = EVERY if self._store.exclusive else RECOVER_EVERY
        async with asyncio.TaskGroup() as tasks:
            # Side by side: to park or free a backlog may take longer than a lease.
            tasks.create_task(self._every(EVERY, self.renew))
            tasks.create_task(self._every(EVERY, self._sweep))
            tasks.create_task(self._every(recover_every, self._recover))

    async def _every(self, seconds: float, job: Callable[[], Awaitable[None]]) -> None:
        while True:
            await _done(job)
            await self._clock.sleep(seconds)

    async def look_after_channels(self) -> None:
        """Park what is due on channels out of order, free what is parked on the others, probe them; raises nothing."""
        await _done(self._sweep_and_try)

    async def _sweep_and_try(self) -> None:
        await self._sweep()
        await self._store.try_parked()

    async def renew(self) -> None:
        """Renew what is leased; what was lost is counted, logged and not sent."""
        leased = tuple(job.delivery for job in self._lanes.leased)
        if not leased:
            return
        lease, began = self._lease(), self._clock.monotonic()
        renewed = await self._store.renew(Renewal(leased, lease, self._clock.now()))
        # What was recorded in the meantime is not leased any more, and not lost.
        still = {job.delivery for job in self._lanes.leased}.intersection(leased)
        mine = {delivery.key for delivery in still if (delivery.request_id, delivery.n) in renewed}
        lost = {delivery.key for delivery in still} - mine
        if lost:
            self._metrics.leases_lost(len(lost))
            log.warning("leases_lost", lost=len(lost))
        for lane in self._lanes.values():
            lane.renewed(mine, began + good_for(lease.seconds))
            lane.lost(lost)

    async def _recover(self) -> None:
        mine = frozenset((job.delivery.request_id, job.delivery.n) for job in self._lanes.leased)
        if back := await self._store.recover(Recovery(self._clock.now(), mine)):
            log.warning("leases_taken_back", deliveries=back)
            self._wake()

    async def _sweep(self) -> None:
        before = self._lanes.versions()
        for health in self._lanes.learn(await self._store.lane_states(), before):
            await self._recorder.unpark(health)
        now, waiting = self._clock.monotonic(), await self._store.waiting_channels()
        self._strange = {name: self._strange.get(name, now) for name in waiting if name not in self._lanes}
        for channel in waiting:
            if (lane := self._lanes.get(channel)) is None:
                if now - self._strange[channel] >= GRACE:
                    await self._recorder.park_due(channel, Reason.UNKNOWN_CHANNEL)
            elif (reason := lane.health.parked_for) is not None:
                await self._recorder.park_due(channel, reason)
        for channel in await self._store.parked_channels():
            if (lane := self._lanes.get(channel)) is not None and lane.health.parked_for is None:
                await self._recorder.unpark(lane.health)


async def _done(job: Callable[[], Awaitable[None]]) -> None:
    """Do it, or log that it failed: without the next round leases would end while their messages are being sent."""
    try:
        await job()
    except StoreUnavailableError as error:
        log.warning("housekeeping_failed", error=type(error).__name__)
    except Exception:
        log.exception("housekeeping_failed")
