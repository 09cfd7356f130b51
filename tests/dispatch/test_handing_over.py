"""What is accepted in the same process goes out from memory."""

import asyncio

import pytest
from tests.dispatch.stage import Stage
from tests.fakes.clock import until

from assistance.model import Condition, Misconfigured, Reason
from assistance.routing import Step
from assistance.store import Dequeue, Dequeued, Freeze, StoreUnavailableError


async def test_what_is_accepted_goes_out_without_a_second_read(stage: Stage):
    """Accepted and sent within the same instant, and the store is never asked what is due."""
    stage.store.calls.clear()
    request_id = await stage.told()
    assert stage.far["slack"].keys == [f"{request_id}.1"]
    assert "dequeue" not in stage.store.calls
    assert await stage.states(request_id) == ["delivered"]
    assert await stage.events(request_id) == ["accepted", "notified"]


async def test_a_lane_that_is_full_takes_the_rest_from_the_store(stage: Stage):
    """More than a lane holds is accepted at once; all of it arrives, each message once."""
    hang = stage.far["slack"].always = asyncio.Event()
    asked = [(await stage.ask()).request.id for _ in range(80)]
    await stage.quiet()
    assert len(stage.dispatcher.lanes["slack"].held) == 32
    assert len(stage.far["slack"].tried) == 16
    hang.set()
    await stage.go_on(1)
    assert sorted(stage.far["slack"].keys) == sorted(f"{request_id}.1" for request_id in asked)


async def test_what_could_not_be_handed_over_does_not_wait_for_the_next_look(stage: Stage):
    """A lane that asks the store just now has no room to promise; what is accepted meanwhile goes out at once."""
    lane = stage.dispatcher.lanes["slack"]
    lane.supply.promised += 32
    accepted = asyncio.create_task(stage.ask())
    await asyncio.sleep(0)
    lane.supply.promised -= 32
    await accepted
    await stage.quiet()
    assert len(stage.far["slack"].dequeued) == 1


async def test_what_is_accepted_during_a_look_is_handed_over_all_the_same(stage: Stage):
    """Else it would wait for the next look, what is accepted during that one for the one after, and so on for ever."""
    answer, dequeue = asyncio.Event(), stage.store.store.dequeue
    # The first look is the one that shows that nothing waits.
    await stage.told()

    async def slow(item: Dequeue) -> Dequeued:
        dequeued: Dequeued = await dequeue(item)
        await answer.wait()
        return dequeued

    stage.store.dequeue = slow
    stage.dispatcher.wake()
    await until(lambda: stage.dispatcher.lanes["slack"].supply.asked)
    asked = [(await stage.ask()).request.id for _ in range(5)]
    await until(lambda: len(stage.far["slack"].dequeued) == 6)
    assert stage.far["slack"].keys[1:] == [f"{request_id}.1" for request_id in asked]
    answer.set()
    await stage.quiet()
    assert not stage.dispatcher.lanes["slack"].supply.waiting


async def test_a_promise_that_the_store_did_not_keep_is_given_back(stage: Stage):
    """A channel frozen by another process between promise and commit: no room is lost, and the message comes later."""
    await stage.store.store.freeze(Freeze("slack", stage.clock.now() + 10))
    request_id = await stage.told()
    assert await stage.states(request_id) == ["pending"]
    assert stage.dispatcher.lanes["slack"].supply.promised == 0
    await stage.go_on(9)
    assert not stage.far["slack"].tried
    await stage.go_on(1.5)
    assert await stage.states(request_id) == ["delivered"]


async def test_an_ask_that_is_not_stored_gives_its_promise_back(stage: Stage):
    """Promises of asks that failed do not fill the lane."""
    stage.store.down = True
    for _ in range(40):
        with pytest.raises(StoreUnavailableError):
            await stage.ask()
    stage.store.down = False
    await stage.told()
    assert len(stage.far["slack"].dequeued) == 1
    assert stage.dispatcher.lanes["slack"].supply.promised == 0


async def test_a_follow_up_gives_its_promise_back(stage: Stage):
    """A second ask of a conversation opens nothing, and keeps no room."""
    await stage.told(conversation_id="c1")
    await stage.told(conversation_id="c1", description="And another thing")
    assert stage.dispatcher.lanes["slack"].supply.promised == 0
    assert [message.body for message in stage.far["slack"].dequeued] == ["Help, please", "And another thing"]


async def test_what_is_handed_to_a_lane_that_has_gone_is_parked(stage: Stage):
    """The routing file loses the channel between promise and commit: the message waits for it to come back."""
    accepted = asyncio.create_task(stage.ask())
    await until(lambda: stage.dispatcher.lanes["slack"].supply.promised)
    slack = stage.channels.pop("slack")
    reloaded = asyncio.create_task(stage.dispatcher.configure(stage.channels))
    request_id = (await accepted).request.id
    await reloaded
    await stage.quiet()
    assert await stage.states(request_id) == ["parked"]
    stage.channels["slack"] = slack
    await stage.reload()
    assert stage.far["slack"].keys == [f"{request_id}.1"]


async def test_failover_of_a_parked_channel_is_handed_over_at_once(stage: Stage):
    """An ask whose channel is parked already goes to the next one from memory."""
    stage.route(Step(("slack",)), Step(("mail",), 60, Condition.UNDELIVERED))
    stage.far["slack"].always = lambda: Misconfigured(Reason.CREDENTIALS)
    await stage.told()
    stage.far["mail"].dequeued.clear()
    request_id = await stage.told()
    assert stage.far["mail"].keys == [f"{request_id}.2"]
    assert await stage.states(request_id) == ["parked", "delivered"]
