"""Waking dispatchers in other processes: one NOTIFY for all that was committed in the meantime, never one an accept.

It is sent after the commit, in a transaction of its own. Lock: a NOTIFY locks the whole server until its transaction
ends; within the commit of an accept it would make each process wait for the disk writes of all others.
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
"""Seconds that a server has to answer LISTEN."""
QUIET, ECHO = 10.0, 5.0
"""Seconds without a notification after which a listener sends one itself, and within which it must receive that."""


class Wakes:
    """Notifies other processes that something is due. If that gets lost, they find it by themselves within a second."""

    def __init__(self, engine: Engine, conninfo: str) -> None:
        """Notify through `engine`, listen on a connection of its own to `conninfo`."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._conninfo = conninfo
        self._notifier = ThreadPoolExecutor(1, thread_name_prefix="store-wakes")
        self._notifying = False

    def notify(self) -> None:
        """Wake the dispatchers: something is due that no process has leased."""
        if not self._notifying:
            self._notifying = True
            with suppress(RuntimeError):  # the store is closed; other processes find what it has committed
                self._notifier.submit(self._notify)

    def _notify(self) -> None:
        # Race: what is committed from here on needs another notification.
        self._notifying = False
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")
        except (DBAPIError, StoreRefusedError) as error:
            log.warning("wake_not_told", error=type(error).__name__)

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` on each notification and after each gap in listening; until cancelled."""
        while True:
            try:
                await self._follow(wake)
            except (psycopg.Error, OSError) as error:
                log.warning("wakes_not_heard", error=type(error).__name__)
            await asyncio.sleep(_RECONNECT)

    async def _follow(self, wake: Callable[[], None]) -> None:
        """Call `wake` for what one connection receives, until it does not even receive what we send ourselves.

        Half-open connection: one that a firewall has dropped is as silent as one on which there is nothing to say. A
        notification of any process will do, so all of them together send one in `QUIET` seconds.
        """
        async with await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
            async with asyncio.timeout(_HELLO):
                await connection.execute(f"LISTEN {_CHANNEL}")
            wake()
            while await _received(connection, QUIET) or await self._echo(connection):
                wake()
        log.warning("wakes_not_heard", error="silence")

    async def _echo(self, connection: psycopg.AsyncConnection) -> bool:
        self.notify()
        return await _received(connection, ECHO)

    def close(self) -> None:
        """Send what is to be sent, then end."""
        self._notifier.shutdown()


async def _received(connection: psycopg.AsyncConnection, seconds: float) -> bool:
    """Whether a notification comes within so many seconds."""
    # Leak: a generator that is not read to its end keeps the connection.
    return bool([each async for each in connection.notifies(timeout=seconds, stop_after=1)])
