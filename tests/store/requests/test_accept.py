"""Accepting: once a key, once a conversation, all or nothing."""

import asyncio
from dataclasses import replace

import pytest
from tests.store.asks import (
    ALL,
    NOW,
    WEEK,
    ask,
    deliveries,
    dequeue,
    events,
    key,
    move,
    new,
    notice,
    record_outcome,
    render,
    request,
    states,
    status,
)

from assistance.model import MOST_FOLLOW_UPS, Actor, Customer, EventType, Kind, Link, Priority, State, Status
from assistance.store import (
    Acceptance,
    Command,
    FollowUp,
    KeyReusedError,
    Store,
    TooManyFollowUpsError,
    Unpark,
    open_store,
)


async def test_a_request_comes_back_as_it_was_accepted(store: Store):
    """Every field of a request and of its deliveries survives the database."""
    of = request(
        topic_title="Sales",
        description="¿Cuánto? 😀 \u2028 \x1b <b>&amp;",
        conversation_id="c-1",
        customer=Customer("Ana", "ana@example.com", None, "es", None),
        links=(Link("Order", "https://example.com/?a=1&b=2"),),
        priority=Priority.URGENT,
        callback="shop",
        metadata={"text": "é\x00", "number": 1.5, "none": None, "yes": True},
        expected_response=NOW + 60,
        traceparent="00-1-2-03",
        correlation_id="r-1",
    )
    owed = notice(of, 1), notice(of, 2, "mail", due_at=NOW + 60, hours="Mon 09:00-10:00 UTC", person=False)
    accepted = await store.accept(new(*owed, of=of))
    assert (accepted.how, accepted.request, accepted.deliveries) == (Acceptance.CREATED, of, owed)
    assert await store.get(of.id) == (of, owed)
    assert [(event.sequence, event.type, event.actor) for event in await events(store, of.id)] == [
        (1, EventType.ACCEPTED, Actor.of_client("bot"))
    ]


async def test_what_is_accepted_is_there_after_a_restart(url: str):
    """Nothing is kept in memory only."""
    store = open_store(url)
    accepted = await ask(store)
    store.close()
    store = open_store(url)
    assert await store.get(accepted.request.id) == (accepted.request, accepted.deliveries)
    store.close()


async def test_the_same_key_and_body_get_the_same_answer(store: Store):
    """A replay stores nothing and answers with the first one's id, status and body."""
    first = await store.accept(new(of=request(), key=key("k")))
    again = await store.accept(new(of=request(), key=key("k")))
    assert (again.how, again.request.id) == (Acceptance.REPLAYED, first.request.id)
    assert again.answer == (201, render(first.request, first.deliveries))
    assert len(await store.page(ALL)) == 1


async def test_the_same_key_with_another_body_is_refused(store: Store):
    """The fingerprint decides, and nothing is stored."""
    await store.accept(new(of=request(), key=key("k", "one")))
    with pytest.raises(KeyReusedError):
        await store.accept(new(of=request(), key=key("k", "two")))
    assert len(await store.page(ALL)) == 1


async def test_the_same_key_of_another_client_is_another_key(store: Store):
    """Keys belong to their client."""
    await store.accept(new(of=request(), key=key("k", "one")))
    other = await store.accept(new(of=request(client="other"), key=key("k", "two")))
    assert other.how is Acceptance.CREATED


async def test_a_key_can_be_used_again_when_its_time_is_over(store: Store):
    """After its week it is a new key, and protects the new request."""
    first = await store.accept(new(of=request(), key=key("k", "one", expires_at=NOW + 10)))
    before = await store.accept(new(of=request(NOW + 9), key=key("k", "one")))
    after = await store.accept(new(of=request(NOW + 10), key=key("k", "two", expires_at=NOW + WEEK)))
    again = await store.accept(new(of=request(NOW + 11), key=key("k", "two")))
    assert (before.request.id, again.request.id) == (first.request.id, after.request.id)


async def test_one_of_many_concurrent_accepts_with_one_key_is_stored(store: Store):
    """In one group or in several: all get the same request."""
    accepted = await asyncio.gather(*(store.accept(new(of=request(), key=key("k"))) for _ in range(50)))
    assert [each.how for each in accepted].count(Acceptance.CREATED) == 1
    assert len({each.request.id for each in accepted}) == 1
    assert len(await store.page(ALL)) == 1


async def test_another_body_in_the_same_group_is_refused(store: Store):
    """A key counts from the first accept on, although nothing is committed yet."""
    asks = [store.accept(new(of=request(), key=key("k", body))) for body in ("one", "two", "one")]
    first, refused, again = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(refused, KeyReusedError)
    assert not isinstance(first, BaseException)
    assert not isinstance(again, BaseException)
    assert first.request.id == again.request.id


