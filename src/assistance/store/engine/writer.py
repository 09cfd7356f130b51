"""Group commit: everything that waits to be written goes into one transaction, made by one thread.

A caller's answer waits for its commit, so a disk that syncs in 2 ms does not limit the service to 500 answers a second.

Lost answer: when the connection breaks during a commit, nobody knows whether it took place. The callers get
StoreUnavailableError and may try again: an accept with an idempotency key then finds itself stored, an outcome finds
its lease gone and changes nothing, and what was leased is recovered when the lease ends. Only an accept without a key
can be stored twice.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import chain
from typing import Any, TypeVar

import structlog
from opentelemetry.trace import SpanContext, Tracer
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from assistance.store.engine.database import PATIENCE, Database, caller, transaction
from assistance.store.errors import StoreBrokenError, StoreRefusedError, StoreUnavailableError

log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

Operation = Callable[[Connection, Sequence[Item]], Sequence[Result | Exception]]
"""Writes a batch of items in the caller's transaction and gives one result an item, an exception for a refused one.

It may run again after a rollback, so it changes nothing but the database."""

_BATCH = 256
_RACES = 5
_STOP = 10.0
_ITEMS_FAULT = (IntegrityError, DataError, ProgrammingError)
_UNDONE = frozenset({"40001", "40P01"})
"""PostgreSQL undid the transaction so that another could go on: serialization_failure, deadlock_detected."""


def each(act: Callable[[Connection, Item], Result]) -> Callable[[Connection, Sequence[Item]], list[Result]]:
    """The operation that does `act` with each item of its batch."""

    @wraps(act)
    def operation(connection: Connection, items: Sequence[Item]) -> list[Result]:
        return [act(connection, item) for item in items]

    return operation


@dataclass(slots=True)
class _Write:
    operation: Operation[Any, Any]
    item: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    caller: SpanContext
    result: Any = None


class Writer:
    """A thread that writes. `broken` says why nothing can be written any more, or None."""

    def __init__(self, database: Database, name: str, on_commit: Callable[[int], None], tracer: Tracer) -> None:
        """Start the thread; `on_commit` is called in it with the size of every group committed."""
        self._database = database
        self._tracer = tracer
        self._on_commit = on_commit
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
        self._writes: queue.SimpleQueue[list[_Write] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"store-writer-{name}", daemon=True)
        self.broken: str | None = None
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end; a server that does not answer is not waited for."""
        for loop in list(self._gathered):
            self._submit(loop)
        self._writes.put(None)
        self._thread.join(_STOP)

    async def write(self, operation: Operation[Item, Result], item: Item) -> Result:
        """The item's result, after its commit.

        Raises:
            StoreUnavailableError: it was not stored, or nobody knows.
            Exception: what the operation gave for this item.
        """
        if self.broken:
            raise StoreBrokenError(self.broken)
        loop = asyncio.get_running_loop()
        write = _Write(operation, item, loop, loop.create_future(), caller())
        self._gather(write)
        # Cost: `asyncio.timeout` takes three times as long as a timer.
        patience = loop.call_later(PATIENCE, _give_up_waiting, write.future)
        try:
            result: Result = await write.future
        finally:
            patience.cancel()
        return result

    def _gather(self, write: _Write) -> None:
        """Give the thread all writes of one iteration of the event loop as one list, at its end.

        Interpreter lock (GIL): a thread that woke for the first write would take it from the loop, write little, and
        begin again.
        """
        gathered = self._gathered.setdefault(write.loop, [])
        if not gathered:
            write.loop.call_soon(self._submit, write.loop)
        gathered.append(write)

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        if writes := self._gathered.pop(loop, None):
            self._writes.put(writes)

    def _run(self) -> None:
        while (first := self._writes.get()) is not None:
            # A caller that has given up has already been answered that nothing is stored.
            group = [write for write in chain(first, *self._waiting(len(first))) if not write.future.done()]
            for writes in self._transactions(group):
                self._commit(writes)
                _answer(writes)

    def _waiting(self, size: int) -> Iterator[list[_Write]]:
        while size < _BATCH:
            try:
                writes = self._writes.get_nowait()
            except queue.Empty:
                return
            if writes is None:
                self._writes.put(None)
                return
            size += len(writes)
            yield writes

    def _transactions(self, group: list[_Write]) -> Iterable[list[_Write]]:
        """One for all where only this process writes.

        Deadlock: else one for each operation, since each operation locks rows in an order of its own.
        """
        if self._database.file_lock is not None:
            return [group] if group else []
        return _by_operation(group).values()

    def _commit(self, group: list[_Write], races: int = 1) -> None:
        """Write the group in one transaction, the `races`th try; each write then has its result, or an error."""
        if self.broken:
            # Lost writes: after a failed sync the next one may succeed without what the failed one lost.
            _fail(group, StoreBrokenError(self.broken))
            return
        try:
            with (
                transaction(self._tracer, self._database.writing, [write.caller for write in group]),
                self._database.writing.begin() as connection,
            ):
                for operation, writes in _by_operation(group).items():
                    results = operation(connection, [write.item for write in writes])
                    for write, result in zip(writes, results, strict=True):
                        write.result = result
        except Exception as error:  # noqa: BLE001 - each caller must get it, whatever it was
            self._rolled_back(group, error, races)
        else:
            self._count_commit(len(group))

    def _rolled_back(self, group: list[_Write], error: Exception, races: int) -> None:
        """Nothing of the group is stored: write it again where that may help, else let its callers know why not."""
        if _was_a_race(error) and races < _RACES:
            self._commit(group, races + 1)
        elif isinstance(error, StoreRefusedError):
            _fail(group, StoreUnavailableError(str(error)))
        elif isinstance(error, DBAPIError) and not isinstance(error, _ITEMS_FAULT):
            _fail(group, self._away(error))
        elif len(group) > 1:
            # One bad item must not take the others down with it.
            middle = len(group) // 2
            self._commit(group[:middle])
            self._commit(group[middle:])
        elif isinstance(error, DBAPIError):
            log.error("store_refused_item", operation=group[0].operation.__name__, reason=_name(error))
            _fail(group, StoreUnavailableError(_name(error)))
        else:
            _fail(group, error)

    def _away(self, error: DBAPIError) -> StoreUnavailableError:
        if reason := self._database.broken(error):
            self.broken = reason
            log.critical("store_broken", reason=reason)
            return StoreBrokenError(reason)
        log.error("store_unavailable", reason=_name(error))
        return StoreUnavailableError(_name(error))

    def _count_commit(self, size: int) -> None:
        try:
            self._on_commit(size)
        except Exception:
            # It is stored: a failure to count it must neither repeat the write nor reach its caller.
            log.exception("store_commit_uncounted", size=size)


