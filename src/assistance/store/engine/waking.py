"""Waking dispatchers in other processes: one NOTIFY for all that was committed in the meantime, never one an accept.

It goes out after the commit and in a transaction of its own: a NOTIFY takes a lock of the whole server until its
transaction ends, so within the commit of an accept it would make all processes wait for each other's disks.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from assistance.store.errors import StoreRefusedError

log = structlog.get_logger(__name__)

_CHANNEL = "assistance_due"
_RECONNECT = 1.0
"""Seconds between two tries to listen."""
_HELLO = 10.0
"""Seconds that a server has to let us listen."""
_QUIET, _ECHO = 10.0, 5.0
"""Seconds after which a listener who hears nothing speaks up itself, and within which it must hear that."""


class Wakes:
    """Tells other processes that something is due, and hears it from them; if it gets lost, they look by themselves."""

    def __init__(self, engine: Engine, conninfo: str) -> None:
        """Tell through `engine`, listen on a connection of its own to `conninfo`."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._conninfo = conninfo
        self._notifier = ThreadPoolExecutor(1, thread_name_prefix="store-wakes")
        self._notifying = False

    def notify(self) -> None:
        """Something is due that no process has taken yet."""
        if not self._notifying:
            self._notifying = True
            with suppress(RuntimeError):  # the store is closed: what it has committed is found by the next look
                self._notifier.submit(self._notify)

    def _notify(self) -> None:
        # What is committed from here on is told by the next one.
        self._notifying = False
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")
        except (DBAPIError, StoreRefusedError) as error:
            log.warning("wake_not_told", error=type(error).__name__)

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` whenever a process tells, and after each gap in listening; until cancelled."""
        while True:
            try:
                await self._follow(heard)
            except (psycopg.Error, OSError) as error:
                log.warning("wakes_not_heard", error=type(error).__name__)
            await asyncio.sleep(_RECONNECT)

    async def _follow(self, heard: Callable[[], None]) -> None:
        """Call `heard` for what is heard on one connection, until not even our own word is.

        Silence is what a connection sounds like on which nobody has anything to say, and one that a middleman has
        forgotten. A word of any process will do, so all of them together say one in all those seconds.
        """
        async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
            async with asyncio.timeout(_HELLO):
                await connection.execute(f"LISTEN {_CHANNEL}")
            heard()
            while await _word(connection, _QUIET) or await self._echo(connection):
                heard()
        log.warning("wakes_not_heard", error="silence")

    async def _echo(self, connection: psycopg.AsyncConnection) -> bool:
        self.notify()
        return await _word(connection, _ECHO)

    def close(self) -> None:
        """Tell what is to be told, then end."""
        self._notifier.shutdown()


async def _word(connection: psycopg.AsyncConnection, seconds: float) -> bool:
    """Whether anything is heard within so many seconds."""
    # To its end: a generator that is left halfway holds on to the connection.
    return bool([word async for word in connection.notifies(timeout=seconds, stop_after=1)])
