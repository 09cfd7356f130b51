"""The store as the rest of the house sees it."""

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.trace import Tracer

from assistance.model import Attempt, Delivery, Event, Snapshot, State
from assistance.store.engine.changes import Changes
from assistance.store.engine.database import Database
from assistance.store.engine.reader import Reader
from assistance.store.engine.writer import Operation, Writer
from assistance.store.queue import auditing, clocks, dequeue, lanes, leases, outcomes, parking
from assistance.store.queue.auditing import Backlog, Evidence
from assistance.store.queue.clocks import Clocks
from assistance.store.queue.dequeue import Dequeue, Dequeued
from assistance.store.queue.lanes import Failing, Freeze, LaneState
from assistance.store.queue.leases import Recovery, Renewal
from assistance.store.queue.outcomes import DeliveryOutcome, Recorded
from assistance.store.queue.parking import Park, Unpark
from assistance.store.requests import accepting, erasing, following, lifecycle, reading, replaying, rerouting, retention
from assistance.store.requests.accepting import Accepted, NewRequest
from assistance.store.requests.erasing import Erasure
from assistance.store.requests.following import FollowUp, Reply
from assistance.store.requests.lifecycle import Move
from assistance.store.requests.locking import Commanded
from assistance.store.requests.reading import RequestFilter
from assistance.store.requests.replaying import DeliveryFilter, Owed, Retry
from assistance.store.requests.rerouting import Reroute
from assistance.store.requests.retention import Retained
from assistance.store.tables.schema import WAITING