def _by_operation(group: Iterable[_Write]) -> dict[Operation[Any, Any], list[_Write]]:
    writes: dict[Operation[Any, Any], list[_Write]] = {}
    for write in group:
        writes.setdefault(write.operation, []).append(write)
    return writes


def _was_a_race(error: Exception) -> bool:
    """Whether another process was first: the next try reads what it has written."""
    undone = isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _UNDONE
    return undone or isinstance(error, IntegrityError)


def _name(error: DBAPIError) -> str:
    """What happened. Secrecy: without the values that were to be stored."""
    return type(error.orig).__name__


def _fail(group: Iterable[_Write], error: Exception) -> None:
    for write in group:
        write.result = error


def _answer(group: list[_Write]) -> None:
    """Wake the callers, by one call into each event loop for the whole group."""
    loops: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in group:
        loops.setdefault(write.loop, []).append(write)
    for loop, writes in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, writes)
        except RuntimeError:
            log.warning("store_answer_unheard", writes=len(writes))


def _give_up_waiting(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(StoreUnavailableError("no answer"))


def _resolve(writes: list[_Write]) -> None:
    for write in writes:
        if write.future.done():
            continue
        if isinstance(write.result, BaseException):
            write.future.set_exception(write.result)
        else:
            write.future.set_result(write.result)
