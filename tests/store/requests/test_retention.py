"""What is kept, and for how long."""

from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.store.asks import ALL, NOW, WEEK, ask, dequeue, events, key, move, new, record_outcome, request

from assistance.model import Actor, Attempt, Customer, EventType, Link, Outcome, State, Status
from assistance.store import Acceptance, Command, DeliveryOutcome, Erasure, FollowUp, Recorded, Reply, Retained, Store
from assistance.store.requests import retention

DAY = 86_400.0
ERASED, DELETED = NOW + 90 * DAY + 1, NOW + 365 * DAY + 1
WORDS: dict[str, Any] = {
    "description": "a secret wish",
    "customer": Customer("Ana Secret"),
    "links": (Link("secret", "https://example.com/secret"),),
    "metadata": {"note": "secret"},
}


async def rows(store: Store) -> dict[str, int]:
    """How many rows each table has that holds something of requests."""
    tables = "requests", "deliveries", "attempts", "events", "idempotency"

    def count(connection: Connection) -> dict[str, int]:
        return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}

    return await store.read(count)


async def delivered(store: Store, **changes: Any) -> str:
    """A request that has been delivered, with text in every place."""
    accepted = await ask(store, **WORDS, **changes)
    [job] = await dequeue(store, "slack")
    attempt = Attempt(NOW, 0.1, Outcome.DELIVERED, None, "200", "you said: a secret wish")
    assert (
        await store.record_outcome(DeliveryOutcome(job.delivery, State.DELIVERED, attempt, NOW, "ref"))
        is not Recorded.LATE
    )
    return accepted.request.id


async def test_what_a_customer_wrote_is_erased_after_ninety_days(store: Store):
    """Everywhere, with an event that says so; that there was a request stays."""
    request_id = await delivered(store, conversation_id="c")
    await ask(store, conversation_id="c", description="another secret")
    assert await store.retain(NOW + 90 * DAY - 1) == Retained(0, 0, 0)
    await record_outcome(store, (await dequeue(store, at=NOW + 1))[0], State.DELIVERED)
    assert (await store.retain(ERASED)).erased == 1
    seen = await store.get(request_id)
    assert seen is not None
    assert "secret" not in repr((seen, seen[0].description, seen[0].follow_ups, await store.tries(request_id)))
    assert (seen[0].description, seen[0].follow_ups, seen[0].customer) == (None, (), None)
    assert (seen[0].links, seen[0].metadata) == ((), {})
    line = await events(store, request_id)
    assert (line[-1].type, line[-1].sequence) == (EventType.ERASED, seen[0].sequence)
    assert (await store.retain(ERASED)).erased == 0


async def test_what_still_waits_to_be_sent_is_not_erased(store: Store):
    """No message is sent without its text; once it is sent, the text is erased."""
    accepted = await ask(store, **WORDS)
    assert (await store.retain(ERASED)).erased == 0
    [job] = await dequeue(store, at=ERASED)
    assert job.request.description == "a secret wish"
    await record_outcome(store, job, State.DELIVERED, at=ERASED)
    assert (await store.retain(ERASED)).erased == 1
    seen = await store.get(accepted.request.id)
    assert seen is not None
    assert seen[0].description is None


@pytest.mark.parametrize("how", ["added", "asked", "replied"])
async def test_what_is_said_after_an_erasure_is_erased_too(store: Store, how: str):
    """By whichever call; after the next erasure nothing is left."""
    request_id = await delivered(store, conversation_id="c")
    command = Command(request_id, Actor("api", "desk"), NOW + 1)
    await store.change(Erasure(command, ()))
    if how == "asked":
        assert (await ask(store, conversation_id="c", description="a secret")).request.id == request_id
    elif how == "added":
        await store.change(FollowUp(command, "a secret"))
    else:
        await store.change(Reply(command, "a secret"))
    for job in await dequeue(store, at=NOW + 2):
        await record_outcome(store, job, State.DELIVERED, at=NOW + 2)
    assert [(await store.retain(ERASED)).erased for _ in range(2)] == [1, 0]
    seen = await store.get(request_id)
    assert seen is not None
    assert (seen[0].description, seen[0].follow_ups) == (None, ())
    assert "secret" not in repr(await events(store, request_id))


async def test_what_is_erased_during_a_send_does_not_come_back_with_the_answer(store: Store):
    """A provider quotes what it was sent; how the try ended stays."""
    request_id = (await ask(store, **WORDS)).request.id
    [job] = await dequeue(store)
    await store.change(Erasure(Command(request_id, Actor("api", "desk"), NOW + 1), ()))
    attempt = Attempt(NOW, 0.1, Outcome.FAILED, "rejected", "400", "you said: a secret wish")
    assert await store.record_outcome(DeliveryOutcome(job.delivery, State.FAILED, attempt, NOW)) is not Recorded.LATE
    [(_, [kept])] = await store.tries(request_id)
    assert (kept.outcome, kept.code, kept.answer) == (Outcome.FAILED, "400", None)


async def test_idempotency_keys_are_deleted_with_their_answers_when_their_time_is_over(store: Store):
    """Until then a replay is known."""
    await store.accept(new(of=request(), key=key("k")))
    assert (await store.retain(NOW + WEEK - 1)).keys == 0
    assert (await store.accept(new(of=request(NOW + WEEK - 1), key=key("k")))).how is Acceptance.REPLAYED
    assert (await store.retain(NOW + WEEK)).keys == 1
    assert (await rows(store))["idempotency"] == 0


async def test_what_is_over_is_deleted_after_a_year(store: Store):
    """With all that belongs to it; what is open, or still owed, stays."""
    over = await delivered(store)
    await move(store, over, Status.CLAIMED)
    for job in await dequeue(store):
        await record_outcome(store, job, State.DELIVERED)
    open_ = (await ask(store, "mail")).request.id
    assert (await store.retain(DELETED)).deleted == 0
    await move(store, over, Status.RESOLVED)
    for job in await dequeue(store):
        await record_outcome(store, job, State.DELIVERED)
    assert (await store.retain(DELETED - 2)).deleted == 0
    assert (await store.retain(DELETED)).deleted == 1
    assert [seen[0].id for seen in await store.page(ALL)] == [open_]
    assert await rows(store) == {"requests": 1, "deliveries": 1, "attempts": 0, "events": 1, "idempotency": 0}


async def test_much_is_deleted_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch):
    """No step is larger than it may be, and nothing is left over."""
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    ids = [(await store.accept(new(of=request(), key=key(f"k{n}")))).request.id for n in range(10)]
    for job in await dequeue(store, room=20):
        await record_outcome(store, job, State.DELIVERED)
    for request_id in ids:
        await move(store, request_id, Status.CANCELLED)
    for job in await dequeue(store, room=20):
        await record_outcome(store, job, State.DELIVERED)
    assert await store.retain(DELETED) == Retained(10, 10, 10)
    assert await rows(store) == dict.fromkeys(("requests", "deliveries", "attempts", "events", "idempotency"), 0)


async def test_a_clock_that_starts_in_1970_deletes_nothing(store: Store):
    """The service goes on."""
    await ask(store)
    assert await store.retain(1.0) == Retained(0, 0, 0)