class Store:
    """Requests, deliveries and what happened, on stable storage.

    Every writing call returns after the commit and raises StoreUnavailableError when there was none.
    """

    def __init__(self, database: Database, on_commit: Callable[[int], None], tracer: Tracer) -> None:
        """Use `open_store` instead."""
        self._database = database
        self._accepting = Writer(database, "accepts", on_commit, tracer)
        # Where one process has the file, one thread writes it; else accepts do not wait for the dispatcher's commits.
        self._dispatching = self._accepting if self.exclusive else Writer(database, "dispatch", on_commit, tracer)
        self._writers = {self._accepting, self._dispatching}
        for writer in self._writers:
            writer.start()
        self._reader = Reader(database.reading, tracer)
        self._read = self._reader.read
        self.changes = Changes()
        self._wake: Callable[[], None] | None = None

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have it open."""
        return self._database.file_lock is not None

    @property
    def broken(self) -> str | None:
        """Why this process must end and open the store anew, or None."""
        return next((writer.broken for writer in self._writers if writer.broken), None)

    def close(self) -> None:
        """Write what is waiting and let go of the database."""
        for writer in self._writers:
            writer.stop()
        self._reader.close()
        self._database.close()

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever another process has stored what is due; until cancelled, or at once where none can."""
        if self._database.wakes:
            await self._database.wakes.listen(heard)

    def on_due(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit of this process that made something due; see `listen` for those of others."""
        self._wake = wake

    def _wake_others(self, *, due: bool) -> None:
        if due and self._wake:
            self._wake()
        if due and self._database.wakes:
            self._database.wakes.notify()

    async def accept(self, new: NewRequest) -> Accepted:
        """Store an ask; raises KeyReusedError for a used key with another body, or TooManyFollowUpsError."""
        accepted: Accepted = await self._accepting.write(accepting.accept, new)
        self._wake_others(due=_any_due(accepted.deliveries, new.request.created_at))
        self.changes.publish([accepted.request.id])
        return accepted

    async def move(self, move: Move) -> Snapshot:
        """Take a request to another status; raises NotFoundError, ConflictError, ChangedError."""
        return await self._change(lifecycle.move, move)

    async def follow_up(self, follow_up: FollowUp) -> Snapshot:
        """Add what the customer says now; raises as `move` does."""
        return await self._change(following.follow_up, follow_up)

    async def reply(self, reply: Reply) -> Snapshot:
        """Write down what a person says to the customer; raises as `move` does."""
        return await self._change(following.reply, reply)

    async def reroute(self, reroute: Reroute) -> Snapshot:
        """Take a request to the people of another topic; raises as `move` does."""
        return await self._change(rerouting.reroute, reroute)

    async def retry(self, retry: Retry) -> Snapshot:
        """Make a delivery due once more; raises as `move` does."""
        return await self._change(replaying.retry, retry)

    async def erase(self, erasure: Erasure) -> Snapshot:
        """Erase what the customer wrote; raises as `move` does."""
        return await self._change(erasing.erase, erasure)

    async def _change(self, operation: Operation, item: Commanded) -> Snapshot:
        snapshot: Snapshot = await self._accepting.write(operation, item)
        self._wake_others(due=_any_due(snapshot.deliveries, item.command.now))
        self.changes.publish([snapshot.request.id])
        return snapshot

    async def expire(self, now: float) -> list[str]:
        """Expire what nobody took in its time; says which."""
        expired: list[str] = await self._accepting.write(lifecycle.expire, now)
        self.changes.publish(expired)
        return expired

    async def dequeue(self, command: Dequeue) -> Dequeued:
        """Lease what is due."""
        dequeued: Dequeued = await self._dispatching.write(dequeue.dequeue, command)
        return dequeued

    async def record_outcome(self, outcome: DeliveryOutcome) -> Recorded:
        """Write down what became of a try; says what it came to."""
        recorded: Recorded = await self._dispatching.write(outcomes.record_outcome, outcome)
        self._wake_others(due=outcome.state in {State.FAILED, State.PARKED})
        self.changes.publish([outcome.delivery.request_id])
        return recorded

    async def release(self, delivery: Delivery) -> None:
        """Give a lease back without counting a try."""
        await self._dispatching.write(leases.release, delivery)
        self._wake_others(due=True)

    async def renew(self, renewal: Renewal) -> frozenset[leases.Key]:
        """Hold on to leases; says which were still held."""
        held: frozenset[leases.Key] = await self._dispatching.write(leases.renew, renewal)
        return held

    async def recover(self, recovery: Recovery) -> int:
        """Take back what processes held that are gone; says how many deliveries."""
        recovered = await self._in_steps(leases.recover, recovery, leases.AT_ONCE)
        self._wake_others(due=recovered > 0)
        return recovered

    async def park(self, park: Park) -> int:
        """Park a channel and what is due on it; says how many deliveries."""
        parked = await self._in_steps(parking.park, park, parking.AT_ONCE)
        self._wake_others(due=parked > 0)
        return parked

    async def unpark(self, unpark: Unpark) -> int:
        """Let a channel go on; says how many deliveries are due again."""
        resumed = await self._in_steps(parking.unpark, unpark, parking.AT_ONCE)
        self._wake_others(due=resumed > 0)
        return resumed

    async def try_parked(self, channel: str | None = None) -> None:
        """Let one message try each parked channel now, or that one, in whatever process."""
        self._wake_others(due=await self._dispatching.write(parking.try_parked, channel))

    async def _in_steps(self, operation: Operation, item: Any, at_once: int) -> int:
        """Do it again as long as there is more of it; each step commits, so that nobody waits for all of them."""
        total = count = await self._dispatching.write(operation, item)
        while count >= at_once:
            total += (count := await self._dispatching.write(operation, item))
        return int(total)

    async def freeze(self, freeze: Freeze) -> None:
        """Remember `Retry-After`."""
        await self._dispatching.write(lanes.freeze, freeze)

    async def note_failing(self, failing: Failing) -> None:
        """Remember whether a channel answers."""
        await self._dispatching.write(lanes.note_failing, failing)

    async def retain(self, now: float) -> Retained:
        """Forget what need not be kept any more; see `retention` for how long that is."""
        return Retained(
            keys=await self._in_steps(retention.forget_keys, now, retention.AT_ONCE),
            erased=await self._in_steps(retention.erase_old, now, retention.AT_ONCE),
            deleted=await self._in_steps(retention.delete_old, now, retention.AT_ONCE),
        )

    async def lane_states(self) -> list[LaneState]:
        """What is remembered of every channel."""
        return await self._read(lanes.lane_states)

    async def waiting_channels(self) -> list[str]:
        """The channels on which something waits."""
        return await self._read(lanes.waiting_channels)

    async def parked_channels(self) -> list[str]:
        """The channels on which something is parked."""
        return await self._read(lanes.parked_channels)

    async def get(self, request_id: str) -> Snapshot | None:
        """One request with its deliveries."""
        return await self._read(reading.get, request_id)

    async def page(self, query: RequestFilter) -> list[Snapshot]:
        """The newest requests first."""
        return await self._read(reading.page, query)

    async def time_line(self, request_id: str, after: int = 0) -> list[Event]:
        """What happened to a request since event number `after`."""
        return await self._read(reading.time_line, request_id, after)

    async def deliveries(self, selection: DeliveryFilter) -> list[Owed]:
        """Deliveries of whatever request."""
        return await self._read(replaying.select_deliveries, selection)

    async def tries(self, request_id: str) -> list[tuple[Delivery, list[Attempt]]]:
        """Every delivery of a request with its tries."""
        return await self._read(reading.tries, request_id)

    async def backlog(self, now: float) -> Backlog:
        """What is owed at `now`, by channel and topic."""
        return await self._read(auditing.backlog, now)

    async def evidence(self, clock: Callable[[], float], grace: float) -> Evidence:
        """What an audit goes by; see `auditing.evidence`."""
        return await self._read(auditing.evidence, clock, grace)

    async def check_writable(self, now: float) -> None:
        """Raise StoreUnavailableError unless something can be written and committed now."""
        await self._accepting.write(clocks.beat, ("writable", now))

    async def resume(self, machine: float) -> float:
        """Go on by the machine's clock; see `clocks.resume`."""
        snapshot: float = await self._dispatching.write(clocks.resume, machine)
        return snapshot

    async def note_clocks(self, now: Clocks) -> None:
        """Remember them for the next process."""
        await self._dispatching.write(clocks.note, now)

    async def clock_offset(self, machine: Callable[[], float]) -> float:
        """By how much the clock that all processes share is ahead of what `machine` tells, which a thread asks."""
        return await self._read(clocks.offset, machine)


def _any_due(owed: Sequence[Delivery], now: float) -> bool:
    return any(delivery.state in WAITING and delivery.due_at <= now for delivery in owed)
