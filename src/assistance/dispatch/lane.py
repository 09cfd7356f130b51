"""One lane per channel, with a pace and a concurrency of its own: a slow channel never delays another."""

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable

from assistance.channels import Channel
from assistance.dispatch.breaker import Breaker
from assistance.dispatch.pace import Pace
from assistance.model import Clock, Priority
from assistance.store import Work

Handle = Callable[["Lane", Work], Awaitable[None]]


class Lane:
    """What is leased for one channel, and whether more may be.

    `parked` says why nothing is sent (None: it is not parked), `probe_at` when one message tries again, `frozen_until`
    before which instant the destination wants nothing. `backlog` is true while more may wait in the store than was
    leased, so that what is accepted now does not overtake it. `reserved` counts room promised to requests that are
    being accepted.
    """

    def __init__(
        self, name: str, channel: Channel, clock: Clock, *, send: Handle, release: Handle, wake: Callable[[], None]
    ) -> None:
        """`send` delivers a work to its end, `release` gives it back to the store; `wake` hears of room for more."""
        self.name = name
        self.channel = channel
        self.pace = Pace(channel.messages_per_second, clock.monotonic())
        self.breaker = Breaker()
        self.frozen_until = 0.0
        self.parked: str | None = None
        self.probe_at = 0.0
        self.backlog = True
        self.reserved = 0
        self.held: dict[str, Work] = {}
        self._clock = clock
        self._send = send
        self._release = release
        self._wake = wake
        self._queue: list[tuple[bool, float, str, Work]] = []
        self._arrived = asyncio.Event()
        self._slots = asyncio.Semaphore(channel.concurrency)
        self._active: set[asyncio.Task[None]] = set()

    @property
    def capacity(self) -> int:
        """How much is leased at most: about a second's worth, so that an urgent message soon has its turn."""
        most = 2 * self.channel.concurrency
        rate = self.channel.messages_per_second
        return most if rate is None else min(most, max(1, math.ceil(rate)))

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent now."""
        return (
            self.parked is not None
            or self._clock.now() < self.frozen_until
            or not self.breaker.may_try(self._clock.monotonic())
        )

    def room(self) -> int:
        """How many more deliveries may be leased."""
        if self.closed:
            return 0
        most = self.capacity if self.breaker.closed else 1
        return max(0, most - len(self.held) - self.reserved)

    @property
    def wants_probe(self) -> bool:
        """Whether it is time to try one message although the lane is parked."""
        return self.parked is not None and not self.held and self._clock.now() >= self.probe_at

    def change(self, channel: Channel) -> None:
        """Take over reloaded settings."""
        self.channel = channel
        self.pace.change(channel.messages_per_second)

    def put(self, work: Work) -> None:
        """Send this when its turn comes: urgent ones first, then by due time. A parked lane sends it as its probe."""
        self.held[work.delivery.key] = work
        if self.parked is not None:
            self._start(work)
            return
        normal = work.request.priority is not Priority.URGENT
        heapq.heappush(self._queue, (normal, work.delivery.due_at, work.delivery.key, work))
        self._arrived.set()

    def freeze(self, until: float) -> None:
        """Send nothing before the instant `until`."""
        self.frozen_until = max(self.frozen_until, until)

    async def run(self) -> None:
        """Send what arrives, for ever."""
        while True:
            while not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            await self._slots.acquire()
            while not self.closed and (wait := self.pace.wait(self._clock.monotonic())):
                await self._clock.sleep(wait)
            if self.closed or not self._queue:
                self._slots.release()
                await self.give_everything_back()
            else:
                self.pace.spend()
                self._start(heapq.heappop(self._queue)[-1]).add_done_callback(lambda _: self._slots.release())

    async def give_everything_back(self) -> None:
        """Release what has not been begun."""
        while self._queue:
            await self._give_back(heapq.heappop(self._queue)[-1])

    async def finish(self, seconds: float) -> None:
        """Let what has been begun come to its end; what takes longer than `seconds` is cut short and released."""
        if self._active:
            _, late = await asyncio.wait(self._active, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Work) -> asyncio.Task[None]:
        task = asyncio.create_task(self._deliver(work), name=f"deliver {work.delivery.key}")
        self._active.add(task)
        task.add_done_callback(self._active.discard)
        return task

    async def _deliver(self, work: Work) -> None:
        try:
            await self._send(self, work)
        finally:
            self.held.pop(work.delivery.key, None)
            if self.backlog and 2 * self.room() >= self.capacity:
                self._wake()

    async def _give_back(self, work: Work) -> None:
        self.held.pop(work.delivery.key, None)
        self.backlog = True
        await self._release(self, work)
