"""What waits, kept at hand for the gauges: looked up in the background, so that a scrape costs the store nothing."""

from collections.abc import Callable, Collection, Mapping

import structlog

from assistance.model import Clock
from assistance.store import Backlog, Store, StoreUnavailableError

log = structlog.get_logger(__name__)

LOOK_EVERY = 10.0
"""Seconds between two looks, if they are quick."""
_SHARE = 20
"""The pause is at least so many times as long as the look took: a long queue must not keep a reader busy."""

Names = Callable[[], Collection[str]]


class BacklogWatch:
    """The figures of the last look, one for every channel and topic of the routing file and for whatever else waits.

    They are the store's, so each process has the same. When the store cannot be asked there are none: an old figure
    would tell that all is well.
    """

    def __init__(self, store: Store, clock: Clock, *, channels: Names, topics: Names) -> None:
        """`channels` and `topics` name those of the routing file."""
        self._store = store
        self._clock = clock
        self._channels = channels
        self._topics = topics
        self._last: Backlog | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            begun = self._clock.monotonic()
            await self.look()
            took = self._clock.monotonic() - begun
            await self._clock.sleep(max(LOOK_EVERY, _SHARE * took))

    async def look(self) -> None:
        """Look once."""
        try:
            self._last = await self._store.backlog(self._clock.now())
        except StoreUnavailableError as error:
            self._last = None
            log.warning("backlog_unknown", error=type(error).__name__)
        except Exception:
            # Whatever it was: who watches the work must not end it.
            self._last = None
            log.exception("backlog_look_failed")

    def waiting(self) -> Mapping[str, float]:
        """How many messages are owed, by channel."""
        return self._figures(self._channels, lambda last: last.waiting)

    def oldest_undelivered(self) -> Mapping[str, float]:
        """For how long the oldest of them, by channel."""
        return self._figures(self._channels, lambda last: last.oldest_undelivered)

    def oldest_unclaimed(self) -> Mapping[str, float]:
        """For how long the oldest open request that nobody has claimed, by topic."""
        return self._figures(self._topics, lambda last: last.oldest_unclaimed)

    def parked(self) -> Mapping[str, float]:
        """1 for a parked channel, 0 for another."""
        return self._figures(self._channels, lambda last: dict.fromkeys(last.parked, 1.0))

    def _figures(self, names: Names, of: Callable[[Backlog], Mapping[str, float]]) -> Mapping[str, float]:
        last = self._last
        return {} if last is None else {**dict.fromkeys(names(), 0.0), **of(last)}
