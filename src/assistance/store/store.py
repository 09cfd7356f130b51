"""The store as the rest of the house sees it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from assistance.model import Attempt, Delivery, Event
from assistance.store import accepting, auditing, leasing, lifecycle, parking, reading, settling
from assistance.store.accepting import Accepted, NewRequest
from assistance.store.auditing import Backlog, Evidence
from assistance.store.changes import Changes
from assistance.store.engines import lock, open_sqlite, sqlite_path
from assistance.store.errors import StoreUnavailableError
from assistance.store.leasing import Recovery, Renewal, Take, Taken
from assistance.store.lifecycle import Move, Moved
from assistance.store.migrations import migrate
from assistance.store.parking import Freeze, LaneState, Park, Unpark
from assistance.store.reading import Query, Seen
from assistance.store.schema import beats
from assistance.store.settling import Settlement
from assistance.store.writer import Operation, Writer

T = TypeVar("T")


def _ignore(_size: int) -> None:
    """Nobody measures."""


class Store:
    """Requests, deliveries and what happened, on stable storage.

    Every writing call returns after the commit and raises StoreUnavailableError when there was none.
    """

    def __init__(
        self,
        writing: Engine,
        reading_: Engine,
        *,
        held: IO[str] | None = None,
        on_commit: Callable[[int], None] = _ignore,
    ) -> None:
        """Use `open_store` instead. `held` is the lock of the file, given back at `close`."""
        self._writing = writing
        self._reading = reading_
        self._held = held
        self._writer = Writer(writing, on_commit)
        self._writer.start()
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="store-reader")
        self.changes = Changes()

    @property
    def exclusive(self) -> bool:
        """Whether no other process can have it open."""
        return self._held is not None

    @property
    def broken(self) -> str | None:
        """Why this process must end and open the store anew, or None."""
        return self._writer.broken

    def close(self) -> None:
        """Write what is waiting and let go of the database."""
        self._writer.stop()
        self._readers.shutdown()
        self._reading.dispose()
        if self._held:
            self._held.close()

    async def _write(self, operation: Operation, item: Any) -> Any:
        return await self._writer.write(operation, item)

    async def _read(self, question: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._ask, question, args)

    def _ask(self, question: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            with self._reading.begin() as connection:
                return question(connection, *args)
        except DBAPIError as error:
            raise StoreUnavailableError(type(error.orig).__name__) from error

    async def accept(self, new: NewRequest) -> Accepted:
        """Store an ask; raises KeyReusedError for a used key with another body."""
        accepted: Accepted = await self._write(accepting.accept, new)
        self.changes.tell([accepted.request.id])
        return accepted

    async def move(self, move: Move) -> Moved:
        """Take a request to another status; raises NotFoundError, ConflictError."""
        moved: Moved = await self._write(lifecycle.move, move)
        self.changes.tell([move.request_id])
        return moved

    async def expire(self, now: float) -> list[str]:
        """Expire what nobody took in its time; says which."""
        expired: list[str] = await self._write(lifecycle.expire, now)
        self.changes.tell(expired)
        return expired

    async def take(self, take: Take) -> Taken:
        """Lease what is due."""
        taken: Taken = await self._write(leasing.take, take)
        return taken

    async def settle(self, settlement: Settlement) -> bool:
        """Write down what became of a try; False when the lease was lost."""
        settled: bool = await self._write(settling.settle, settlement)
        self.changes.tell([settlement.delivery.request_id])
        return settled

    async def release(self, delivery: Delivery) -> None:
        """Give a lease back without counting a try."""
        await self._write(leasing.release, delivery)

    async def renew(self, renewal: Renewal) -> int:
        """Hold on to leases; says how many were still held."""
        held: int = await self._write(leasing.renew, renewal)
        return held

    async def recover(self, recovery: Recovery) -> int:
        """Take back what processes held that are gone; says how many deliveries."""
        taken: int = await self._write(leasing.recover, recovery)
        return taken

    async def park(self, park: Park) -> int:
        """Park a channel and what is due on it; says how many deliveries."""
        parked: int = await self._write(parking.park, park)
        return parked

    async def unpark(self, unpark: Unpark) -> int:
        """Let a channel go on; says how many deliveries are due again."""
        resumed: int = await self._write(parking.unpark, unpark)
        return resumed

    async def freeze(self, freeze: Freeze) -> None:
        """Remember `Retry-After`."""
        await self._write(parking.freeze, freeze)

    async def lane_states(self) -> list[LaneState]:
        """What is remembered of every channel."""
        return await self._read(parking.lane_states)

    async def waiting_channels(self) -> list[str]:
        """The channels on which something waits."""
        return await self._read(parking.waiting_channels)

    async def parked_channels(self) -> list[str]:
        """The channels on which something is parked."""
        return await self._read(parking.parked_channels)

    async def get(self, request_id: str) -> Seen | None:
        """One request with its deliveries."""
        return await self._read(reading.get, request_id)

    async def page(self, query: Query) -> list[Seen]:
        """The newest requests first."""
        return await self._read(reading.page, query)

    async def time_line(self, request_id: str, after: int = 0) -> list[Event]:
        """What happened to a request since event number `after`."""
        return await self._read(reading.time_line, request_id, after)

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
        await self._write(_beat, ("writable", now))


def _beat(connection: Connection, items: Sequence[tuple[str, float]]) -> list[None]:
    for name, at in items:
        statement = parking.insert_or_change(connection, beats).values(name=name, at=at)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": at}))
    return [None] * len(items)


def open_store(url: str, on_commit: Callable[[int], None] = _ignore) -> Store:
    """Open the database at `url` and bring a SQLite file to the current schema.

    Raises:
        StoreRefusedError: it cannot be used as it is; the text says what to do.
    """
    path = sqlite_path(url)
    held = lock(path)
    try:
        writing, reading_ = open_sqlite(path)
        migrate(writing)
    except BaseException:
        held.close()
        raise
    return Store(writing, reading_, held=held, on_commit=on_commit)