async def test_a_second_request_in_an_open_conversation_follows_it_up(store: Store):
    """The same request, one more event, the new text beside the old one, no update where the notice is not sent yet."""
    first = await ask(store, conversation_id="c")
    second = await ask(store, conversation_id="c", description="And hurry", at=NOW + 5)
    assert (second.how, second.request.id, second.request.sequence) == (Acceptance.FOLLOW_UP, first.request.id, 2)
    seen = await store.get(first.request.id)
    assert seen is not None
    assert (seen[0].description, seen[0].follow_ups, seen[0].sequence) == ("Please call", ("And hurry",), 2)
    assert seen[1] == first.deliveries
    assert [event.type for event in await events(store, first.request.id)] == [
        EventType.ACCEPTED,
        EventType.FOLLOWED_UP,
    ]


async def test_a_request_has_so_many_follow_ups_at_most(store: Store):
    """By an accept or by their own call; in one group the first are stored, and those of other requests."""
    asks = [ask(store, conversation_id="c", description=f"{n}") for n in range(MOST_FOLLOW_UPS + 3)]
    results = await asyncio.gather(*asks, ask(store), return_exceptions=True)
    dequeued = [each.request.id for each in results if not isinstance(each, BaseException)]
    assert len(dequeued) == MOST_FOLLOW_UPS + 2
    assert {type(each) for each in results if isinstance(each, BaseException)} == {TooManyFollowUpsError}
    with pytest.raises(TooManyFollowUpsError):
        await store.change(FollowUp(Command(dequeued[0], Actor("api", "bot"), NOW), "one more"))
    seen = await store.get(dequeued[0])
    assert seen is not None
    assert len(seen[0].follow_ups) == MOST_FOLLOW_UPS


async def test_a_follow_up_gets_an_update_where_the_notice_was_sent(store: Store):
    """One update for each channel whose notice is delivered or being sent, none for the others."""
    first = await ask(store, "slack", "mail", "log", conversation_id="c")
    [job] = await dequeue(store, "slack")
    await record_outcome(store, job, State.DELIVERED)
    await dequeue(store, "mail")
    second = await ask(store, conversation_id="c", at=NOW + 5)
    updates = [each for each in second.deliveries if each.kind is Kind.UPDATE]
    assert [(each.n, each.channel, each.about, each.due_at) for each in updates] == [
        (4, "slack", 3, NOW + 5),
        (5, "mail", 3, NOW + 5),
    ]
    assert await deliveries(store, first.request.id) == list(second.deliveries)


async def test_accepts_of_one_conversation_in_one_group_are_one_request(store: Store):
    """The first opens it, all others follow up in their order."""
    accepted = await asyncio.gather(*(ask(store, conversation_id="c", description=f"{n}") for n in range(20)))
    assert [each.how for each in accepted].count(Acceptance.CREATED) == 1
    [(request_, _)] = await store.page(ALL)
    assert sorted([request_.description or "", *request_.follow_ups], key=int) == [f"{n}" for n in range(20)]
    assert request_.sequence == 20


@pytest.mark.parametrize("end", [Status.CANCELLED, Status.RESOLVED])
async def test_a_conversation_begins_again_when_its_request_is_over(store: Store, end: Status):
    """What is over stays as it is."""
    first = await ask(store, conversation_id="c")
    await move(store, first.request.id, end)
    second = await ask(store, conversation_id="c")
    assert second.how is Acceptance.CREATED
    assert second.request.id != first.request.id


async def test_a_conversation_belongs_to_its_client_and_topic(store: Store):
    """The same id of another client or topic is another conversation."""
    accepted = [
        await ask(store, conversation_id="c"),
        await ask(store, conversation_id="c", client="other"),
        await ask(store, conversation_id="c", topic="pricing"),
        await ask(store),
        await ask(store),
    ]
    assert {each.how for each in accepted} == {Acceptance.CREATED}


async def test_a_replay_of_a_follow_up_answers_as_the_first_time(store: Store):
    """Its status is 200, and nothing is added twice."""
    await ask(store, conversation_id="c")
    first = await store.accept(new(of=request(conversation_id="c"), key=key("k")))
    again = await store.accept(new(of=request(conversation_id="c"), key=key("k")))
    assert (first.how, again.answer) == (Acceptance.FOLLOW_UP, (200, render(first.request, first.deliveries)))
    assert await status(store, first.request.id) == Status.ACCEPTED
    assert len(await events(store, first.request.id)) == 2


async def test_what_was_planned_as_parked_goes_on_when_the_channel_is_mended(store: Store):
    """A request accepted while its channel is parked waits with it."""
    of = request()
    await store.accept(new(replace(notice(of, 1), state=State.PARKED), of=of))
    assert await states(store, of.id) == [State.PARKED]
    assert await dequeue(store) == []
    await store.unpark(Unpark("slack", NOW))
    assert [job.delivery.n for job in await dequeue(store)] == [1]
