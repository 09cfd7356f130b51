"""The store as the other rooms see it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import Tracer

from assistance.model import Attempt, Delivery, Event, Snapshot, State
from assistance.store.engine.database import Database, Reader
from assistance.store.engine.writer import Item, Operation, Writer
from assistance.store.queue import auditing, clocks, dequeue, lanes, leases, outcomes
from assistance.store.queue.auditing import Backlog, Evidence
from assistance.store.queue.clocks import Clocks
from assistance.store.queue.dequeue import Dequeue, Dequeued
from assistance.store.queue.lanes import Failing, Freeze, LaneState, Park, Unpark
from assistance.store.queue.leases import Recovery, Renewal
from assistance.store.queue.outcomes import DeliveryOutcome, Recorded
from assistance.store.requests import accepting, moves, reading, retention
from assistance.store.requests.accepting import Accepted, NewRequest
from assistance.store.requests.moves import FollowUp, Move, Reply, Reroute, Retry
from assistance.store.requests.reading import DeliveryFilter, Owed, RequestFilter
from assistance.store.requests.retention import Erasure, Retained
from assistance.store.tables.schema import WAITING

Change = Move | FollowUp | Reply | Reroute | Retry | Erasure
_CHANGES: dict[type[Change], Operation[Any, Snapshot]] = {
    Move: moves.move,
    FollowUp: moves.follow_up,
    Reply: moves.reply,
    Reroute: moves.reroute,
    Retry: moves.retry,
    Erasure: retention.erase,
}
"""What each command does; all of them are refused as `lock_request` says, a follow-up by TooManyFollowUpsError too."""


class Changes:
    """Who waits for a request to change, within this process."""

    def __init__(self) -> None:
        self._watched: dict[str, set[asyncio.Event]] = {}

    def publish(self, request_ids: Iterable[str]) -> None:
        """These have changed."""
        for request_id in request_ids:
            for event in self._watched.get(request_id, ()):
                event.set()

    @contextmanager
    def subscribe(self, request_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the request changes; clear it before reading."""
        event = asyncio.Event()
        self._watched.setdefault(request_id, set()).add(event)
        try:
            yield event
        finally:
            watching = self._watched[request_id]
            watching.discard(event)
            if not watching:
                del self._watched[request_id]


