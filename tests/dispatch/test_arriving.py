"""What is accepted arrives at once, in order, the urgent first, in exactly one copy."""

import asyncio
from typing import Any

import pytest
from tests.dispatch.stage import Stage

from assistance.model import Condition, Misconfigured, Reason
from assistance.routing import Step
from assistance.store import Freeze, StoreUnavailableError


def delayed(stage: Stage, name: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Delay the answer of that call of the store: an event set at its commit, and one that lets the answer through."""
    call, happened, go_on = getattr(stage.store, name), asyncio.Event(), asyncio.Event()

    async def slow(item: Any) -> Any:
        answer = await call(item)
        happened.set()
        await go_on.wait()
        return answer

    setattr(stage.store, name, slow)
    return happened, go_on


async def test_what_is_accepted_goes_out_at_once(stage: Stage):
    """Accepted and sent within the same instant: the commit wakes the dispatcher, which does not wait for its poll."""
    request_id = await stage.sent()
    assert stage.providers["slack"].keys == [f"{request_id}.1"]
    assert await stage.states(request_id) == ["delivered"]
    assert await stage.events(request_id) == ["accepted", "notified"]


async def test_one_request_costs_one_dequeue(stage: Stage):
    """A lane that has all that was due is not filled again before something is accepted."""
    stage.store.calls.clear()
    for _ in range(5):
        await stage.sent()
    assert stage.store.calls.count("dequeue") == 5


async def test_what_is_accepted_goes_out_in_order_with_the_urgent_first(stage: Stage):
    """Twenty that come while the channel is busy, the last of them urgent."""
    provider = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    await stage.sent()
    asked = []
    for _ in range(20):
        stage.clock.advance(0.001)
        asked.append(f"{(await stage.ask()).request.id}.1")
    await stage.quiet()
    urgent = f"{await stage.sent(priority='urgent')}.1"
    await stage.go_on(25, 0.25)
    assert [key for key in provider.keys[1:] if key != urgent] == asked
    assert provider.keys.index(urgent) <= 2


async def test_a_full_lane_is_filled_again_when_it_has_room(stage: Stage):
    """More than a lane has room for is accepted at once; all of it arrives within the instant, in one copy each."""
    hang = stage.providers["slack"].always = asyncio.Event()
    asked = [(await stage.ask()).request.id for _ in range(120)]
    await stage.quiet()
    assert len(stage.dispatcher.lanes["slack"].leased) == 16 + 2 * 16
    assert len(stage.providers["slack"].tried) == 16
    stage.store.calls.clear()
    hang.set()
    await stage.quiet()
    assert sorted(stage.providers["slack"].keys) == sorted(f"{request_id}.1" for request_id in asked)
    assert stage.store.calls.count("dequeue") <= 10


async def test_what_is_accepted_during_a_dequeue_goes_out_with_the_next(stage: Stage):
    """The wake is not lost, although the dequeue under way does not see it."""
    looked, go_on = delayed(stage, "dequeue")
    stage.dispatcher.wake()
    await looked.wait()
    asked = []
    for _ in range(5):
        stage.clock.advance(0.001)
        asked.append((await stage.ask()).request.id)
    go_on.set()
    await stage.quiet()
    assert stage.providers["slack"].keys == [f"{request_id}.1" for request_id in asked]


async def test_a_dequeue_that_fails_is_made_again(stage: Stage):
    """What was accepted goes out when the store is back, without another accept."""
    dequeue, failures = stage.store.dequeue, [StoreUnavailableError()]

    async def fails_once(item: Any) -> Any:
        if failures:
            raise failures.pop()
        return await dequeue(item)

    stage.store.dequeue = fails_once
    request_id = (await stage.ask()).request.id
    await stage.quiet()
    assert not stage.providers["slack"].tried
    await stage.go_on(1)
    assert stage.providers["slack"].keys == [f"{request_id}.1"]


async def test_a_request_whose_caller_gives_up_arrives_within_a_second(stage: Stage):
    """It may be stored all the same, and then nothing wakes the dispatcher."""
    stored, _ = delayed(stage, "accept")
    accepting = asyncio.create_task(stage.ask())
    await stored.wait()
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    await stage.go_on(1)
    assert len(stage.providers["slack"].delivered) == 1


async def test_nothing_arrives_of_a_request_that_is_not_stored(stage: Stage):
    """Nor does it keep the next one from arriving."""
    stage.store.down = True
    for _ in range(40):
        with pytest.raises(StoreUnavailableError):
            await stage.ask()
    stage.store.down = False
    request_id = await stage.sent()
    assert stage.providers["slack"].keys == [f"{request_id}.1"]


async def test_a_follow_up_arrives_at_once(stage: Stage):
    """A second request of a conversation opens nothing; what it says goes to the channels that have the notice."""
    await stage.sent(conversation_id="c1")
    await stage.sent(conversation_id="c1", description="And another thing")
    assert [message.body for message in stage.providers["slack"].delivered] == ["Help, please", "And another thing"]


async def test_a_channel_frozen_by_another_process_is_left_alone(stage: Stage):
    """Also where this process does not know of it yet: the message waits for its time, and is sent once."""
    await stage.store.store.freeze(Freeze("slack", stage.clock.now() + 10))
    request_id = await stage.sent()
    assert await stage.states(request_id) == ["pending"]
    await stage.go_on(9)
    assert not stage.providers["slack"].tried
    await stage.go_on(1.5)
    assert await stage.states(request_id) == ["delivered"]


async def test_what_is_accepted_for_a_lane_that_has_gone_is_parked(stage: Stage):
    """The routing file loses the channel during the accept: the message waits for it to come back."""
    stored, go_on = delayed(stage, "accept")
    accepting = asyncio.create_task(stage.ask())
    await stored.wait()
    slack = stage.channels.pop("slack")
    await stage.reload()
    go_on.set()
    request_id = (await accepting).request.id
    await stage.go_on(11)
    assert await stage.states(request_id) == ["parked"]
    assert not stage.providers["slack"].tried
    stage.channels["slack"] = slack
    await stage.reload()
    assert stage.providers["slack"].keys == [f"{request_id}.1"]


async def test_failover_of_a_parked_channel_goes_out_at_once(stage: Stage):
    """A request whose channel is parked already goes to the next one within the instant."""
    stage.route(Step(("slack",)), Step(("mail",), 60, Condition.UNDELIVERED))
    stage.providers["slack"].always = lambda: Misconfigured(Reason.CREDENTIALS)
    await stage.sent()
    stage.providers["mail"].delivered.clear()
    request_id = await stage.sent()
    assert stage.providers["mail"].keys == [f"{request_id}.2"]
    assert await stage.states(request_id) == ["parked", "delivered"]
