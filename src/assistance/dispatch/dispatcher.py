"""The delivery engine: leases what is due and hands it to the lanes."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog
from opentelemetry.trace import Tracer

from assistance.channels import Channel
from assistance.dispatch.delivering import PROBE_EVERY, Deliverer
from assistance.dispatch.lane import Lane
from assistance.dispatch.retry import Jitter
from assistance.model import Clock, Reason
from assistance.outgoing import Http
from assistance.store import (
    LaneState,
    Lease,
    Park,
    Recovery,
    Renewal,
    Store,
    StoreUnavailableError,
    Take,
    Work,
)
from assistance.telemetry import Metrics

log = structlog.get_logger(__name__)

LEASE = 30.0
RENEW_EVERY = 10.0
_SOONEST, _LATEST = 0.05, 1.0
_SEND_GRACE = 15.0


class Dispatcher:
    """Everything that goes out goes through here.

    Several dispatchers may share a store; each leases under its own `owner`. `is_open` says whether hours, as a
    delivery carries them, are open at an instant.
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
        """Send nothing before `run`."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._jitter = jitter
        self._is_open = is_open
        self._metrics = metrics
        self.lanes: dict[str, Lane] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._beat_at = clock.monotonic()
        self._stopping = False
        self._deliverer = Deliverer(store, http, clock, jitter=jitter, metrics=metrics, tracer=tracer, wake=self.wake)

    @property
    def seconds_since_beat(self) -> float:
        """How long ago the loop last went round: readiness looks at it."""
        return self._clock.monotonic() - self._beat_at

    @property
    def parked(self) -> frozenset[str]:
        """The channels that are parked."""
        return frozenset(lane.name for lane in self.lanes.values() if lane.parked is not None)

    def wake(self) -> None:
        """Something may be due that was not handed over."""
        self._wake.set()

    # What is accepted by the same process comes by memory, without a second read.

    def lease(self) -> Lease:
        """The lease under which this dispatcher sends."""
        return Lease(self._owner, LEASE)

    def reserve(self, channel: str) -> bool:
        """Promise to send a delivery on `channel` at once, if its lane has room and nothing older waits."""
        lane = self.lanes.get(channel)
        if lane is None or self._stopping:
            return False
        if lane.backlog or not lane.room():
            lane.backlog = True
            return False
        lane.reserved += 1
        return True

    def unreserve(self, channel: str) -> None:
        """The promise is not needed."""
        if lane := self.lanes.get(channel):
            lane.reserved = max(0, lane.reserved - 1)

    def hand(self, work: Work) -> None:
        """Send this now, under the lease and the promise given for it."""
        lane = self.lanes.get(work.delivery.channel)
        if lane is not None:
            self.unreserve(lane.name)
            lane.put(work)

    # The routing file gives the lanes.

    async def configure(self, channels: Mapping[str, Channel]) -> None:
        """Send by these channels from now on; parked ones are tried again."""
        for name, lane in list(self.lanes.items()):
            if type(channels.get(name)) is not type(lane.channel):
                await self._close(self.lanes.pop(name))
        for name, channel in channels.items():
            if name not in self.lanes:
                self._open(name, channel)
            else:
                self.lanes[name].change(channel)
        await self._recall()
        self.try_parked()

    def try_parked(self, channel: str | None = None) -> None:
        """Try one message now on each parked channel, or on that one."""
        for lane in self.lanes.values():
            if channel in {None, lane.name}:
                lane.probe_at = 0.0
        self.wake()

    def _open(self, name: str, channel: Channel) -> None:
        lane = Lane(
            name,
            channel,
            self._clock,
            send=self._deliverer.deliver,
            release=self._deliverer.release,
            wake=self.wake,
        )
        self.lanes[name] = lane
        self._running[name] = asyncio.create_task(lane.run(), name=f"lane {name}")

    async def _close(self, lane: Lane) -> None:
        self._running.pop(lane.name).cancel()
        await lane.give_everything_back()

    async def _recall(self) -> None:
        """Take over what earlier processes have learned about the channels."""
        states = await self._store.lane_states()
        self._take_over(states)
        for known in states:
            lane = self.lanes.get(known.channel)
            if lane is not None and known.parked_reason == Reason.UNKNOWN_CHANNEL:
                await self._deliverer.unpark(lane)

    def _take_over(self, states: Iterable[LaneState]) -> None:
        """Let each lane know what any process has learned."""
        for known in states:
            lane = self.lanes.get(known.channel)
            if lane is None:
                continue
            lane.freeze(known.frozen_until)
            if known.parked_reason is not None and lane.parked is None:
                lane.parked, lane.probe_at = known.parked_reason, known.probe_at or 0.0

    def _paces(self, rooms: Iterable[str]) -> dict[str, float]:
        return {name: pace for name in rooms if (pace := self.lanes[name].channel.messages_per_second) is not None}

    # The loop.

    async def run(self) -> None:
        """Lease and send until cancelled."""
        housekeeping = asyncio.create_task(self._keep_house(), name="dispatch housekeeping")
        pause = _SOONEST
        try:
            while True:
                self._wake.clear()
                self._beat_at = self._clock.monotonic()
                found = await self._try_round()
                pause = _SOONEST if found else min(pause * 2, _LATEST)
                await self._wait(self._jitter(pause / 2, pause))
        finally:
            housekeeping.cancel()

    async def stop(self) -> None:
        """Lease nothing more, finish what has been begun, give the rest back."""
        self._stopping = True
        for task in self._running.values():
            task.cancel()
        for lane in self.lanes.values():
            await lane.give_everything_back()
        await asyncio.gather(*(lane.finish(_SEND_GRACE) for lane in self.lanes.values()))

    async def _wait(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((woken, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            slept.cancel()

    async def _try_round(self) -> bool:
        for name, task in self._running.items():
            if task.done():
                log.critical("lane_restarted", channel=name, exc_info=task.exception())
                self._running[name] = asyncio.create_task(self.lanes[name].run(), name=f"lane {name}")
        try:
            return await self._round()
        except StoreUnavailableError:
            return False
        except Exception:
            # Whatever it was: the other channels and the next round must not die of it.
            log.exception("dispatch_round_failed")
            return False

    async def _round(self) -> bool:
        """Lease once; whether anything was found."""
        now = self._clock.now()
        rooms = {lane.name: room for lane in self.lanes.values() if (room := lane.room())}
        probed = [lane for lane in self.lanes.values() if lane.wants_probe]
        if not rooms and not probed:
            return False
        paces = {} if self._store.exclusive else self._paces(rooms)
        take = Take(rooms, self.lease(), now, self._is_open, [lane.name for lane in probed], paces)
        found = await self._store.take(take)
        self._take_over(found.lanes)
        taken = dict.fromkeys((*rooms, *take.probes), 0)
        for work in found.works:
            lane = self.lanes[work.delivery.channel]
            taken[lane.name] += 1
            lane.put(work)
        for name, room in rooms.items():
            self.lanes[name].backlog = taken[name] >= room
        for lane in probed:
            lane.probe_at = now + PROBE_EVERY
            if not taken[lane.name]:
                # Nothing waits on it: the next message will show whether it is mended.
                await self._deliverer.unpark(lane)
        return bool(found.works)

    async def _keep_house(self) -> None:
        while True:
            try:
                await self._renew()
                await self._store.recover(Recovery(self._clock.now(), self._held()))
                await self._sweep()
            except StoreUnavailableError as error:
                log.warning("housekeeping_failed", error=type(error).__name__)
            await self._clock.sleep(RENEW_EVERY)

    def _held(self) -> frozenset[tuple[str, int]]:
        works = (work for lane in self.lanes.values() for work in lane.held.values())
        return frozenset((work.delivery.request_id, work.delivery.n) for work in works)

    async def _renew(self) -> None:
        held = tuple(work.delivery for lane in self.lanes.values() for work in lane.held.values())
        if held:
            kept = await self._store.renew(Renewal(held, self.lease(), self._clock.now()))
            if kept < len(held):
                self._metrics.leases_lost(len(held) - kept)
                log.warning("leases_lost", lost=len(held) - kept)

    async def _sweep(self) -> None:
        """Park what has become due on parked and on unknown channels; free what is parked on channels in order."""
        now = self._clock.now()
        for channel in await self._store.waiting_channels():
            lane = self.lanes.get(channel)
            reason = Reason.UNKNOWN_CHANNEL if lane is None else lane.parked
            if reason is not None and await self._store.park(Park(channel, reason, now, now + PROBE_EVERY)):
                log.error("deliveries_parked", channel=channel, reason=reason)
                self.wake()
        for channel in await self._store.parked_channels():
            lane = self.lanes.get(channel)
            if lane is not None and lane.parked is None:
                await self._deliverer.unpark(lane)
