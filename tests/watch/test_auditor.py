"""The auditor and the backlog's figures, on a real store and a clock that the test moves."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2
import pytest
from tests.fakes.clock import ManualClock

from assistance.model import AssistanceRequest, Delivery, Kind, SteadyClock, uuid7
from assistance.store import Dequeue, Freeze, Lease, NewRequest, Park, Store, open_store
from assistance.watch import Auditor, BacklogWatch


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/a.db")
    yield store
    store.close()


@pytest.fixture
def auditor(store: Store, clock: ManualClock) -> Auditor:
    return Auditor(store, SteadyClock(clock), pace=lambda _channel: None)


async def owe(
    store: Store,
    now: float,
    *,
    due_in: float = 0,
    expires_in: float = 9e9,
    channel: str = "slack",
    kind: Kind = Kind.NOTICE,
) -> None:
    """Accept a request of topic sales, with one delivery on the channel."""
    id_ = uuid7(now)
    request = AssistanceRequest(id_, "bot", "sales", "Help", now, now + expires_in)
    delivery = Delivery(id_, 1, channel, due_at=now + due_in, owed_since=now + due_in, kind=kind)
    await store.accept(NewRequest(request, (delivery,), lambda _request, _deliveries: b""))


def dequeue(now: float, seconds: float = 30) -> Dequeue:
    return Dequeue({"slack": 1}, Lease("a dispatcher", seconds), now, lambda _hours, _at: True)


async def audits(auditor: Auditor, clock: ManualClock, seconds: float) -> dict[str, int]:
    """What is found wrong after a while of audits."""
    await auditor.audit()
    for _ in range(int(seconds // 30)):
        clock.advance(30)
        await auditor.audit()
    return {kind: count for kind, count in auditor.findings.items() if count}


async def test_an_idle_house_is_well(auditor: Auditor, clock: ManualClock):
    """With nothing owed nothing is found, and every kind is reported as zero."""
    assert not auditor.well
    assert await audits(auditor, clock, 300) == {}
    assert auditor.findings == dict.fromkeys(("undelivered", "lease", "expiry", "clock", "store"), 0)
    assert auditor.well


async def test_a_message_that_nobody_takes_is_found(auditor: Auditor, store: Store, clock: ManualClock):
    """Due for two minutes on an open channel without anything happening there: a finding, and all is not well."""
    await owe(store, clock.now())
    assert await audits(auditor, clock, 90) == {}
    assert await audits(auditor, clock, 30) == {"undelivered": 1}
    assert not auditor.well


async def test_a_dispatcher_that_holds_on_to_one_message_for_ever_is_found(
    auditor: Auditor, store: Store, clock: ManualClock
):
    """A lane that stands still with a lease that it keeps renewing is found too."""
    await owe(store, clock.now())
    await store.dequeue(dequeue(clock.now(), seconds=9e9))
    assert await audits(auditor, clock, 120) == {"undelivered": 1}


async def test_a_long_queue_that_moves_is_no_finding(auditor: Auditor, store: Store, clock: ManualClock):
    """A channel that is slow, or has much to do, is well as long as one message after the other leaves."""
    for place in range(8):
        await owe(store, clock.now() + place / 1000)
    clock.advance(1)
    for _ in range(8):
        await store.dequeue(dequeue(clock.now(), seconds=9e9))
        assert await audits(auditor, clock, 30) == {}


async def test_what_is_planned_parked_or_frozen_is_no_finding(auditor: Auditor, store: Store, clock: ManualClock):
    """A step of tomorrow, a channel that is parked and one that asked for rest are as they should be."""
    for channel, due_in in (("slack", 9e6), ("parked", 0), ("frozen", 0)):
        await owe(store, clock.now(), due_in=due_in, channel=channel)
    await store.park(Park("parked", "credentials", clock.now()))
    await store.freeze(Freeze("frozen", clock.now() + 3600))
    assert await audits(auditor, clock, 300) == {}


async def test_a_channel_of_one_message_an_hour_is_given_its_time(store: Store, clock: ManualClock):
    """Patience goes by the pace of the channel."""
    await owe(store, clock.now())
    assert await audits(Auditor(store, SteadyClock(clock), pace=lambda _channel: 1 / 3600), clock, 3600) == {}


async def test_a_lease_that_nobody_takes_back_is_found(auditor: Auditor, store: Store, clock: ManualClock):
    """Its dispatcher died and no other one recovers it."""
    await owe(store, clock.now())
    await store.dequeue(dequeue(clock.now()))
    assert "lease" not in await audits(auditor, clock, 90)
    assert (await audits(auditor, clock, 30))["lease"] == 1


async def test_a_request_that_should_have_expired_is_found(auditor: Auditor, store: Store, clock: ManualClock):
    """Past its expiry with no notice owed any more, and still open; one with a notice owed is not meant."""
    await owe(store, clock.now(), expires_in=10, due_in=9e6)
    await owe(store, clock.now(), expires_in=10, due_in=9e6, kind=Kind.REMINDER)
    assert await audits(auditor, clock, 60) == {}
    assert await audits(auditor, clock, 30) == {"expiry": 1}


@pytest.mark.parametrize("seconds", [3600, -3600])
async def test_a_clock_that_jumps_is_found_and_remembered_for_a_while(
    auditor: Auditor, clock: ManualClock, seconds: float
):
    """The time of day and time itself went apart between two audits."""
    await auditor.audit()
    clock.jump(seconds)
    assert "clock" in await audits(auditor, clock, 60)


async def test_a_request_from_the_future_is_found(auditor: Auditor, store: Store, clock: ManualClock):
    """The clock went back while the service was down: an earlier process accepted at a later time."""
    await owe(store, clock.now() + 3600)
    assert await audits(auditor, clock, 0) == {"clock": 1}


async def test_a_store_that_cannot_be_written_to_is_found(
    auditor: Auditor, store: Store, clock: ManualClock, tmp_path: Path
):
    """The audit writes before it reads."""
    with closing(pysqlite3.dbapi2.connect(tmp_path / "a.db")) as connection:
        connection.execute("DROP TABLE beats")
    assert await audits(auditor, clock, 0) == {"store": 1}


async def test_the_backlog_is_told_by_channel_and_topic(store: Store, clock: ManualClock):
    """Numbers and ages of what is due, zeros for the other channels and topics, and what is parked."""
    watch = BacklogWatch(store, clock, channels=lambda: ["slack", "mail"], topics=lambda: ["sales", "pricing"])
    assert watch.waiting() == {}
    await owe(store, clock.now())
    await owe(store, clock.now() + 1, channel="old")
    await owe(store, clock.now(), due_in=3600, channel="mail")
    await store.park(Park("old", "unknown_channel", clock.now() + 2))
    clock.advance(10)
    await store.dequeue(dequeue(clock.now()))
    await watch.read()
    assert watch.waiting() == {"slack": 1, "mail": 0, "old": 1}
    assert watch.oldest_undelivered() == {"slack": 10, "mail": 0, "old": 9}
    assert watch.oldest_unclaimed() == {"sales": 10, "pricing": 0}
    assert watch.parked() == {"slack": 0, "mail": 0, "old": 1}
