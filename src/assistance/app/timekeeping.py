"""Which time this process goes by, see docs/decisions/0007-clocks.md."""

from contextlib import suppress

import structlog

from assistance.model import SteadyClock
from assistance.store import Clocks, Store, StoreUnavailableError

log = structlog.get_logger(__name__)

_EVERY = 10.0


class TimeKeeping:
    """Processes that share a server all go by its clock; elsewhere the next one learns by which clock this one went."""

    def __init__(self, store: Store, clock: SteadyClock) -> None:
        """`clock` is the house's."""
        self._store = store
        self._clock = clock

    async def begin(self) -> None:
        """Before anything is planned: go on where the process before was stopped."""
        machine = self._clock.machine
        with suppress(StoreUnavailableError):
            if not self._store.exclusive:
                self._clock.follow(await self._store.clock_offset(machine.now), at_once=True)
            elif moved := await self._store.resume(machine.now()):
                log.warning("clock_was_set", seconds=round(moved, 3))

    async def run(self) -> None:
        """Keep time until cancelled."""
        while True:
            with suppress(StoreUnavailableError):
                await self.keep()
            await self._clock.sleep(_EVERY)

    async def keep(self) -> None:
        """Agree with the server, or let the next process know."""
        machine = self._clock.machine
        if self._store.exclusive:
            await self._store.note_clocks(Clocks(self._clock.now(), machine.now()))
        else:
            self._clock.follow(await self._store.clock_offset(machine.now))
