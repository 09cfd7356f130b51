"""What time does to requests: those that nobody claims expire, and what is kept long enough is forgotten."""

from contextlib import suppress

import structlog

from assistance.model import Clock
from assistance.store import Store, StoreUnavailableError

log = structlog.get_logger(__name__)

EXPIRE_EVERY = 1.0
RETAIN_EVERY = 3600.0


async def expire(store: Store, clock: Clock) -> None:
    """Expire, once a second until cancelled, the requests whose `expires_in` has passed unclaimed."""
    while True:
        with suppress(StoreUnavailableError):
            await store.expire(clock.now())
        await clock.sleep(EXPIRE_EVERY)


async def retain(store: Store, clock: Clock) -> None:
    """Erase texts after 90 days and delete requests that are over after a year, once an hour until cancelled."""
    while True:
        with suppress(StoreUnavailableError):
            forgotten = await store.retain(clock.now())
            log.info("retained", keys=forgotten.keys, erased=forgotten.erased, deleted=forgotten.deleted)
        await clock.sleep(RETAIN_EVERY)
