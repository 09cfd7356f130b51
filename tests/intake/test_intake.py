"""From an ask to a request on stable storage, over a real store."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from tests.fakes.clock import ManualClock

from assistance.channels.log import Log
from assistance.intake import Ask, Caller, Intake, UnknownCallbackError, UnknownTopicError, answer
from assistance.model import Condition, Status, uuid7
from assistance.routing import Callback, Routing, Step, Topic
from assistance.store import (
    Acceptance,
    Accepted,
    Freeze,
    Job,
    KeyReusedError,
    Lease,
    NewRequest,
    Store,
    StoreUnavailableError,
    open_store,
)

WEEK = 7 * 86_400.0
ANA = Caller("bot-1", "call-7", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")


@dataclass
class Hand:
    """A dispatcher that only takes what it is given, `room` at most on each channel."""

    room: int = 100
    parked: Mapping[str, str] = field(default_factory=dict)
    reserved: Counter[str] = field(default_factory=Counter)
    handed: list[Job] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def lease(self) -> Lease:
        return Lease("hand", 30)

    def reserve(self, channel: str) -> bool:
        if self.reserved[channel] >= self.room or channel in self.parked:
            return False
        self.reserved[channel] += 1
        return True

    def unreserve(self, channel: str) -> None:
        self.reserved[channel] -= 1

    def hand(self, job: Job) -> None:
        self.reserved[job.delivery.channel] -= 1
        self.handed.append(job)

    def due(self, channel: str) -> None:
        self.told.append(channel)


@dataclass
class Door:
    """Intake with what is around it."""

    store: Store
    clock: ManualClock
    hand: Hand
    intake: Intake

    async def ask(self, key: str | None = None, caller: Caller = ANA, body: bytes = b"body", **more: Any) -> Accepted:
        ask = Ask.model_validate({"topic": "sales", "description": "Help", **more})
        return await self.intake.accept(ask, caller, (key, body) if key else None)

    @property
    def promised(self) -> int:
        """How much room is promised and neither used nor given back."""
        return self.hand.reserved.total()


def routing() -> Routing:
    """Sales tells two at once and a third after a minute; pricing one."""
    first, failover = Step(("slack", "desk")), Step(("mail",), 60, Condition.UNDELIVERED)
    topics = {
        "sales": Topic("sales", "Sales", "", None, (first, failover), expected_response=900.0),
        "pricing": Topic("pricing", "Pricing", "", None, (Step(("mail",)), Step(("desk",), 60, Condition.UNDELIVERED))),
    }
    channels = {name: Log() for name in ("slack", "desk", "mail")}
    callback = Callback.model_construct(url="https://bot.example", secrets=[], clients=["bot-1"])
    return Routing("f", "", topics, channels, {}, {"shop": callback}, (), (), {})


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store, clock, hand = open_store(f"sqlite:///{tmp_path}/a.db"), ManualClock(), Hand()
    yield Door(store, clock, hand, Intake(store, routing, clock, uuid7, hand))
    store.close()


async def test_an_ask_becomes_a_request_with_all_that_is_owed(door: Door):
    """Stored with who asked and how to trace it; what is due at once is handed over under a lease."""
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
    assert [(d.channel, d.state) for d in owed] == [("slack", "sending"), ("desk", "sending"), ("mail", "pending")]
    assert [(job.delivery.n, job.delivery.fence) for job in door.hand.handed] == [(1, 1), (2, 1)]
    assert door.promised == 0
    assert door.hand.told == []


async def test_topics_are_found_in_any_case(door: Door):
    """`SALES` is sales."""
    assert (await door.ask(topic="SaLeS")).request.topic == "sales"


async def test_an_unknown_topic_is_refused(door: Door):
    """Nothing is stored and nothing promised."""
    with pytest.raises(UnknownTopicError):
        await door.ask(topic="weather")
    assert door.promised == 0


async def test_a_callback_must_be_the_clients_own(door: Door):
    """Registered, and for this client."""
    assert (await door.ask(callback="shop")).request.callback == "shop"
    with pytest.raises(UnknownCallbackError):
        await door.ask(callback="other")
    with pytest.raises(UnknownCallbackError):
        await door.ask(callback="shop", caller=Caller("bot-2"))


async def test_the_same_key_and_body_give_the_same_answer(door: Door):
    """Word for word, with the state it had then, and nothing is opened or promised."""
    first = await door.ask("k", stray=1)
    again = await door.ask("k", stray=1)
    assert (again.how, again.request.id) == (Acceptance.REPLAYED, first.request.id)
    assert again.answer == (201, answer(first.request, first.deliveries, ["stray"]))
    assert door.promised == 0
    assert len(door.hand.handed) == 2


async def test_the_same_key_with_another_body_is_refused(door: Door):
    """A mistake of the bot, not a second ask; the promise is given back."""
    await door.ask("k")
    with pytest.raises(KeyReusedError):
        await door.ask("k", body=b"other")
    assert door.promised == 0


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
    assert door.promised == 0


async def test_a_conversation_is_one_request(door: Door):
    """Five asks of an impatient customer, at once, are one request with four follow-ups."""
    accepted = await asyncio.gather(*(door.ask(conversation_id="c", description=f"{n}") for n in range(5)))
    assert Counter(each.how for each in accepted) == {Acceptance.CREATED: 1, Acceptance.FOLLOW_UP: 4}
    seen = await door.store.get(accepted[0].request.id)
    assert seen is not None
    assert seen[0].follow_ups == ("1", "2", "3", "4")
    assert door.promised == 0


async def test_a_follow_up_tells_the_dispatcher_of_its_updates(door: Door):
    """They are in the store, and nobody would look there for a second otherwise."""
    await door.ask(conversation_id="c")
    await door.ask(conversation_id="c")
    assert Counter(door.hand.told) == {"slack": 1, "desk": 1}


async def test_conversations_differ_by_client_and_topic(door: Door):
    """The same id elsewhere is another conversation."""
    ids = {
        (await door.ask(conversation_id="c")).request.id,
        (await door.ask(conversation_id="c", topic="pricing")).request.id,
        (await door.ask(conversation_id="c", caller=Caller("bot-2"))).request.id,
    }
    assert len(ids) == 3


class Gone:
    """A store that is gone."""

    async def accept(self, _new: NewRequest) -> Accepted:
        raise StoreUnavailableError


async def test_a_promise_is_given_back_when_nothing_was_stored(door: Door):
    """A store that is gone costs the caller an error and the lane nothing."""
    intake = Intake(cast("Store", Gone()), routing, door.clock, uuid7, door.hand)
    with pytest.raises(StoreUnavailableError):
        await intake.accept(Ask(topic="sales", description="Help"), ANA)
    assert door.promised == 0
    assert door.hand.handed == []


async def test_a_caller_who_gives_up_gives_the_promise_back(door: Door):
    """Cancelled while it waits for the commit."""
    asking = asyncio.create_task(door.ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert door.promised == 0


async def test_a_channel_frozen_meanwhile_keeps_no_promise(door: Door):
    """Another process heard `Retry-After`: stored without a lease, the room given back, the dispatcher told."""
    await door.store.freeze(Freeze("slack", door.clock.now() + 60))
    accepted = await door.ask()
    assert [delivery.state for delivery in accepted.deliveries] == ["pending", "sending", "pending"]
    assert [job.delivery.channel for job in door.hand.handed] == ["desk"]
    assert door.promised == 0
    assert door.hand.told == ["slack"]


async def test_a_lane_without_room_is_told_after_the_commit(door: Door):
    """What could not be promised waits in the store, and the dispatcher knows."""
    door.hand.room = 0
    accepted = await door.ask()
    assert [delivery.state for delivery in accepted.deliveries] == ["pending"] * 3
    assert door.hand.told == ["slack", "desk"]


async def test_a_parked_channel_is_planned_as_parked_and_its_failover_goes_at_once(tmp_path: Path):
    """The customer of a channel that is known to be wrong does not wait a minute for the other one."""
    store, clock, hand = open_store(f"sqlite:///{tmp_path}/a.db"), ManualClock(), Hand(parked={"mail": "credentials"})
    plan = routing()
    people = {name: _Person() for name in plan.channels}
    known = Routing("f", "", plan.topics, people, {}, {}, (), (), {})
    intake = Intake(store, lambda: known, clock, uuid7, hand)
    accepted = await intake.accept(Ask(topic="pricing", description="Help"), ANA)
    assert [(d.channel, d.state) for d in accepted.deliveries] == [("mail", "parked"), ("desk", "sending")]
    assert [d.last_error for d in accepted.deliveries] == ["credentials", None]
    store.close()


class _Person(Log):
    """A channel that a person reads."""

    person = True


async def test_without_a_dispatcher_everything_waits_in_the_store(door: Door):
    """A process that only takes in leases nothing."""
    intake = Intake(door.store, routing, door.clock, uuid7, None)
    accepted = await intake.accept(Ask(topic="sales", description="Help"), ANA)
    assert {delivery.state for delivery in accepted.deliveries} == {"pending"}


async def test_the_answer_names_what_was_ignored(door: Door):
    """Beside the request as everybody sees it."""
    accepted = await door.ask(metadata={"n": 10**25})
    body = json.loads(answer(accepted.request, accepted.deliveries, ["colour"]))
    assert (body["id"], body["ignored"], body["metadata"]) == (accepted.request.id, ["colour"], {"n": 10**25})
