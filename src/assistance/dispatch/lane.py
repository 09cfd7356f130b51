"""One lane per channel, with a pace and a concurrency of its own: a slow channel never delays another."""

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from contextvars import Context
from typing import Any

import structlog

from assistance.channels import Channel
from assistance.dispatch.health import LaneHealth
from assistance.dispatch.outcome import Jitter, Try, outcome_of
from assistance.dispatch.recording import Recorder
from assistance.model import Bucket, Clock, Misconfigured, Priority, TryLater
from assistance.store import Job

log = structlog.get_logger(__name__)

Send = Callable[[Channel, str, Job], Awaitable[Try]]
"""Send the job's message once through a channel of that name; raises nothing but CancelledError."""

_LAST_RELEASE = 2.0
"""Seconds for releasing, when the process stops, what was cut short."""

_RETRIES = Bucket(0.2)
"""A fifth of what a channel can take is for retries while first tries wait; its tokens are seconds of the channel."""


class Lane:
    """The messages that are leased for one channel: those that wait, and those being sent or recorded.

    `wake` is called when there is room for more. `more` is true while the store may have something due that no dequeue
    has returned.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        *,
        clock: Clock,
        send: Send,
        recorder: Recorder,
        jitter: Jitter,
        wake: Callable[[], None],
    ) -> None:
        self.name = name
        self.channel = channel
        self.health = LaneHealth(name, clock, self.pump)
        self.more = True
        self.leased: dict[str, Job] = {}
        self._good_until: dict[str, float] = {}
        self._waiting: list[tuple[bool, float, str, int, Job]] = []
        self._arrival = 0.0
        self._retry_arrival = 0.0
        self._clock = clock
        self._send = send
        self._recorder = recorder
        self._jitter = jitter
        self._wake = wake
        self._ending = False
        self._sending: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pacing: asyncio.Task[Any] | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent now."""
        return self._ending or self.health.closed

    @property
    def may_be_probed(self) -> bool:
        """Whether one message may try although the channel is parked: the store says when it is time."""
        idle = not self.leased and not self._ending and not self.health.removed
        return self.health.parked is not None and idle and self.health.opens_in == 0

    def change(self, channel: Channel) -> None:
        """Take over reloaded settings."""
        old, new, now = self.channel.messages_per_second, channel.messages_per_second, self._clock.monotonic()
        self._arrival = carried_over(old, new, self._arrival, now)
        self.channel = channel
        self._stop_pacing()
        self.health.remove(removed=False)

    # Room: what may be leased.

    @property
    def _most_waiting(self) -> int:
        """Two rounds, but no more than about a second's worth: what is urgent is sent soon after it was leased."""
        rate, most = self.channel.messages_per_second, 2 * self.channel.concurrency
        return most if rate is None else min(most, max(1, math.ceil(rate)))

    def room(self) -> int:
        """How many more deliveries may be leased.

        None while much is due and less than half of the room is free, so that one dequeue returns many.
        """
        if self.closed:
            return 0
        if not self.health.breaker.closed:
            return 0 if self.leased else 1
        free = self._most_waiting - len(self._waiting)
        return 0 if self.more and 2 * free < self._most_waiting else max(0, free)

    def begin_dequeue(self) -> int:
        """The room for a dequeue that begins now; what becomes due from here on is for the next one."""
        room = self.room()
        self.more = not room
        return room

    def enqueue(self, job: Job, good_until: float) -> None:
        """Send this when it is next: urgent ones first, then by due time.

        After the monotonic instant `good_until`, unless `renewed` says a later one, its lease may end before it is
        sent: then it is released.
        """
        self._add(job, good_until)
        normal, delivery = job.request.priority is not Priority.URGENT, job.delivery
        # With the fence no two are alike: jobs themselves have no order.
        heapq.heappush(self._waiting, (normal, delivery.due_at, delivery.key, delivery.fence, job))
        self.pump()

    def probe(self, job: Job, good_until: float) -> None:
        """Send this although the channel is parked, to see whether it is mended; see `enqueue`."""
        self._add(job, good_until)
        self._begin(job, probing=True)

    def renewed(self, keys: Collection[str], good_until: float) -> None:
        """The leases of those of these that are here were renewed."""
        self._good_until |= dict.fromkeys(self._good_until.keys() & keys, good_until)

    def lost(self, keys: Collection[str]) -> None:
        """Other processes have leased these by now: what is not begun of them is not sent."""
        self._drop(keys)
        self._forget([self.leased[key] for key in self.leased.keys() & keys])

    def _add(self, job: Job, good_until: float) -> None:
        key = job.delivery.key
        if key in self.leased:
            # Leased anew, so the lease before is over: what waits under it must not be sent as well.
            self._drop({key})
        self.leased[key], self._good_until[key] = job, good_until

    def _drop(self, keys: Collection[str]) -> None:
        self._waiting = [entry for entry in self._waiting if entry[-1].delivery.key not in keys]
        heapq.heapify(self._waiting)

    def _forget(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            key = job.delivery.key
            # Race: what was released may be leased again before this task has the answer of its commit.
            if self.leased.get(key) is job:
                del self.leased[key], self._good_until[key]
        self.pump()
        if self.more and self.room():
            self._wake()

    # Sending.

    def pump(self) -> None:
        """Begin what may be sent now; while nothing may, release what waits."""
        if self.closed:
            self._stop_pacing()
            if self._waiting:
                jobs, self._waiting = [entry[-1] for entry in self._waiting], []
                self._spawn(self._release_and_forget(jobs), "release")
            return
        while self._waiting and self._may_begin:
            if wait := self._wait_for_pace():
                self._pump_in(wait)
                return
            self._begin(heapq.heappop(self._waiting)[-1], probing=False)

    @property
    def _may_begin(self) -> bool:
        """Whether one more fits beside what is being sent, and beside what is sent and not recorded yet."""
        most = self.channel.concurrency
        return len(self._sending) < most and len(self.leased) - len(self._waiting) < 2 * most

    def _wait_for_pace(self) -> float:
        rate = self.channel.messages_per_second
        return 0.0 if rate is None else Bucket(rate).wait(self._arrival, self._clock.monotonic())

    def _pump_in(self, seconds: float) -> None:
        async def pump_later() -> None:
            await self._clock.sleep(seconds)
            self._pacing = None
            self.pump()

        if self._pacing is None:
            self._pacing = self._spawn(pump_later(), "pace")

    def _stop_pacing(self) -> None:
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None

    def _begin(self, job: Job, *, probing: bool) -> None:
        now, rate = self._clock.monotonic(), self.channel.messages_per_second
        if now > self._good_until[job.delivery.key]:
            # Race: this process, or the store's answer, came late, and another process may be sending it by now.
            log.warning("lease_too_short", channel=self.name, delivery=job.delivery.key)
            self._spawn(self._release_and_forget([job]), "release")
            return
        if rate is not None and not probing:
            self._arrival = Bucket(rate).spend(self._arrival, now)
        self._sending.add(self._spawn(self._deliver(job, probing=probing), job.delivery.key))

    async def _deliver(self, job: Job, *, probing: bool) -> None:
        channel = self.channel
        try:
            made = await self._try(job)
            if isinstance(made.verdict, Misconfigured) and channel is not self.channel:
                # Race: the settings were reloaded meanwhile, and the verdict says nothing of the new ones.
                await self._release([job])
                return
            outcome = outcome_of(
                job.delivery,
                made,
                retry_for=channel.retry_for,
                probing=probing,
                jitter=self._jitter,
                not_before=self._not_before(job, made),
            )
            # Crash: the channel first. With the outcome alone, the next process would send on while it is parked.
            await self._recorder.learn(self.health, made.verdict, probing=probing)
            await self._recorder.record(self.health, job, outcome)
        finally:
            self._forget([job])

    async def _try(self, job: Job) -> Try:
        try:
            return await self._send(self.channel, self.name, job)
        except asyncio.CancelledError:
            # The process stops: that is no failed try.
            await self._release([job])
            raise
        finally:
            # From here on nothing cuts it short: what was sent is recorded, however late.
            if (task := asyncio.current_task()) is not None:
                self._sending.discard(task)

    def _not_before(self, job: Job, made: Try) -> float:
        """The instant before which a retry would take too much from first tries that wait."""
        if not (self.more and isinstance(made.verdict, TryLater)) or job.request.priority is Priority.URGENT:
            return 0.0
        rate, before = self.channel.messages_per_second, self._retry_arrival
        cost = max(made.seconds / self.channel.concurrency, 1 / rate if rate else 0.0)
        self._retry_arrival = _RETRIES.spend(before, made.ended, cost)
        return made.ended + _RETRIES.wait(before, made.ended)

    async def _release(self, jobs: Sequence[Job]) -> None:
        await self._recorder.release(self.health, jobs)
        self.more = True

    async def _release_and_forget(self, jobs: Sequence[Job]) -> None:
        try:
            await self._release(jobs)
        finally:
            self._forget(jobs)

    # The end of the process.

    def end(self) -> None:
        """Begin nothing more, for ever."""
        self._ending = True
        self.pump()

    async def finish(self, seconds: float) -> None:
        """Wait for what was begun; what takes longer than `seconds` is cut short and released."""
        self.end()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._sending:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_RELEASE)

    def _spawn(self, job: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        # In a context of its own: it is no part of the call that made the job due.
        task = asyncio.create_task(job, name=f"lane {self.name}: {what}", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("lane_failed", channel=self.name, task=task.get_name(), exc_info=error)


def carried_over(old: float | None, new: float | None, arrival: float, now: float) -> float:
    """The arrival of a bucket whose rate changes from `old` to `new`: what it holds is kept, up to the new size."""
    if old is None or new is None:
        return 0.0
    bucket = Bucket(new)
    return bucket.spend(0.0, now, bucket.size - Bucket(old).tokens(arrival, now))
