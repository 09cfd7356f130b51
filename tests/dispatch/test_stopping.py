"""Stop, death, restart, and which process has a lease."""

import asyncio

import structlog
from tests.dispatch.provider import Provider
from tests.dispatch.stage import Stage

from assistance.dispatch import Dispatcher
from assistance.model import Outcome
from assistance.outgoing import Http
from assistance.outgoing.http import Timeouts
from assistance.store import Dequeue, Dequeued, Recovery


async def hanging(stage: Stage) -> tuple[str, asyncio.Event]:
    """A request that is being sent until the event is set."""
    hang = asyncio.Event()
    stage.providers["slack"].script.append(hang)
    return await stage.sent(), hang


async def another(stage: Stage) -> Dispatcher:
    """A second dispatcher on the same store, which runs beside the first."""
    first, running = stage.dispatcher, stage.running
    await stage.start(owner="two")
    second = stage.dispatcher
    stage.dispatcher, stage.running = first, running
    return second


async def test_what_has_begun_is_finished_and_the_rest_released(stage: Stage):
    """Stopping waits for the send under way; what was only leased is released untried, for the next process."""
    provider = stage.add_channel("slack", pace="1/m")
    await stage.reload()
    hang = asyncio.Event()
    provider.script.append(hang)
    asked = []
    for _ in range(3):
        stage.clock.advance(0.01)
        asked.append(await stage.sent())
    stopping = asyncio.create_task(stage.dispatcher.stop())
    await stage.quiet()
    assert not stopping.done()
    hang.set()
    await stopping
    assert [await stage.states(request_id) for request_id in asked] == [["delivered"], ["pending"], ["pending"]]
    assert (await stage.snapshot(asked[1]))[1][0].attempts == 0


async def test_a_send_that_takes_too_long_is_cut_short_and_released(stage: Stage):
    """Shutting down is not a failed try: it is released, uncounted, and comes again with the same key."""
    await stage.drop()
    stage.store.down = False
    await stage.start()
    stage.dispatcher._send_seconds = 0.05
    request_id, _ = await hanging(stage)
    await stage.dispatcher.stop()
    _, (delivery,) = await stage.snapshot(request_id)
    assert (delivery.state, delivery.attempts) == ("pending", 0)
    assert not await stage.tries(request_id)


async def test_nothing_is_leased_while_stopping(stage: Stage):
    """What comes in during the last sends waits for the next process."""
    _, hang = await hanging(stage)
    stopping = asyncio.create_task(stage.dispatcher.stop())
    await stage.quiet()
    request_id = await stage.sent()
    await stage.go_on(3)
    assert await stage.states(request_id) == ["pending"]
    hang.set()
    await stopping


async def test_stopping_ends_although_the_store_is_gone(stage: Stage):
    """What cannot be released is not waited for: its lease ends by itself."""
    await hanging(stage)
    stage.dispatcher._send_seconds = 0.05
    stage.store.down = True
    async with asyncio.timeout(5):
        await stage.dispatcher.stop()


async def test_a_restart_resumes_at_once_with_the_same_key(stage: Stage):
    """What a process was sending when it died goes out again as the next one starts, recognizable as the same."""
    request_id, _ = await hanging(stage)
    await stage.restart()
    assert [message.key for _, message in stage.providers["slack"].tried] == [f"{request_id}.1"] * 2
    assert await stage.states(request_id) == ["delivered"]


async def test_leases_are_renewed_while_a_send_lasts(stage: Stage):
    """A send may take longer than a lease: no other process leases it, however long that is."""
    request_id, hang = await hanging(stage)
    second = await another(stage)
    await stage.go_on(95, 2.5)
    assert len(stage.providers["slack"].tried) == 1
    hang.set()
    await stage.quiet()
    assert await stage.states(request_id) == ["delivered"]
    await second.stop()


async def test_what_a_dead_process_had_leased_is_leased_again_when_its_lease_ends(stage: Stage):
    """Thirty seconds without renewal, and up to ten until the next recovery."""
    request_id, _ = await hanging(stage)
    dead = stage.dispatcher
    await stage.drop()
    stage.store.down = False
    await stage.start(owner="two")
    await stage.go_on(28, 2)
    assert len(stage.providers["slack"].tried) == 1
    await stage.go_on(14, 2)
    assert await stage.states(request_id) == ["delivered"]
    assert dead.lanes["slack"].leased


async def test_a_late_outcome_changes_nothing(stage: Stage):
    """A process that slept through its lease records nothing; the outcome of the other one stands."""
    request_id, hang = await hanging(stage)
    second = await another(stage)
    await stage.store.recover(Recovery(stage.clock.now(), everything=True))
    await stage.go_on(1)
    assert await stage.states(request_id) == ["delivered"]
    with structlog.testing.capture_logs() as lines:
        hang.set()
        await stage.quiet()
    assert [line["event"] for line in lines] == ["late_outcome_ignored"]
    assert b'assistance_deliveries_total{channel="slack",outcome="delivered",reason=""} 1.0' in stage.metrics.text()
    assert [made.outcome for made in await stage.tries(request_id)] == [Outcome.DELIVERED]
    assert await stage.events(request_id) == ["accepted", "notified"]
    await second.stop()


