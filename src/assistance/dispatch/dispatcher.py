"""The delivery engine: dequeues what is due and gives it to the lanes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import structlog
from opentelemetry.trace import Tracer

from assistance.channels import Channel
from assistance.dispatch.housekeeping import Housekeeping, good_for
from assistance.dispatch.lane import Lane
from assistance.dispatch.lanes import Lanes
from assistance.dispatch.outcome import Jitter
from assistance.dispatch.recording import Recorder
from assistance.dispatch.sending import send
from assistance.model import Clock
from assistance.outgoing import Http
from assistance.store import Dequeue, Dequeued, Lease, Store, StoreUnavailableError
from assistance.telemetry import Metrics

log = structlog.get_logger(__name__)

LEASE = 30.0
_SOONEST, _LATEST = 0.05, 1.0
"""Seconds between two dequeues that nothing wakes: while much is due, and while nothing is."""


class Dispatcher:
    """Everything that goes out goes through here.

    Several dispatchers may share a store; each leases under its own `owner`. `is_open` says whether hours, as a
    delivery carries them, are open at an instant. Nothing is sent before `run`.
    """

    def __init__(
        self,
        store: Store,
        http: Http,
        clock: Clock,
        *,
        owner: str,
        jitter: Jitter,
        is_open: Callable[[str, float], bool],
        metrics: Metrics,
        tracer: Tracer,
    ) -> None:
        self.lanes = Lanes()
        self._store = store
        self._clock = clock
        self._owner = owner
        self._jitter = jitter
        self._is_open = is_open
        self._send_seconds = http.timeouts.whole
        self._due = asyncio.Event()
        self._dequeuing = asyncio.Lock()
        self._stopping = False
        self._stopped = asyncio.Event()
        self._beat_at = clock.monotonic()
        store.on_due(self.wake)
        self._recorder = Recorder(store, clock, metrics=metrics, wake=self.wake)
        self._housekeeping = Housekeeping(
            store, clock, self.lanes, self._recorder, lease=self.lease, metrics=metrics, wake=self.wake
        )
        self._new_lane = partial(
            Lane,
            clock=clock,
            send=partial(send, http=http, clock=clock, tracer=tracer),
            recorder=self._recorder,
            jitter=jitter,
            wake=self.wake,
        )

    @property
    def seconds_since_beat(self) -> float:
        """Seconds since the loop last began a dequeue, for readiness."""
        return self._clock.monotonic() - self._beat_at

    @property
    def parked(self) -> Mapping[str, str]:
        """The channels that are parked, and why."""
        return self.lanes.parked

    def lease(self) -> Lease:
        """The lease under which this dispatcher sends."""
        return Lease(self._owner, LEASE)

    def wake(self) -> None:
        """Dequeue: something may be due. Many calls before the loop goes round are one."""
        self._due.set()

    async def configure(self, channels: Mapping[str, Channel]) -> None:
        """Send by these channels, the routing file's, from now on; parked ones are tried again."""
        if self._stopping:
            return
        self.lanes.configure(channels, self._new_lane)
        await self._housekeeping.look_after_channels()
        self.wake()

    async def run(self) -> None:
        """Lease and send until cancelled or stopped."""
        housekeeping = asyncio.create_task(self._housekeeping.run(), name="dispatch housekeeping")
        try:
            pause = _SOONEST
            while not self._stopping:
                # Race: cleared before the dequeue, so that a commit which it does not see wakes the loop again.
                self._due.clear()
                self._beat_at = self._clock.monotonic()
                pause = _SOONEST if await self._dequeue() else min(pause * 2, _LATEST)
                await self._wait(min(self._jitter(pause / 2, pause), self.lanes.opens_in))
            await self._stopped.wait()
        finally:
            housekeeping.cancel()

    async def stop(self) -> None:
        """Lease nothing more, finish what has been begun, release the rest."""
        self._stopping = True
        for lane in self.lanes.values():
            lane.end()
        self.wake()
        with suppress(TimeoutError):
            # Until what is being leased has come to its lane, which releases it.
            async with asyncio.timeout(self._send_seconds), self._dequeuing:
                pass
        await asyncio.gather(*(lane.finish(self._send_seconds) for lane in self.lanes.values()))
        self._stopped.set()

    async def _wait(self, seconds: float) -> None:
        async def wake_later() -> None:
            await self._clock.sleep(seconds)
            self.wake()

        timer = asyncio.create_task(wake_later())
        try:
            await self._due.wait()
        finally:
            timer.cancel()

    async def _dequeue(self) -> bool:
        """Lease what is due and there is room for, and give it to the lanes; whether there was anything."""
        async with self._dequeuing:
            try:
                return not self._stopping and await self._fill_lanes()
            except StoreUnavailableError:
                return False
            except Exception:
                # The other channels and the next dequeue go on, whatever it was.
                log.exception("dispatch_failed")
                return False

    async def _fill_lanes(self) -> bool:
        rooms = {name: room for name, lane in self.lanes.items() if (room := lane.begin_dequeue())}
        probes = [name for name, lane in self.lanes.items() if lane.may_be_probed]
        if not rooms and not probes:
            return False
        # One process keeps the pace of its lanes by itself; several share it in the store.
        limits = {name: self.lanes[name].channel.messages_per_second for name in rooms}
        paces = {} if self._store.exclusive else {name: pace for name, pace in limits.items() if pace is not None}
        dequeue = Dequeue(rooms, self.lease(), self._clock.now(), self._is_open, probes, paces)
        before, good_until = self.lanes.versions(), self._clock.monotonic() + good_for(LEASE)
        dequeued = await self._store.dequeue(dequeue)
        for health in self.lanes.learn(dequeued.lanes, before):
            await self._recorder.unpark(health)
        self._enqueue(dequeued, rooms, good_until)
        for name in dequeued.empty:
            # Nothing is left on it to probe with: the next message will show whether it is mended.
            await self._recorder.unpark(self.lanes[name].health)
        for channel, number in dequeued.parked.items():
            log.warning("deliveries_parked", channel=channel, parked=number)
            self.wake()
        return bool(dequeued.jobs)

    def _enqueue(self, dequeued: Dequeued, rooms: Mapping[str, int], good_until: float) -> None:
        found = Counter(job.delivery.channel for job in dequeued.jobs)
        for name, room in rooms.items():
            self.lanes[name].more |= found[name] >= room
        for job in dequeued.jobs:
            lane = self.lanes[job.delivery.channel]
            if lane.name in dequeued.probed:
                lane.probe(job, good_until)
            else:
                lane.enqueue(job, good_until)
