"""A channel whose settings are wrong: nothing is lost, nothing burns a try, and somebody else is told at once."""

import asyncio

from tests.dispatch.far_side import FarSide
from tests.dispatch.stage import Stage

from assistance.dispatch import try_channel
from assistance.model import (
    Condition,
    Misconfigured,
    Outcome,
    Reason,
    Transition,
    TryLater,
    Undeliverable,
)
from assistance.outgoing import Http
from assistance.routing import Step
from assistance.store import Park, Unpark

FAILOVER = Step(("slack",)), Step(("mail",), 60, Condition.UNDELIVERED)


def wrong() -> Misconfigured:
    return Misconfigured(Reason.DESTINATION, code="channel_not_found")


async def parked(stage: Stage) -> FarSide:
    """Let slack be parked by a first message, and the time until it is probed begin."""
    far = stage.far["slack"]
    far.always = wrong
    await stage.told()
    assert set(stage.dispatcher.parked) == {"slack"}
    return far


async def test_a_misconfigured_channel_parks_everything_and_burns_no_try(stage: Stage):
    """One send shows it; what comes later is parked as it is accepted."""
    far = await parked(stage)
    later = [await stage.told() for _ in range(3)]
    assert len(far.tried) == 1
    for request_id in later:
        request, (delivery,) = await stage.see(request_id)
        assert (request.status, delivery.state, delivery.attempts) == ("accepted", "parked", 0)


async def test_failover_starts_at_once(stage: Stage):
    """The next step does not wait for its minute: not for the message that showed it, nor for one queued behind it."""
    stage.route(*FAILOVER)
    stage.add_channel("slack", pace="1/s")
    await stage.reload()
    stage.far["slack"].always = wrong
    asked = [(await stage.ask()).request.id for _ in range(5)]
    await stage.go_on(1)
    assert sorted(stage.far["mail"].keys) == sorted(f"{request_id}.2" for request_id in asked)
    for request_id in asked:
        assert await stage.states(request_id) == ["parked", "delivered"]


async def test_one_message_a_minute_probes(stage: Stage):
    """However many wait, one is sent a minute after the last, and stays parked when that is no better."""
    far = await parked(stage)
    asked = [await stage.told() for _ in range(20)]
    await stage.go_on(185, 1)
    assert [round((at - far.times[0]) / 60) for at in far.times] == [0, 1, 2, 3]
    assert {state for request_id in asked for state in await stage.states(request_id)} == {"parked"}


async def test_a_probe_that_is_delivered_frees_all(stage: Stage):
    """Everything that was parked goes out, in its order, and the minute's pause is over."""
    far = await parked(stage)
    asked = []
    for _ in range(20):
        stage.clock.advance(0.01)
        asked.append(await stage.told())
    far.always = None
    await stage.go_on(61, 1)
    assert not stage.dispatcher.parked
    assert far.keys[1:] == [f"{request_id}.1" for request_id in asked]


async def test_a_probe_that_meets_an_outage_stays_parked(stage: Stage):
    """Only the channel's word that the settings are right frees it; a time-out says nothing."""
    far = await parked(stage)
    request_id = far.tried[0][1].key.removesuffix(".1")
    far.always = lambda: TryLater(Reason.TIMEOUT)
    await stage.go_on(61, 1)
    assert len(far.tried) == 2
    _, (delivery,) = await stage.see(request_id)
    assert (delivery.state, delivery.attempts) == ("parked", 0)
    assert [made.outcome for made in await stage.tries(request_id)] == [Outcome.PARKED, Outcome.PARKED]


async def test_a_probe_waits_for_retry_after(stage: Stage):
    """A parked channel that answers 429 is not asked again within the minute if it wants two."""
    far = await parked(stage)
    far.script.append(lambda: TryLater(Reason.RATE_LIMITED, 120))
    await stage.go_on(62, 1)
    assert len(far.tried) == 2
    await stage.go_on(115, 1)
    await stage.store.try_parked()
    stage.dispatcher.wake()
    await stage.quiet()
    assert len(far.tried) == 2
    await stage.go_on(10, 1)
    assert len(far.tried) == 3


async def test_a_message_that_nobody_can_take_frees_the_channel_too(stage: Stage):
    """Refused for what it says, it proves that the settings are right."""
    far = await parked(stage)
    request_id = await stage.told()
    far.script.append(lambda: Undeliverable(Reason.REJECTED))
    far.always = None
    await stage.go_on(61, 1)
    assert not stage.dispatcher.parked
    assert f"{request_id}.1" in far.keys


async def test_a_message_that_is_no_longer_wanted_is_no_probe(stage: Stage):
    """The next one is tried in its place: that one is skipped says nothing of the channel."""
    stage.route(Step(("mail",)), Step(("slack",), 1, Condition.UNCLAIMED))
    far = stage.far["slack"]
    far.always = wrong
    first = await stage.told()
    await stage.go_on(2, 1)
    stage.route(Step(("slack",)))
    asked = [await stage.told() for _ in range(5)]
    await stage.move(first, Transition.CLAIM)
    await stage.go_on(61, 1)
    [(_, probe)] = far.tried[1:]
    assert probe.key in {f"{request_id}.1" for request_id in asked}
    assert set(stage.dispatcher.parked) == {"slack"}
    assert (await stage.states(first))[1] == "skipped"


