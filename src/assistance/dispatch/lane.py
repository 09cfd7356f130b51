"""One lane per channel, with a pace and a concurrency of its own: a slow channel never delays another."""

import asyncio
import math
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextvars import Context
from typing import Any, Protocol

import structlog

from assistance.channels import Channel
from assistance.dispatch.breaker import Breaker
from assistance.dispatch.outcome import Try
from assistance.dispatch.pace import Pace
from assistance.dispatch.report import Report
from assistance.dispatch.retry import RetryBudget
from assistance.dispatch.waiting import Waiting
from assistance.model import Clock, Misconfigured, Reason
from assistance.store import Job

log = structlog.get_logger(__name__)

_LAST_WORDS = 2.0
"""Seconds for giving back, when stopping, what was cut short."""


class Carrier(Protocol):
    """What a lane does with its works."""

    async def send(self, lane: "Lane", job: Job) -> Try:
        """Try once; raises nothing but CancelledError."""
        ...

    async def record(self, lane: "Lane", job: Job, made: Try, *, probing: bool) -> None:
        """Learn from the try and write down what became of it."""
        ...

    async def release(self, lane: "Lane", jobs: Sequence[Job]) -> None:
        """Give works back to the store as if they had never been leased."""
        ...


class Lane:
    """What is leased for one channel, and whether more may be.

    `parked` says why nothing is sent (None: it is not parked), `frozen_until` before which instant the destination
    wants nothing, `removed` that the routing file does not have it any more, `report` whether the store knows all that,
    `more` whether the store may have something due for it that no look has brought.
    """

    def __init__(
        self, name: str, channel: Channel, clock: Clock, *, carrier: Carrier, wake: Callable[[], None]
    ) -> None:
        """`wake` hears of room for more."""
        self.name = name
        self.channel = channel
        self.pace = Pace(channel.messages_per_second, clock.monotonic())
        self.breaker = Breaker()
        self.budget = RetryBudget()
        self.frozen_until = 0.0
        self.parked: str | None = None
        self.removed = False
        self.report = Report()
        self.more = True
        self.held: dict[str, Job] = {}
        self._good_until: dict[str, float] = {}
        self._clock = clock
        self._carrier = carrier
        self._wake = wake
        self._ending = False
        self._queue = Waiting()
        self._sending: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pacing: asyncio.Task[Any] | None = None

    # Whether it may be sent to.

    @property
    def out_of_order(self) -> str | None:
        """Why nobody but an operator can make it go on, or None."""
        return Reason.UNKNOWN_CHANNEL if self.removed else self.parked

    @property
    def opens_in(self) -> float:
        """Seconds until it may be sent to as far as time alone decides, 0 when it may."""
        # Asked several times a message, and mostly none of it holds: then no clock is looked at.
        wait = self.frozen_until - self._clock.now() if self.frozen_until else 0.0
        if not self.breaker.closed:
            wait = max(wait, self.breaker.wait(self._clock.monotonic()))
        return max(0.0, wait)

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent now."""
        return self._ending or self.out_of_order is not None or self.opens_in > 0

    @property
    def may_be_probed(self) -> bool:
        """Whether one message may try although the lane is parked: the store says when it is time."""
        idle = not self.held and not self._ending and not self.removed
        return self.parked is not None and idle and self.opens_in == 0

    def change(self, channel: Channel) -> None:
        """Take over reloaded settings."""
        self.channel, self.removed = channel, False
        self.pace.change(channel.messages_per_second, self._clock.monotonic())
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None
        self.pump()

    def remove(self) -> None:
        """Begin nothing more: the routing file has the channel no more."""
        self.removed = True
        self.pump()

    def park(self, reason: str) -> None:
        """Begin nothing more but a probe."""
        self.parked = reason
        self.pump()

    def unpark(self) -> None:
        """Go on."""
        self.parked = None
        self.more = True

    def freeze(self, until: float) -> None:
        """Begin nothing before the instant `until`."""
        self.frozen_until = max(self.frozen_until, until)
        self.pump()

    # What it holds.

    @property
    def _most_waiting(self) -> int:
        """Two rounds, but no more than about a second's worth, so that an urgent message soon has its turn."""
        rate, most = self.channel.messages_per_second, 2 * self.channel.concurrency
        return most if rate is None else min(most, max(1, math.ceil(rate)))

    def room(self) -> int:
        """How many more deliveries may be leased.

        None while much is due and less than half of the room is free, so that one look into the store brings many.
        """
        if self.closed:
            return 0
        if not self.breaker.closed:
            return 0 if self.held else 1
        free = self._most_waiting - len(self._queue)
        return 0 if self.more and 2 * free < self._most_waiting else free

    def ask(self) -> int:
        """The room for a look that begins now; what becomes due from here on is for the next one."""
        room = self.room()
        self.more = not room
        return room

    def put(self, job: Job, good_until: float) -> None:
        """Send this when its turn comes: urgent ones first, then by due time.

        After the monotonic instant `good_until`, unless `keep` says a later one, its lease may end before it is sent:
        then it goes back.
        """
        self._hold(job, good_until)
        self._queue.put(job)
        self.pump()

    def probe(self, job: Job, good_until: float) -> None:
        """Send this although the lane is parked, to see whether it is mended; see `put`."""
        self._hold(job, good_until)
        self._begin(job, probing=True)

    def keep(self, keys: Collection[str], good_until: float) -> None:
        """The leases of those of these that are held were renewed."""
        self._good_until |= dict.fromkeys(self._good_until.keys() & keys, good_until)

    def lose(self, keys: Collection[str]) -> None:
        """Others have these by now: what is not begun of them is not sent."""
        self._queue.drop(keys)
        self._let_go([self.held[key] for key in self.held.keys() & keys])

    def _hold(self, job: Job, good_until: float) -> None:
        key = job.delivery.key
        if key in self.held:
            # Leased anew, so the lease before is over: what waits under it must not go as well.
            self._queue.drop({key})
        self.held[key], self._good_until[key] = job, good_until

    def pump(self) -> None:
        """Begin what may go now; while nothing may, give back what waits."""
        if self.closed:
            self._give_back()
            return
        while self._queue and self._may_begin:
            if wait := self.pace.wait(self._clock.monotonic()):
                self._pump_in(wait)
                return
            self._begin(self._queue.pop(), probing=False)

    @property
    def _may_begin(self) -> bool:
        """Whether one more fits beside what is being sent, and beside what is sent and not recorded yet."""
        most = self.channel.concurrency
        return len(self._sending) < most and len(self.held) - len(self._queue) < 2 * most

    def took(self) -> None:
        """The far side has answered: the next one goes at once, while this outcome is being recorded."""
        self.breaker.succeeded()
        self.pump()

    def end(self) -> None:
        """Begin nothing more, for ever."""
        self._ending = True
        self.pump()

    async def finish(self, seconds: float) -> None:
        """Let what has been begun come to its end; what takes longer than `seconds` is cut short and given back."""
        self.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._sending:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS)

    def _pump_in(self, seconds: float) -> None:
        async def pump_later() -> None:
            await self._clock.sleep(seconds)
            self._pacing = None
            self.pump()

        if self._pacing is None:
            self._pacing = self._spawn(pump_later(), "pace")

    def _begin(self, job: Job, *, probing: bool) -> None:
        if self._clock.monotonic() > self._good_until[job.delivery.key]:
            # This process stood still, or the store's answer did: another one may be sending it by now.
            log.warning("lease_too_short", channel=self.name, delivery=job.delivery.key)
            self._spawn(self._give_back_these([job]), "give back")
            return
        if not probing:
            self.pace.spend()
        task = self._spawn(self._deliver(job, probing=probing), job.delivery.key)
        self._sending.add(task)

    async def _deliver(self, job: Job, *, probing: bool) -> None:
        try:
            channel = self.channel
            made = await self._send(job)
            if isinstance(made.verdict, Misconfigured) and channel is not self.channel:
                # Said of settings that are not in force any more: it does not count, least of all against the new ones.
                await self._release([job])
            else:
                await self._carrier.record(self, job, made, probing=probing)
        finally:
            self._let_go([job])

    async def _send(self, job: Job) -> Try:
        try:
            return await self._carrier.send(self, job)
        except asyncio.CancelledError:
            # Shutting down is not a failed try.
            await self._release([job])
            raise
        finally:
            # What was sent is recorded, however late: from here on nobody cuts it short.
            if (task := asyncio.current_task()) is not None:
                self._sending.discard(task)

    def _give_back(self) -> None:
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None
        if self._queue:
            self._spawn(self._give_back_these(self._queue.clear()), "give back")

    async def _give_back_these(self, jobs: Sequence[Job]) -> None:
        try:
            await self._release(jobs)
        finally:
            self._let_go(jobs)

    async def _release(self, jobs: Sequence[Job]) -> None:
        await self._carrier.release(self, jobs)
        self.more = True

    def _let_go(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            key = job.delivery.key
            # What was given back may have been leased again before this task heard that it was written.
            if self.held.get(key) is job:
                del self.held[key], self._good_until[key]
        self.pump()
        if self.more and self.room():
            self._wake()

    def _spawn(self, job: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        # In a context of its own: it is no part of the call that handed its work over.
        task = asyncio.create_task(job, name=f"lane {self.name}: {what}", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("lane_failed", channel=self.name, task=task.get_name(), exc_info=error)
