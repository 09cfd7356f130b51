"""Group commit: everything that waits to be written goes into one transaction, made by one thread.

A caller's answer waits for its commit, so a disk that syncs in 2 ms does not limit the service to 500 answers a second.

When the connection breaks while a commit is under way, nobody knows whether it took place. The callers hear
StoreUnavailableError and may try again: an ask with an idempotency key then finds itself stored, an outcome finds its
lease gone and changes nothing, and what was leased comes back when the lease ends. Only an ask without a key can be
stored twice.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

import structlog
from opentelemetry.trace import SpanContext, Tracer
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from assistance.store.engine.database import Database
from assistance.store.engine.spans import caller, transaction
from assistance.store.errors import StoreBrokenError, StoreRefusedError, StoreUnavailableError

log = structlog.get_logger(__name__)

Operation = Callable[..., Sequence[Any]]
"""Called with a connection and a batch of items, it writes them in the caller's transaction and gives one result an
item, an exception among them for an item that is refused. It may run again after a rollback, so it changes nothing but
the database."""

_BATCH = 256
_RACES = 5
PATIENCE = 10.0
"""Seconds after which a caller is told that it could not be stored; it may be stored all the same."""
_STOP = 10.0
_ITEMS_FAULT = (IntegrityError, DataError, ProgrammingError)
_UNDONE = frozenset({"40001", "40P01"})
"""PostgreSQL undid the transaction so that another could go on: serialization_failure, deadlock_detected."""


@dataclass(slots=True)
class _Write:
    operation: Operation
    item: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    caller: SpanContext
    result: Any = None


class Writer:
    """A thread that writes. `broken` says why nothing can be written any more, or None."""

    def __init__(self, database: Database, name: str, on_commit: Callable[[int], None], tracer: Tracer) -> None:
        """`on_commit` hears the size of every group committed."""
        self._database = database
        self._tracer = tracer
        self._on_commit = on_commit
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
        self._writes: queue.SimpleQueue[list[_Write] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"store-writer-{name}", daemon=True)
        self.broken: str | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end; a server that does not answer is not waited for."""
        for loop in list(self._gathered):
            self._submit(loop)
        self._writes.put(None)
        self._thread.join(_STOP)

    async def write(self, operation: Operation, item: Any) -> Any:
        """The item's result, after its commit.

        Raises:
            StoreUnavailableError: it was not stored, or nobody knows.
            Exception: what the operation answered for this item.
        """
        if self.broken:
            raise StoreBrokenError(self.broken)
        loop = asyncio.get_running_loop()
        write = _Write(operation, item, loop, loop.create_future(), caller())
        self._gather(write)
        # A timer alone: `asyncio.timeout` costs each accept three times as much.
        patience = loop.call_later(PATIENCE, _give_up_waiting, write.future)
        try:
            return await write.future
        finally:
            patience.cancel()

    def _gather(self, write: _Write) -> None:
        """Hand over at the end of the loop's turn what it has to write.

        A thread that wakes for the first of it would take the interpreter's lock from the loop, again and again, and
        write little.
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
            # Whoever has given up meanwhile does not want it stored any more.
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
        """One for all where nobody else writes; else one a kind, since each kind locks rows in an order of its own."""
        if self._database.file_lock is not None:
            return [group] if group else []
        return _by_operation(group).values()

    def _commit(self, group: list[_Write]) -> None:
        if self.broken:
            # It was waiting when that happened: the next sync may say yes without what the failed one lost.
            _fail(group, StoreBrokenError(self.broken))
            return
        try:
            self._transact(group)
        except StoreUnavailableError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, each caller must hear of it
            if len(group) > 1:
                # One bad item must not take the others down with it.
                middle = len(group) // 2
                self._commit(group[:middle])
                self._commit(group[middle:])
            elif isinstance(error, DBAPIError):
                log.error("store_refused_item", operation=group[0].operation.__name__, reason=_name(error))  # noqa: TRY400
                _fail(group, StoreUnavailableError(_name(error)))
            else:
                _fail(group, error)

    def _transact(self, group: list[_Write]) -> None:
        for races_left in reversed(range(_RACES)):
            try:
                with self._span(group), self._database.writing.begin() as connection:
                    for operation, writes in _by_operation(group).items():
                        results = operation(connection, [write.item for write in writes])
                        for write, result in zip(writes, results, strict=True):
                            write.result = result
            except StoreRefusedError as error:
                raise StoreUnavailableError(str(error)) from None
            except DBAPIError as error:
                if not (races_left and _was_a_race(error)):
                    self._give_up(error)
            else:
                self._count_commit(len(group))
                return

    def _count_commit(self, size: int) -> None:
        try:
            self._on_commit(size)
        except Exception:
            # It is stored: a failure to count it must neither have it written again nor be told as its own.
            log.exception("store_commit_uncounted", size=size)

    def _span(self, group: Iterable[_Write]) -> AbstractContextManager[None]:
        return transaction(self._tracer, self._database.writing.dialect.name, [write.caller for write in group])

    def _give_up(self, error: DBAPIError) -> NoReturn:
        if isinstance(error, _ITEMS_FAULT):
            raise error
        if reason := self._database.broken(error):
            self.broken = reason
            log.critical("store_broken", reason=reason)
            raise StoreBrokenError(reason) from None
        log.error("store_unavailable", reason=_name(error))
        raise StoreUnavailableError(_name(error)) from None


def _by_operation(group: Iterable[_Write]) -> dict[Operation, list[_Write]]:
    writes: dict[Operation, list[_Write]] = {}
    for write in group:
        writes.setdefault(write.operation, []).append(write)
    return writes


def _was_a_race(error: DBAPIError) -> bool:
    """Whether another process was first: now it is there to be read."""
    return isinstance(error, IntegrityError) or getattr(error.orig, "sqlstate", None) in _UNDONE


def _name(error: DBAPIError) -> str:
    """What happened, without a word of what was to be stored."""
    return type(error.orig).__name__


def _fail(group: Iterable[_Write], error: Exception) -> None:
    for write in group:
        write.result = error


def _answer(group: list[_Write]) -> None:
    """Wake the callers, one call into each event loop for the whole group."""
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