async def test_a_reload_probes_at_once(stage: Stage):
    """An operator who mends the routing file does not wait for the minute."""
    far = await parked(stage)
    far.always = None
    await stage.reload()
    assert len(far.dequeued) == 1


async def test_a_channel_test_probes_at_once(stage: Stage):
    """An operator who tests the channel, and sees it work, does not wait either."""
    far = await parked(stage)
    far.always = None
    made = await try_channel(stage.channels["slack"], "slack", Http(), stage.clock)
    assert made.outcome == Outcome.DELIVERED
    await stage.store.try_parked("slack")
    stage.dispatcher.wake()
    await stage.quiet()
    assert len(far.dequeued) == 2


async def test_parked_outlives_the_process(stage: Stage):
    """The next process does not send to a channel that is known to be wrong, but probes it as it starts."""
    far = await parked(stage)
    asked = [await stage.told() for _ in range(3)]
    await stage.restart()
    assert len(far.tried) == 2
    assert await stage.states(asked[-1]) == ["parked"]
    far.always = None
    await stage.go_on(61, 1)
    assert len(far.dequeued) == 4


async def test_what_another_process_parked_is_parked_here_and_what_it_mended_goes_on_here(stage: Stage):
    """The store's word counts in every process, within a second."""
    await stage.store.store.park(Park("slack", "credentials", stage.clock.now()))
    await stage.go_on(1)
    assert set(stage.dispatcher.parked) == {"slack"}
    await stage.store.store.unpark(Unpark("slack", stage.clock.now()))
    await stage.go_on(1)
    assert not stage.dispatcher.parked
    await stage.told()
    assert len(stage.far["slack"].dequeued) == 1


async def test_a_channel_that_is_removed_is_parked_with_its_failover(stage: Stage):
    """What it owed goes to the next step at once, and to itself when it comes back."""
    stage.route(*FAILOVER)
    far = stage.far["slack"]
    far.script.append(lambda: TryLater(Reason.SERVER_ERROR, 20))
    request_id = await stage.told()
    slack = stage.channels.pop("slack")
    await stage.reload()
    assert await stage.states(request_id) == ["retrying", "pending"]
    await stage.go_on(31)
    assert await stage.states(request_id) == ["parked", "delivered"]
    stage.channels["slack"] = slack
    await stage.reload()
    await stage.go_on(1)
    assert far.keys == [f"{request_id}.1"]


async def test_what_is_due_on_a_removed_channel_is_parked_as_the_file_is_reloaded(stage: Stage):
    """Its failover does not wait for the next housekeeping."""
    stage.route(*FAILOVER)
    stage.add_channel("slack", pace="1/m")
    await stage.reload()
    asked = []
    for _ in range(4):
        stage.clock.advance(0.01)
        asked.append(await stage.told())
    del stage.channels["slack"]
    await stage.reload()
    assert [await stage.states(request_id) for request_id in asked[1:]] == [["parked", "delivered"]] * 3


async def test_a_channel_that_was_never_known_is_waited_for_before_it_is_parked(stage: Stage):
    """Another process has the new routing file already: nobody else is told because it has not come here yet."""
    far = stage.add_channel("sms")
    stage.route(Step(("sms",)), Step(("mail",), 600, Condition.UNDELIVERED))
    request_id = await stage.told()
    await stage.go_on(100, 5)
    assert await stage.states(request_id) == ["pending", "pending"]
    await stage.go_on(40, 5)
    assert await stage.states(request_id) == ["parked", "delivered"]
    await stage.reload()
    await stage.go_on(1)
    assert far.keys == [f"{request_id}.1"]


async def test_what_a_removed_channel_was_sending_comes_to_its_end(stage: Stage):
    """A send under way when the file loses its channel is recorded as delivered."""
    hang = asyncio.Event()
    stage.far["slack"].script.append(hang)
    request_id = await stage.told()
    del stage.channels["slack"]
    await stage.reload()
    hang.set()
    await stage.quiet()
    assert await stage.states(request_id) == ["delivered"]


async def test_what_old_settings_hear_does_not_park_the_new_ones(stage: Stage):
    """A send that began before the reload and fails after it is sent again with the new settings; no try is burned."""
    far = stage.far["slack"]
    hang = asyncio.Event()
    far.script.append(hang)
    request_id = await stage.told()
    far.fails = lambda _message: wrong() if len(far.tried) == 1 else None
    stage.add_channel("slack")
    await stage.reload()
    hang.set()
    await stage.quiet()
    assert not stage.dispatcher.parked
    assert far.keys == [f"{request_id}.1"]
    assert [made.outcome for made in await stage.tries(request_id)] == [Outcome.DELIVERED]


async def test_what_is_leased_when_its_channel_parks_is_not_sent(stage: Stage):
    """A lane at work with more in its hands stops at the first word that the settings are wrong."""
    far = stage.add_channel("slack", pace="4/s")
    await stage.reload()
    for _ in range(30):
        await stage.ask()
    await stage.go_on(0.5, 0.25)
    far.always = wrong
    begun = len(far.tried)
    await stage.go_on(5, 0.25)
    assert len(far.tried) == begun + 1
