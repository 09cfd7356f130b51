"""The backlog, read in the background for the gauges, so that a scrape costs the store nothing."""

from collections.abc import Callable, Collection, Mapping

import structlog

from assistance.model import Clock
from assistance.store import Backlog, Store, StoreUnavailableError

log = structlog.get_logger(__name__)

READ_EVERY = 10.0
"""Seconds between two reads, if they are quick."""
_SHARE = 20
"""The pause is at least so many times as long as the read took: a long queue must not keep a reader busy."""

Names = Callable[[], Collection[str]]


class BacklogWatch:
    """The figures of the last read, for every channel and topic of the routing file and for others with a backlog.

    They are the store's, so each process has the same. While the store cannot be read there are none: an old figure
    would look as if all were well.
    """

    def __init__(self, store: Store, clock: Clock, *, channels: Names, topics: Names) -> None:
        """`channels` and `topics` give the names of the routing file."""
        self._store = store
        self._clock = clock
        self._channels = channels
        self._topics = topics
        self._last: Backlog | None = None

    async def run(self) -> None:
        """Read again and again until cancelled."""
        while True:
            begun = self._clock.monotonic()
            await self.read()
            took = self._clock.monotonic() - begun
            await self._clock.sleep(max(READ_EVERY, _SHARE * took))

    async def read(self) -> None:
        """Read once."""
        try:
            self._last = await self._store.backlog(self._clock.now())
        except StoreUnavailableError as error:
            self._last = None
            log.warning("backlog_unknown", error=type(error).__name__)
        except Exception:
            # A bug: the process goes on without these gauges.
            self._last = None
            log.exception("backlog_look_failed")

    def waiting(self) -> Mapping[str, float]:
        """How many messages are due, by channel."""
        return self._figures(self._channels, lambda last: last.waiting)

    def oldest_undelivered(self) -> Mapping[str, float]:
        """The age of the oldest of them in seconds, by channel."""
        return self._figures(self._channels, lambda last: last.oldest_undelivered)

    def oldest_unclaimed(self) -> Mapping[str, float]:
        """The age of the oldest open request that nobody has claimed in seconds, by topic."""
        return self._figures(self._topics, lambda last: last.oldest_unclaimed)

    def parked(self) -> Mapping[str, float]:
        """1 for a parked channel, 0 for another."""
        return self._figures(self._channels, lambda last: dict.fromkeys(last.parked, 1.0))

    def _figures(self, names: Names, of: Callable[[Backlog], Mapping[str, float]]) -> Mapping[str, float]:
        last = self._last
        return {} if last is None else {**dict.fromkeys(names(), 0.0), **of(last)}
