"""What time does to requests, on a real store and a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from tests.fakes.clock import ManualClock, until

from assistance.model import AssistanceRequest, Clock, Snapshot, Status, uuid7
from assistance.store import NewRequest, Retained, Store, StoreUnavailableError, open_store
from assistance.watch.upkeep import EXPIRE_EVERY, RETAIN_EVERY, expire, retain

DAY = 86_400.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/a.db")
    yield store
    store.close()


async def accept(store: Store, clock: Clock, expires_in: float) -> str:
    request = AssistanceRequest(uuid7(clock.now()), "bot", "sales", "Help", clock.now(), clock.now() + expires_in)
    await store.accept(NewRequest(request, (), lambda _request, _deliveries: b""))
    return request.id


@asynccontextmanager
async def running(
    keep: Callable[[Store, Clock], Awaitable[None]], store: Store, clock: ManualClock
) -> AsyncIterator[None]:
    """One of the two loops, after its first round."""
    task = asyncio.ensure_future(keep(store, clock))
    await until(lambda: clock.sleeping)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def after(clock: ManualClock, seconds: float) -> None:
    """Let time pass, and the next round end."""
    clock.advance(seconds)
    await until(lambda: clock.sleeping)


async def get(store: Store, request_id: str) -> Snapshot:
    found = await store.get(request_id)
    assert found is not None
    return found


async def test_a_request_that_nobody_claims_expires_within_a_second(store: Store):
    """Not before its time; the next round finds it."""
    clock = ManualClock()
    id_ = await accept(store, clock, expires_in=60)
    async with running(expire, store, clock):
        await after(clock, 60 - EXPIRE_EVERY)
        assert (await get(store, id_)).request.status is Status.ACCEPTED
        await after(clock, EXPIRE_EVERY)
        assert (await get(store, id_)).request.status is Status.EXPIRED


async def test_texts_are_erased_after_ninety_days(store: Store):
    """Within the hour; what is younger is kept."""
    clock = ManualClock()
    id_ = await accept(store, clock, expires_in=DAY)
    async with running(retain, store, clock):
        await after(clock, 90 * DAY - 1)
        assert (await get(store, id_)).request.description == "Help"
        await after(clock, RETAIN_EVERY)
        assert (await get(store, id_)).request.description is None


class Gone:
    """A store that is away."""

    async def expire(self, _now: float) -> list[str]:
        raise StoreUnavailableError

    async def retain(self, _now: float) -> Retained:
        raise StoreUnavailableError


@pytest.mark.parametrize("keep", [expire, retain])
async def test_a_store_that_is_away_ends_nothing(keep: Callable[[Store, Clock], Awaitable[None]]):
    """The next round tries again."""
    clock = ManualClock()
    async with running(keep, cast("Store", Gone()), clock):
        await after(clock, RETAIN_EVERY)
