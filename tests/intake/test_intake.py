"""From a valid body to a request on stable storage, over a real store."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.clock import ManualClock

from assistance.channels.log import Log
from assistance.intake import Ask, Caller, Intake, UnknownCallbackError, answer
from assistance.model import Condition, Status
from assistance.routing import Callback, Routing, Step, Topic, UnknownTopicError
from assistance.security import MissingScopeError
from assistance.store import (
    Acceptance,
    Accepted,
    Dequeue,
    Dequeued,
    KeyReusedError,
    Lease,
    Store,
    open_store,
)
from assistance.telemetry import Metrics, set_up_metrics

WEEK = 7 * 86_400.0
ANA = Caller("bot-1", None, "call-7", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")


@dataclass
class Door:
    """Intake with what is around it."""

    store: Store
    clock: ManualClock
    woken: list[None]
    metrics: Metrics
    intake: Intake

    async def ask(self, key: str | None = None, caller: Caller = ANA, body: bytes = b"body", **more: Any) -> Accepted:
        ask = Ask.model_validate({"topic": "sales", "description": "Help", **more})
        return await self.intake.accept(ask, caller, (key, body) if key else None)


def routing() -> Routing:
    """Sales notifies two channels at once and a third after a minute; pricing one."""
    first, failover = Step(("slack", "desk")), Step(("mail",), 60, Condition.UNDELIVERED)
    topics = {
        "sales": Topic("sales", "Sales", "", None, (first, failover), expected_response=900.0),
        "later": Topic("later", "Later", "", None, (Step(("slack",), 60),)),
        "pricing": Topic("pricing", "Pricing", "", None, (Step(("mail",)), Step(("desk",), 60, Condition.UNDELIVERED))),
    }
    channels = {name: Log() for name in ("slack", "desk", "mail")}
    callback = Callback.model_construct(url="https://bot.example", secrets=[], clients=["bot-1"])
    return Routing("f", "", topics, channels, {}, {"shop": callback}, (), (), {})


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store, clock, metrics = open_store(f"sqlite:///{tmp_path}/a.db"), ManualClock(), set_up_metrics({}, "")
    woken: list[None] = []
    store.on_due(lambda: woken.append(None))
    yield Door(store, clock, woken, metrics, Intake(store, routing, clock, metrics))
    store.close()
    metrics.shutdown()


async def test_an_ask_becomes_a_request_with_all_that_is_owed(door: Door):
    """Stored with who asked and how to trace it; the dispatcher is woken by the commit."""
    accepted = await door.ask(metadata={"a": 1}, conversation_id="c", expires_in=60)
    seen = await door.store.get(accepted.request.id)
    assert seen is not None
    request, owed = seen
    assert (request.client, request.correlation_id, request.traceparent) == (
        "bot-1",
        ANA.correlation_id,
        ANA.traceparent,
    )
    assert (request.topic, request.topic_title, request.status) == ("sales", "Sales", Status.ACCEPTED)
    assert (request.expires_at, request.expected_response) == (door.clock.now() + 60, door.clock.now() + 900)
    assert [(d.channel, d.state) for d in owed] == [("slack", "pending"), ("desk", "pending"), ("mail", "pending")]
    assert len(door.woken) == 1


async def test_topics_are_found_in_any_case(door: Door):
    """`SALES` is sales."""
    assert (await door.ask(topic="SaLeS")).request.topic == "sales"


async def test_an_unknown_topic_is_refused(door: Door):
    """Nothing is stored."""
    with pytest.raises(UnknownTopicError):
        await door.ask(topic="weather")
    assert len(door.woken) == 0


async def test_a_caller_asks_on_its_own_topics_only(door: Door):
    """The scope that is missing is named; a topic that there is not is refused with those that the caller may use."""
    narrow = Caller("bot-1", frozenset({"sales"}))
    assert (await door.ask(caller=narrow)).request.topic == "sales"
    with pytest.raises(MissingScopeError) as missing:
        await door.ask(topic="Pricing", caller=narrow)
    assert missing.value.scope == "request-assistance:pricing"
    with pytest.raises(UnknownTopicError) as unknown:
        await door.ask(topic="weather", caller=narrow)
    assert unknown.value.allowed == ("sales",)


async def test_each_call_is_counted_once(door: Door):
    """Under its topic where the caller may use it, never under a name of the caller's; what is accepted is timed."""
    await door.ask("k", conversation_id="c")
    await door.ask("k", conversation_id="c")
    await door.ask(conversation_id="c")
    for refused in ({"topic": "weather"}, {"caller": Caller("bot-1", frozenset())}, {"callback": "other"}):
        with pytest.raises(LookupError if "caller" not in refused else MissingScopeError):
            await door.ask(**refused)
    text = door.metrics.text().decode()
    found = re.findall(r'^assistance_requests_total\{outcome="(\w+)",topic="(\w+)"\} (\d)', text, re.MULTILINE)
    assert sorted(found) == [
        ("created", "sales", "1"),
        ("follow_up", "sales", "1"),
        ("refused", "sales", "1"),
        ("refused", "unknown", "2"),
        ("replayed", "sales", "1"),
    ]
    assert "assistance_accept_seconds_count 3" in text


