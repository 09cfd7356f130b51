"""The clock of this process: docs/decisions/0007-clocks.md."""

from contextlib import suppress

import structlog

from assistance.model import SteadyClock
from assistance.store import Clocks, Store, StoreUnavailableError

log = structlog.get_logger(__name__)

_EVERY = 10.0


class TimeKeeping:
    """Processes that share a PostgreSQL server follow its clock; with SQLite, the next process continues this one's."""

    def __init__(self, store: Store, clock: SteadyClock) -> None:
        """`clock` is the house's."""
        self._store = store
        self._clock = clock

    async def begin(self) -> None:
        """Before anything is planned: continue the clock of the process before."""
        machine = self._clock.machine
        with suppress(StoreUnavailableError):
            if not self._store.exclusive:
                self._clock.follow(await self._store.clock_offset(machine.now), at_once=True)
            elif jump := await self._store.resume(machine.now()):
                log.warning("clock_was_set", seconds=round(jump, 3))

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            with suppress(StoreUnavailableError):
                await self.keep()
            await self._clock.sleep(_EVERY)

    async def keep(self) -> None:
        """Follow the server's clock, or store this one for the next process."""
        machine = self._clock.machine
        if self._store.exclusive:
            await self._store.note_clocks(Clocks(self._clock.now(), machine.now()))
        else:
            self._clock.follow(await self._store.clock_offset(machine.now))
