"""Group commit: everything that waits to be written goes into one transaction, made by one thread.

A caller's answer waits for its commit, so a disk that syncs in 2 ms does not limit the service to 500 answers a second.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from assistance.store.errors import StoreBrokenError, StoreUnavailableError

log = structlog.get_logger(__name__)

Operation = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Writes a batch of items in the caller's transaction and gives one result an item, an exception among them for an
item that is refused. It may run again after a rollback, so it changes nothing but the database."""

_BATCH = 256
_RACES = 5
_BROKEN = ("disk i/o error", "malformed", "not a database")


@dataclass(slots=True)
class _Job:
    operation: Operation
    item: Any
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None


class Writer:
    """The one thread that writes."""

    def __init__(self, engine: Engine, on_commit: Callable[[int], None] = lambda _size: None) -> None:
        """Write through `engine`; `on_commit` hears the size of every group committed."""
        self._engine = engine
        self._on_commit = on_commit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self.broken: str | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end."""
        self._jobs.put(None)
        self._thread.join()

    async def write(self, operation: Operation, item: Any) -> Any:
        """The item's result, after its commit.

        Raises:
            StoreUnavailableError: it was not stored.
            Exception: what the operation answered for this item.
        """
        if self.broken:
            raise StoreBrokenError(self.broken)
        loop = asyncio.get_running_loop()
        job = _Job(operation, item, loop, loop.create_future())
        self._jobs.put(job)
        return await job.future

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            group = [first, *self._waiting()]
            self._commit(group)
            _answer(group)
        self._engine.dispose()

    def _waiting(self) -> Iterator[_Job]:
        for _ in range(_BATCH - 1):
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is None:
                self._jobs.put(None)
                return
            yield job

    def _commit(self, group: list[_Job]) -> None:
        try:
            self._transact(group)
        except Exception as error:  # noqa: BLE001 - whatever it was, each caller must hear of it
            if self.broken is None and len(group) > 1:
                # One bad item must not take the others down with it.
                for job in group:
                    self._commit([job])
                return
            for job in group:
                job.result = error

    def _transact(self, group: list[_Job]) -> None:
        for race in range(_RACES):
            try:
                with self._engine.begin() as connection:
                    for operation in dict.fromkeys(job.operation for job in group):
                        jobs = [job for job in group if job.operation is operation]
                        results = operation(connection, [job.item for job in jobs])
                        for job, result in zip(jobs, results, strict=True):
                            job.result = result
            except IntegrityError:
                # Another process committed the same key or conversation first: now it is there to be read.
                if race == _RACES - 1:
                    raise
            except DBAPIError as error:
                raise self._unavailable(error) from error
            else:
                self._on_commit(len(group))
                return

    def _unavailable(self, error: DBAPIError) -> StoreUnavailableError:
        reason = str(error.orig)
        if any(word in reason.lower() for word in _BROKEN):
            # After a failed fsync nobody knows what is on the disk: reopen in a new process.
            self.broken = reason
            log.critical("store_broken", reason=reason)
            return StoreBrokenError(reason)
        log.error("store_unavailable", reason=type(error.orig).__name__)
        return StoreUnavailableError(type(error.orig).__name__)


def _answer(group: list[_Job]) -> None:
    """Wake the callers, one call into each event loop for the whole group."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in group:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, jobs)
        except RuntimeError:
            log.warning("store_answer_unheard", jobs=len(jobs))


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if isinstance(job.result, BaseException):
            job.future.set_exception(job.result)
        else:
            job.future.set_result(job.result)