class Store:
    """Requests, deliveries and what happened, on stable storage.

    Every writing call returns after the commit and raises StoreUnavailableError when there was none. What takes a
    command raises NotFoundError, ConflictError and ChangedError too.
    """

    def __init__(self, database: Database, on_commit: Callable[[int], None], tracer: Tracer) -> None:
        """Use `open_store` instead."""
        self.database = database
        self.accepting = Writer(database, "accepts", on_commit, tracer)
        # Latency: accepts must not wait for the dispatcher's commits. A SQLite file has one writer in any case.
        self.dispatching = self.accepting if self.exclusive else Writer(database, "dispatch", on_commit, tracer)
        self._reader = Reader(database.reading, tracer)
        self.read = self._reader.read
        self.changes = Changes()
        self._wake: Callable[[], None] | None = None

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have it open."""
        return self.database.file_lock is not None

    @property
    def broken(self) -> str | None:
        """Why this process must end and open the store again, or None."""
        return self.accepting.broken or self.dispatching.broken

    def close(self) -> None:
        """Write what is waiting and close the database."""
        for writer in {self.accepting, self.dispatching}:
            writer.stop()
        self._reader.close()
        self.database.close()

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever another process has stored what is due; until cancelled, or at once where none can."""
        if self.database.wakes:
            await self.database.wakes.listen(wake)

    def on_due(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit of this process that made something due; see `listen` for those of others."""
        self._wake = wake

    def _wake_dispatchers(self, *, due: bool) -> None:
        if due and self._wake:
            self._wake()
        if due and self.database.wakes:
            self.database.wakes.notify()

    async def accept(self, new: NewRequest) -> Accepted:
        """Store a request; raises KeyReusedError for a used key with another body, or TooManyFollowUpsError."""
        accepted = await self.accepting.write(accepting.accept, new)
        self._wake_dispatchers(due=_any_due(accepted.deliveries, new.request.created_at))
        self.changes.publish([accepted.request.id])
        return accepted

    async def change(self, change: Change) -> Snapshot:
        """Change one request as the command says; a retry raises NoSuchDeliveryError too."""
        snapshot = await self.accepting.write(_CHANGES[type(change)], change)
        self._wake_dispatchers(due=_any_due(snapshot.deliveries, change.command.now))
        self.changes.publish([snapshot.request.id])
        return snapshot

    async def expire(self, now: float) -> list[str]:
        """Expire what nobody has claimed in its time; the ids."""
        expired = await self.accepting.write(moves.expire, now)
        self.changes.publish(expired)
        return expired

    async def dequeue(self, command: Dequeue) -> Dequeued:
        """Lease what is due."""
        return await self.dispatching.write(dequeue.dequeue, command)

    async def record_outcome(self, outcome: DeliveryOutcome) -> Recorded:
        """Write down what became of a try."""
        recorded = await self.dispatching.write(outcomes.record_outcome, outcome)
        self._wake_dispatchers(due=outcome.state in {State.FAILED, State.PARKED})
        self.changes.publish([outcome.delivery.request_id])
        return recorded

    async def release(self, delivery: Delivery) -> None:
        """End a lease without counting a try."""
        await self.dispatching.write(leases.release, delivery)
        self._wake_dispatchers(due=True)

    async def renew(self, renewal: Renewal) -> frozenset[leases.Key]:
        """Renew leases; the keys of those that still existed."""
        return await self.dispatching.write(leases.renew, renewal)

    async def recover(self, recovery: Recovery) -> int:
        """End the leases of processes that have died; how many."""
        return await self._make_due(leases.recover, recovery)

    async def park(self, park: Park) -> int:
        """Park a channel and what is due on it; how many deliveries."""
        return await self._make_due(lanes.park, park)

    async def unpark(self, unpark: Unpark) -> int:
        """Let a channel go on; how many deliveries are due again."""
        return await self._make_due(lanes.unpark, unpark)

    async def _make_due(self, operation: Operation[Item, int], item: Item) -> int:
        count = await self._in_steps(operation, item, leases.AT_ONCE)
        self._wake_dispatchers(due=count > 0)
        return count

    async def try_parked(self, channel: str | None = None) -> None:
        """Let one message try each parked channel now, or that one, in whatever process."""
        self._wake_dispatchers(due=await self.dispatching.write(lanes.try_parked, channel))

    async def _in_steps(self, operation: Operation[Item, int], item: Item, at_once: int) -> int:
        """Repeat it until it has handled less than `at_once` rows. Each step commits: other writes go in between."""
        total = count = await self.dispatching.write(operation, item)
        while count >= at_once:
            total += (count := await self.dispatching.write(operation, item))
        return total

    async def freeze(self, freeze: Freeze) -> None:
        """Remember `Retry-After`."""
        await self.dispatching.write(lanes.freeze, freeze)

    async def note_failing(self, failing: Failing) -> None:
        """Remember whether a channel answers."""
        await self.dispatching.write(lanes.note_failing, failing)

    async def retain(self, now: float) -> Retained:
        """Erase and delete what need not be kept any more; see `retention` for how long that is."""
        return Retained(
            keys=await self._in_steps(retention.forget_keys, now, retention.AT_ONCE),
            erased=await self._in_steps(retention.erase_old, now, retention.AT_ONCE),
            deleted=await self._in_steps(retention.delete_old, now, retention.AT_ONCE),
        )

    async def lane_states(self) -> list[LaneState]:
        """What is remembered of every channel."""
        return await self.read(lanes.lane_states)

    async def waiting_channels(self) -> list[str]:
        """The channels on which something waits."""
        return await self.read(lanes.waiting_channels)

    async def parked_channels(self) -> list[str]:
        """The channels on which something is parked."""
        return await self.read(lanes.parked_channels)

    async def get(self, request_id: str) -> Snapshot | None:
        """One request with its deliveries."""
        return await self.read(reading.get, request_id)

    async def page(self, query: RequestFilter) -> list[Snapshot]:
        """The newest requests first."""
        return await self.read(reading.page, query)

    async def time_line(self, request_id: str, after: int = 0) -> list[Event]:
        """What happened to a request since event number `after`."""
        return await self.read(reading.time_line, request_id, after)

    async def deliveries(self, selection: DeliveryFilter) -> list[Owed]:
        """Deliveries of all requests."""
        return await self.read(reading.select_deliveries, selection)

    async def tries(self, request_id: str) -> list[tuple[Delivery, list[Attempt]]]:
        """Every delivery of a request with its tries."""
        return await self.read(reading.tries, request_id)

    async def backlog(self, now: float) -> Backlog:
        """What is owed at `now`, by channel and topic."""
        return await self.read(auditing.backlog, now)

    async def evidence(self, clock: Callable[[], float], grace: float) -> Evidence:
        """What an audit judges by; see `auditing.evidence`."""
        return await self.read(auditing.evidence, clock, grace)

    async def check_writable(self, now: float) -> None:
        """Raise StoreUnavailableError unless something can be written and committed now."""
        await self.accepting.write(clocks.beat, ("writable", now))

    async def resume(self, machine: float) -> float:
        """Go on by the machine's clock; see `clocks.resume`."""
        return await self.dispatching.write(clocks.resume, machine)

    async def note_clocks(self, now: Clocks) -> None:
        """Remember them for the next process."""
        await self.dispatching.write(clocks.note, now)

    async def clock_offset(self, machine: Callable[[], float]) -> float:
        """The seconds by which the clock that all processes share is ahead of `machine`, which a thread calls."""
        return await self.read(clocks.offset, machine)


def _any_due(owed: Sequence[Delivery], now: float) -> bool:
    return any(delivery.state in WAITING and delivery.due_at <= now for delivery in owed)