async def test_a_callback_must_be_the_clients_own(door: Door):
    """Registered, and for this client."""
    assert (await door.ask(callback="shop")).request.callback == "shop"
    with pytest.raises(UnknownCallbackError):
        await door.ask(callback="other")
    with pytest.raises(UnknownCallbackError):
        await door.ask(callback="shop", caller=Caller("bot-2"))


async def test_the_same_key_and_body_give_the_same_answer(door: Door):
    """Byte for byte, with the state it had then, and nothing is opened."""
    first = await door.ask("k", stray=1)
    again = await door.ask("k", stray=1)
    assert (again.how, again.request.id) == (Acceptance.REPLAYED, first.request.id)
    assert again.answer == (201, answer(first.request, first.deliveries, ["stray"]))
    assert len(door.woken) == 1


async def test_the_same_key_with_another_body_is_refused(door: Door):
    """A mistake of the bot, not a second request."""
    await door.ask("k")
    with pytest.raises(KeyReusedError):
        await door.ask("k", body=b"other")
    assert len(door.woken) == 1


async def test_a_key_belongs_to_its_client(door: Door):
    """Two bots may use the same one."""
    first, second = await door.ask("k"), await door.ask("k", caller=Caller("bot-2"))
    assert first.request.id != second.request.id


async def test_a_key_is_remembered_for_a_week(door: Door):
    """A second before it is over the answer is the same; then it is a new ask."""
    first = await door.ask("k")
    door.clock.advance(WEEK - 1)
    assert (await door.ask("k")).request.id == first.request.id
    door.clock.advance(1)
    assert (await door.ask("k")).how is Acceptance.CREATED


async def test_the_same_key_at_the_same_time_opens_one_request(door: Door):
    """Whoever comes first is stored; the others hear its answer."""
    accepted = await asyncio.gather(*(door.ask("k") for _ in range(20)))
    assert Counter(each.how for each in accepted) == {Acceptance.CREATED: 1, Acceptance.REPLAYED: 19}
    assert len({each.request.id for each in accepted}) == 1


async def test_a_conversation_is_one_request(door: Door):
    """Five calls for an impatient customer, at once, are one request with four follow-ups."""
    accepted = await asyncio.gather(*(door.ask(conversation_id="c", description=f"{n}") for n in range(5)))
    assert Counter(each.how for each in accepted) == {Acceptance.CREATED: 1, Acceptance.FOLLOW_UP: 4}
    seen = await door.store.get(accepted[0].request.id)
    assert seen is not None
    assert seen[0].follow_ups == ("1", "2", "3", "4")


async def test_a_follow_up_wakes_the_dispatcher_for_its_updates(door: Door):
    """Two channels have the notice; without it their updates would wait a second."""
    first = await door.ask(conversation_id="c")
    assert len((await dequeued(door, "slack", "desk")).jobs) == 2
    second = await door.ask(conversation_id="c")
    assert second.request.id == first.request.id
    assert len(door.woken) == 2


async def dequeued(door: Door, *channels: str) -> Dequeued:
    rooms = dict.fromkeys(channels, 1)
    return await door.store.dequeue(Dequeue(rooms, Lease("one", 30), door.clock.now(), lambda _hours, _at: True))


async def test_conversations_differ_by_client_and_topic(door: Door):
    """The same id elsewhere is another conversation."""
    ids = {
        (await door.ask(conversation_id="c")).request.id,
        (await door.ask(conversation_id="c", topic="pricing")).request.id,
        (await door.ask(conversation_id="c", caller=Caller("bot-2"))).request.id,
    }
    assert len(ids) == 3


async def test_nobody_is_woken_for_what_is_due_later(door: Door):
    """A step after a minute waits for its time."""
    await door.ask(topic="later")
    assert len(door.woken) == 0


async def test_the_answer_names_what_was_ignored(door: Door):
    """Beside the request as everybody sees it."""
    accepted = await door.ask(metadata={"n": 10**25})
    body = json.loads(answer(accepted.request, accepted.deliveries, ["colour"]))
    assert (body["id"], body["ignored"], body["metadata"]) == (accepted.request.id, ["colour"], {"n": 10**25})
