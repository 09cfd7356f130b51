"""Reading in threads of its own, so that neither the event loop nor the writer waits for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from opentelemetry.trace import SpanContext, Tracer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assistance.store.engine.spans import caller, transaction
from assistance.store.engine.writer import PATIENCE
from assistance.store.errors import StoreRefusedError, StoreUnavailableError

T = TypeVar("T")

_THREADS = 4


class Reader:
    """Asks questions, each on one snapshot of the database."""

    def __init__(self, engine: Engine, tracer: Tracer) -> None:
        """Read through `engine`, in a span below the caller's."""
        self._engine = engine
        self._tracer = tracer
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store-reader")

    def close(self) -> None:
        """Answer what was asked, then end."""
        self._threads.shutdown()

    async def read(self, question: Callable[..., T], *args: Any) -> T:
        """What `question` answers, called with a connection and `args`. Raises StoreUnavailableError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                return await loop.run_in_executor(self._threads, self._ask, caller(), question, args)
        except TimeoutError:
            raise StoreUnavailableError("no answer") from None

    def _ask(self, asked: SpanContext, question: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            with (
                transaction(self._tracer, self._engine.dialect.name, [asked], "SELECT"),
                self._engine.begin() as connection,
            ):
                return question(connection, *args)
        except DBAPIError as error:
            raise StoreUnavailableError(type(error.orig).__name__) from None
        except (StoreRefusedError, PoolTimeoutError) as error:
            raise StoreUnavailableError(str(error)) from None
