"""Reading: pages, filters, and waiting for a change; it never waits for a writer."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs
from tests.store.asks import ALL, NOW, ask, deliveries, dequeue, move, new, notice, record_outcome, request, update

from assistance.model import Actor, EventType, State, Status, uuid7
from assistance.store import Command, DeliveryFilter, Recovery, RequestFilter, Reroute, Store


async def ids(store: Store, **filters: object) -> list[str]:
    """What a query finds."""
    return [seen[0].id for seen in await store.page(replace(ALL, **filters))]  # type: ignore[arg-type]


async def test_pages_lead_through_everything_newest_first(store: Store):
    """Each id once, whatever the size of a page; what comes meanwhile does not shift them."""
    stored = [(await ask(store, at=NOW + n)).request.id for n in range(7)]
    found: list[str] = []
    while page := await store.page(RequestFilter(3, before=found[-1] if found else None)):
        found += [seen[0].id for seen in page]
        await ask(store, at=NOW + 100)
    assert found == stored[::-1]


@pytest.mark.parametrize("to_send", [False, True])
async def test_a_page_of_deliveries_goes_on_where_the_last_one_ended(store: Store, to_send: bool):  # noqa: FBT001
    """Each once, the newest first, those to be sent again the oldest first."""
    stored = [(await ask(store, "slack", "mail", at=NOW + n)).request.id for n in range(3)]
    for job in await dequeue(store, "slack", "mail", at=NOW + 9):
        await record_outcome(store, job, State.FAILED, at=NOW + 9)
    filter_, found = DeliveryFilter(4, to_send=to_send), []
    while page := await store.deliveries(filter_):
        found += [(owed.delivery.request_id, owed.delivery.n) for owed in page]
        filter_ = replace(filter_, after=found[-1])
    keys = [(request_id, n) for request_id in stored for n in (1, 2)]
    assert found == (keys if to_send else keys[::-1])


async def test_filters_narrow_down_what_is_found(store: Store):
    """By client, topic, status and conversation, alone and together; a list of topics may be empty."""
    one = (await ask(store, conversation_id="c")).request.id
    two = (await ask(store, client="other", conversation_id="c", at=NOW + 1)).request.id
    three = (await ask(store, topic="pricing", at=NOW + 2)).request.id
    await move(store, three, Status.CANCELLED)
    assert await ids(store, client="bot") == [three, one]
    assert await ids(store, topic="sales") == [two, one]
    assert await ids(store, status=Status.CANCELLED) == [three]
    assert await ids(store, conversation_id="c") == [two, one]
    assert await ids(store, client="bot", conversation_id="c") == [one]
    assert await ids(store, topics=frozenset({"pricing", "x"})) == [three]
    assert await ids(store, topics=frozenset()) == []
    assert await ids(store, client="nobody") == []


async def test_a_rerouted_request_is_found_by_every_topic_it_was_on(store: Store):
    """For a client that may see some topics only; by the filter `topic` it is where it is now. Names are literal."""
    snapshot = (await ask(store, topic="a_b")).request.id
    for topic in ("pricing", "returns"):
        command = Command(snapshot, Actor("api", "desk"), NOW)
        await store.change(Reroute(command, topic, topic.title(), (notice(request(), 1),), None))
    for seen in ("a_b", "pricing", "returns"):
        assert await ids(store, topics=frozenset({seen, "x"})) == [snapshot]
        assert await ids(store, topic=seen) == ([snapshot] if seen == "returns" else [])
    for other in ("axb", "a%", "a_", "returns2", '"'):
        assert await ids(store, topics=frozenset({other})) == []


async def test_a_page_has_the_deliveries_of_each_request(store: Store):
    """In their order."""
    first, second = await ask(store, "a", "b"), await ask(store, "c", at=NOW + 1)
    found = await store.page(ALL)
    assert found == [(second.request, second.deliveries), (first.request, first.deliveries)]


async def test_what_is_not_there_is_not_found(store: Store):
    """None for a request, nothing for its time line and its tries."""
    unknown = request().id
    assert await store.get(unknown) is None
    assert await store.time_line(unknown) == []
    assert await store.tries(unknown) == []


async def test_the_time_line_goes_on_after_an_event(store: Store):
    """A client that has read some of it gets the rest."""
    accepted = await ask(store)
    await move(store, accepted.request.id, Status.CLAIMED)
    await move(store, accepted.request.id, Status.RESOLVED)
    assert [event.sequence for event in await store.time_line(accepted.request.id, after=1)] == [2, 3]


async def test_a_change_wakes_who_waits_for_its_request(store: Store):
    """For this request only, and by every kind of change."""
    accepted, other = await ask(store, conversation_id="c"), await ask(store)
    with (
        store.changes.subscribe(accepted.request.id) as changed,
        store.changes.subscribe(other.request.id) as unchanged,
    ):
        [job] = [each for each in await dequeue(store) if each.request.id == accepted.request.id]
        for change in (
            lambda: record_outcome(store, job, State.DELIVERED),
            lambda: ask(store, conversation_id="c"),
            lambda: move(store, accepted.request.id, Status.CLAIMED),
        ):
            changed.clear()
            await change()
            async with asyncio.timeout(5):
                await changed.wait()
        assert not unchanged.is_set()


async def test_readers_see_whole_commits_while_writers_write(store: Store):
    """A request never without its delivery, a delivery's end never without the request's."""

    async def write() -> None:
        for _ in range(20):
            accepted = await ask(store)
            for job in await dequeue(store):
                await record_outcome(store, job, State.DELIVERED)
            await move(store, accepted.request.id, Status.CLAIMED)

    writing = asyncio.ensure_future(write())
    reads = 0
    while not writing.done():
        for seen, owed in await store.page(ALL):
            assert len([each for each in owed if each.n == 1]) == 1
            assert (owed[0].state is State.DELIVERED) is (seen.notified_at is not None)
        reads += 1
    await writing
    assert reads > 1


@pytest.mark.parametrize("at", [NOW, NOW + 10], ids=["now", "later"])
async def test_a_store_that_can_be_written_to_says_so(store: Store, at: float):
    """Again and again."""
    await store.check_writable(at)
    await store.check_writable(at)
    assert store.broken is None
    assert await store.recover(Recovery(at)) == 0


async def test_what_only_a_newer_version_knows_does_not_hide_the_rest(store: Store):
    """Old and new processes run side by side: a kind or event that the old one does not know is left out and logged."""
    word = f"new{uuid7(NOW)[-5:]}"
    of = request()
    known = notice(of, 2)
    await store.accept(new(notice(of, 1), known, notice(of, 3, "mail"), update(known, 4), of=of))

    def write(connection: Connection, _items: Sequence[None]) -> list[None]:
        connection.execute(text("UPDATE deliveries SET kind = :word WHERE n = 1"), {"word": word})
        connection.execute(text("UPDATE deliveries SET state = :word WHERE n = 3"), {"word": word})
        connection.execute(text("UPDATE events SET type = :word"), {"word": word})
        return [None]

    await store.accepting.write(write, None)
    with capture_logs() as logs:
        [job] = await dequeue(store)
        await record_outcome(store, job, State.DELIVERED)
        for _ in range(2):
            assert await dequeue(store) == []
            assert [(each.n, each.state) for each in await deliveries(store, of.id)] == [
                (2, State.DELIVERED),
                (4, State.PENDING),
            ]
        assert [event.type for event in await store.time_line(of.id)] == [EventType.NOTIFIED]
    assert [line["event"] for line in logs] == ["row_of_a_newer_version"] * 3