async def test_what_arrives_when_its_lease_has_ended_is_left_to_the_process_that_has_it_now(stage: Stage):
    """The answer to a dequeue was delayed for longer than a lease: what it brought was sent by another meanwhile."""
    real, leased, go_on = stage.store.dequeue, asyncio.Event(), asyncio.Event()

    async def dequeue(item: Dequeue) -> Dequeued:
        dequeued: Dequeued = await real(item)
        if dequeued.jobs and item.lease.owner == "one":
            leased.set()
            await go_on.wait()
        return dequeued

    stage.store.dequeue = dequeue
    request_id = (await stage.ask()).request.id
    await leased.wait()
    second = await another(stage)
    await stage.go_on(45, 2.5)
    assert await stage.states(request_id) == ["delivered"]
    go_on.set()
    await stage.quiet()
    assert len(stage.providers["slack"].tried) == 1
    await stage.ask()
    await stage.go_on(1)
    assert len(stage.providers["slack"].delivered) == 2
    await second.stop()


async def waiting_for_the_pace(stage: Stage) -> tuple[Provider, str]:
    """A channel that may send once a minute and has just done so, and a request that is leased for the next."""
    provider = stage.add_channel("slack", pace="1/m")
    await stage.reload()
    await stage.sent()
    return provider, await stage.sent()


async def test_what_lost_its_lease_while_it_waited_for_the_pace_is_not_sent(stage: Stage):
    """The process slept, and another one has sent it: when the pace allows it at last it is released unsent."""
    provider, request_id = await waiting_for_the_pace(stage)
    assert await stage.states(request_id) == ["sending"]
    second = await another(stage)
    await stage.store.recover(Recovery(stage.clock.now(), everything=True))
    await stage.go_on(1)
    assert (await stage.states(request_id), len(provider.tried)) == (["delivered"], 2)
    await stage.go_on(70, 2.5)
    assert len(provider.tried) == 2
    await second.stop()


async def test_what_waits_for_the_pace_keeps_its_lease(stage: Stage):
    """However long the pace makes it wait: it is renewed, and sent by the process that leased it."""
    provider, request_id = await waiting_for_the_pace(stage)
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(62, 2.5)
    assert await stage.states(request_id) == ["delivered"]
    assert (await stage.snapshot(request_id))[1][0].fence == 1
    assert len(provider.tried) == 2
    assert not [line for line in lines if "lease" in line["event"]]


async def test_two_dispatchers_never_send_the_same(stage: Stage):
    """They share the queue, message by message."""
    second = await another(stage)
    stage.providers["slack"].always = hang = asyncio.Event()
    asked = [f"{(await stage.ask()).request.id}.1" for _ in range(60)]
    await stage.go_on(2)
    stage.providers["slack"].always = None
    hang.set()
    await stage.go_on(3)
    assert sorted(stage.providers["slack"].keys) == sorted(asked)
    await second.stop()


async def test_a_clock_that_jumps_ahead_takes_nothing_from_a_living_process(stage: Stage):
    """An hour forward while a send lasts: it is still ours, and sent once."""
    request_id, hang = await hanging(stage)
    stage.clock._now += 3600
    await stage.go_on(30, 2)
    hang.set()
    await stage.quiet()
    assert len(stage.providers["slack"].tried) == 1
    assert await stage.states(request_id) == ["delivered"]


async def test_a_clock_that_falls_back_keeps_nobody_waiting(stage: Stage):
    """After an hour backward what is accepted goes out at once, by its pace."""
    provider = stage.add_channel("slack", pace="2/s")
    await stage.reload()
    await stage.sent()
    stage.clock._now -= 3600
    for _ in range(4):
        await stage.ask()
    await stage.go_on(3, 0.25)
    assert len(provider.delivered) == 5


async def test_what_was_leased_as_the_process_stopped_is_released(stage: Stage):
    """What a dequeue brings that was under way when the process was asked to stop is released."""
    real, leased, go_on = stage.store.dequeue, asyncio.Event(), asyncio.Event()

    async def dequeue(item: Dequeue) -> Dequeued:
        dequeued: Dequeued = await real(item)
        if dequeued.jobs:
            leased.set()
            await go_on.wait()
        return dequeued

    stage.store.dequeue = dequeue
    request_id = (await stage.ask()).request.id
    await leased.wait()
    stopping = asyncio.create_task(stage.dispatcher.stop())
    await stage.quiet()
    assert await stage.states(request_id) == ["sending"]
    go_on.set()
    await stopping
    assert await stage.states(request_id) == ["pending"]
    assert not stage.providers["slack"].tried


async def test_the_loop_beats_until_it_stops(stage: Stage):
    """Readiness sees a loop that goes round, and that stands still once it was dropped."""
    await stage.go_on(20)
    assert stage.dispatcher.seconds_since_beat <= 1
    await stage.drop()
    stage.clock.advance(20)
    assert stage.dispatcher.seconds_since_beat >= 20
    stage.store.down = False
    await stage.start()


def test_a_send_has_fifteen_seconds():
    """The time that a send may take is also how long stopping waits for it."""
    assert Http().timeouts == Timeouts(whole=15)
