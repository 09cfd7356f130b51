"""An open database, the spans of its transactions, and reading it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from opentelemetry import trace
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assistance.store.errors import StoreRefusedError, StoreUnavailableError

if TYPE_CHECKING:
    from assistance.store.engine.waking import Wakes

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

PATIENCE = 10.0
"""Seconds that a caller of the store waits for an answer; what it wrote may be stored all the same."""
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Database:
    """An open database.

    `file_lock` keeps a SQLite file for this process alone. `wakes` reaches the other processes where there are any.
    `broken` says why nothing can be trusted any more after an error, or None.
    """

    writing: Engine
    reading: Engine
    file_lock: IO[str] | None = None
    wakes: "Wakes | None" = None
    broken: Callable[[DBAPIError], str | None] = lambda _error: None

    def close(self) -> None:
        """Close it, once nothing writes or reads any more."""
        if self.wakes:
            self.wakes.close()
        self.writing.dispose()
        self.reading.dispose()
        if self.file_lock:
            self.file_lock.close()


class Reader:
    """Reads in threads of its own, each query on one snapshot: neither the event loop nor the writer waits for it."""

    def __init__(self, engine: Engine, tracer: trace.Tracer) -> None:
        self._engine = engine
        self._tracer = tracer
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store-reader")

    def close(self) -> None:
        """Answer what was asked, then end."""
        self._threads.shutdown()

    async def read(
        self,
        query: Callable[Concatenate[Connection, Arguments], Answer],
        *args: Arguments.args,
        **more: Arguments.kwargs,
    ) -> Answer:
        """What `query` answers, called with a connection and the other arguments. Raises StoreUnavailableError."""
        span = caller()

        def run() -> Answer:
            with transaction(self._tracer, self._engine, [span], "SELECT"), self._engine.begin() as connection:
                return query(connection, *args, **more)

        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except TimeoutError:
            raise StoreUnavailableError("no answer") from None
        except DBAPIError as error:
            raise StoreUnavailableError(type(error.orig).__name__) from None
        except (StoreRefusedError, PoolTimeoutError) as error:
            raise StoreUnavailableError(str(error)) from None


def caller() -> trace.SpanContext:
    """The span in which the store is called."""
    return trace.get_current_span().get_span_context()


@contextmanager
def transaction(
    tracer: trace.Tracer, engine: Engine, callers: Iterable[trace.SpanContext], operation: str = "COMMIT"
) -> Iterator[None]:
    """One span around a transaction, however many calls it carries: below the first sampled caller, linked to others.

    No span where no caller is sampled, as for the service's own upkeep. `operation` is its name.
    """
    sampled = [each for each in callers if each.is_valid and each.trace_flags.sampled]
    if not sampled:
        yield
        return
    with tracer.start_as_current_span(
        operation,
        trace.set_span_in_context(trace.NonRecordingSpan(sampled[0])),
        trace.SpanKind.CLIENT,
        {"db.system.name": engine.dialect.name, "db.operation.name": operation, "assistance.calls": len(sampled)},
        [trace.Link(each) for each in sampled[1:]],
        record_exception=False,
        # Secrecy: a database's error message may quote what was to be stored.
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
