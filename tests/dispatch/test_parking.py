"""A channel whose settings are wrong: nothing is lost, nothing burns a try, and the next step starts at once."""

import asyncio

from tests.dispatch.provider import Provider
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


async def parked(stage: Stage) -> Provider:
    """Let slack be parked by a first message, and the time until it is probed begin."""
    provider = stage.providers["slack"]
    provider.always = wrong
    await stage.sent()
    assert set(stage.dispatcher.parked) == {"slack"}
    return provider


async def test_a_misconfigured_channel_parks_everything_and_burns_no_try(stage: Stage):
    """One send shows it; what comes later is parked as it is accepted."""
    provider = await parked(stage)
    later = [await stage.sent() for _ in range(3)]
    assert len(provider.tried) == 1
    for request_id in later:
        request, (delivery,) = await stage.snapshot(request_id)
        assert (request.status, delivery.state, delivery.attempts) == ("accepted", "parked", 0)


async def test_failover_starts_at_once(stage: Stage):
    """The next step does not wait for its minute: not for the message that showed it, nor for one queued behind it."""
    stage.route(*FAILOVER)
    stage.add_channel("slack", pace="1/s")
    await stage.reload()
    stage.providers["slack"].always = wrong
    asked = [(await stage.ask()).request.id for _ in range(5)]
    await stage.go_on(1)
    assert sorted(stage.providers["mail"].keys) == sorted(f"{request_id}.2" for request_id in asked)
    for request_id in asked:
        assert await stage.states(request_id) == ["parked", "delivered"]


async def test_one_message_a_minute_probes(stage: Stage):
    """However many wait, one is sent a minute after the last, and stays parked when that is no better."""
    provider = await parked(stage)
    asked = [await stage.sent() for _ in range(20)]
    await stage.go_on(185, 1)
    assert [round((at - provider.times[0]) / 60) for at in provider.times] == [0, 1, 2, 3]
    assert {state for request_id in asked for state in await stage.states(request_id)} == {"parked"}


async def test_a_probe_that_is_delivered_frees_all(stage: Stage):
    """Everything that was parked goes out, in its order, and the minute's pause is over."""
    provider = await parked(stage)
    asked = []
    for _ in range(20):
        stage.clock.advance(0.01)
        asked.append(await stage.sent())
    provider.always = None
    await stage.go_on(61, 1)
    assert not stage.dispatcher.parked
    assert provider.keys[1:] == [f"{request_id}.1" for request_id in asked]


async def test_a_probe_that_meets_an_outage_stays_parked(stage: Stage):
    """Only an answer that proves the settings right frees it; a time-out proves nothing."""
    provider = await parked(stage)
    request_id = provider.tried[0][1].key.removesuffix(".1")
    provider.always = lambda: TryLater(Reason.TIMEOUT)
    await stage.go_on(61, 1)
    assert len(provider.tried) == 2
    _, (delivery,) = await stage.snapshot(request_id)
    assert (delivery.state, delivery.attempts) == ("parked", 0)
    assert [made.outcome for made in await stage.tries(request_id)] == [Outcome.PARKED, Outcome.PARKED]


async def test_a_probe_waits_for_retry_after(stage: Stage):
    """A parked channel that answers 429 is not asked again within the minute if it wants two."""
    provider = await parked(stage)
    provider.script.append(lambda: TryLater(Reason.RATE_LIMITED, 120))
    await stage.go_on(62, 1)
    assert len(provider.tried) == 2
    await stage.go_on(115, 1)
    await stage.store.try_parked()
    stage.dispatcher.wake()
    await stage.quiet()
    assert len(provider.tried) == 2
    await stage.go_on(10, 1)
    assert len(provider.tried) == 3


async def test_a_message_that_is_undeliverable_frees_the_channel_too(stage: Stage):
    """Refused for what it says, it proves that the settings are right."""
    provider = await parked(stage)
    request_id = await stage.sent()
    provider.script.append(lambda: Undeliverable(Reason.REJECTED))
    provider.always = None
    await stage.go_on(61, 1)
    assert not stage.dispatcher.parked
    assert f"{request_id}.1" in provider.keys


async def test_a_message_that_is_no_longer_wanted_is_no_probe(stage: Stage):
    """The next one is tried instead: that one is skipped says nothing of the channel."""
    stage.route(Step(("mail",)), Step(("slack",), 1, Condition.UNCLAIMED))
    provider = stage.providers["slack"]
    provider.always = wrong
    first = await stage.sent()
    await stage.go_on(2, 1)
    stage.route(Step(("slack",)))
    asked = [await stage.sent() for _ in range(5)]
    await stage.move(first, Transition.CLAIM)
    await stage.go_on(61, 1)
    [(_, probe)] = provider.tried[1:]
    assert probe.key in {f"{request_id}.1" for request_id in asked}
    assert set(stage.dispatcher.parked) == {"slack"}
    assert (await stage.states(first))[1] == "skipped"


async def test_a_reload_probes_at_once(stage: Stage):
    """An operator who mends the routing file does not wait for the minute."""
    provider = await parked(stage)
    provider.always = None
    await stage.reload()
    assert len(provider.delivered) == 1


async def test_a_channel_test_probes_at_once(stage: Stage):
    """An operator who tests the channel, and sees it work, does not wait either."""
    provider = await parked(stage)
    provider.always = None
    made = await try_channel(stage.channels["slack"], "slack", Http(), stage.clock)
    assert made.outcome == Outcome.DELIVERED
    await stage.store.try_parked("slack")
    stage.dispatcher.wake()
    await stage.quiet()
    assert len(provider.delivered) == 2


async def test_parked_outlives_the_process(stage: Stage):
    """The next process does not send to a channel that is known to be wrong, but probes it as it starts."""
    provider = await parked(stage)
    asked = [await stage.sent() for _ in range(3)]
    await stage.restart()
    assert len(provider.tried) == 2
    assert await stage.states(asked[-1]) == ["parked"]
    provider.always = None
    await stage.go_on(61, 1)
    assert len(provider.delivered) == 4


async def test_what_another_process_parked_is_parked_here_and_what_it_mended_goes_on_here(stage: Stage):
    """What the store says counts in every process, within a second."""
    await stage.store.store.park(Park("slack", "credentials", stage.clock.now()))
    await stage.go_on(1)
    assert set(stage.dispatcher.parked) == {"slack"}
    await stage.store.store.unpark(Unpark("slack", stage.clock.now()))
    await stage.go_on(1)
    assert not stage.dispatcher.parked
    await stage.sent()
    assert len(stage.providers["slack"].delivered) == 1


async def test_a_channel_that_is_removed_is_parked_with_its_failover(stage: Stage):
    """What it owed goes to the next step at once, and to itself when it comes back."""
    stage.route(*FAILOVER)
    provider = stage.providers["slack"]
    provider.script.append(lambda: TryLater(Reason.SERVER_ERROR, 20))
    request_id = await stage.sent()
    slack = stage.channels.pop("slack")
    await stage.reload()
    assert await stage.states(request_id) == ["retrying", "pending"]
    await stage.go_on(31)
    assert await stage.states(request_id) == ["parked", "delivered"]
    stage.channels["slack"] = slack
    await stage.reload()
    await stage.go_on(1)
    assert provider.keys == [f"{request_id}.1"]


async def test_what_is_due_on_a_removed_channel_is_parked_as_the_file_is_reloaded(stage: Stage):
    """Its failover does not wait for the next housekeeping."""
    stage.route(*FAILOVER)
    stage.add_channel("slack", pace="1/m")
    await stage.reload()
    asked = []
    for _ in range(4):
        stage.clock.advance(0.01)
        asked.append(await stage.sent())
    del stage.channels["slack"]
    await stage.reload()
    assert [await stage.states(request_id) for request_id in asked[1:]] == [["parked", "delivered"]] * 3


async def test_a_channel_that_was_never_known_is_waited_for_before_it_is_parked(stage: Stage):
    """Another process has the new routing file already: failover does not start because it has not come here yet."""
    provider = stage.add_channel("sms")
    stage.route(Step(("sms",)), Step(("mail",), 600, Condition.UNDELIVERED))
    request_id = await stage.sent()
    await stage.go_on(100, 5)
    assert await stage.states(request_id) == ["pending", "pending"]
    await stage.go_on(40, 5)
    assert await stage.states(request_id) == ["parked", "delivered"]
    await stage.reload()
    await stage.go_on(1)
    assert provider.keys == [f"{request_id}.1"]


async def test_what_a_removed_channel_was_sending_comes_to_its_end(stage: Stage):
    """A send under way when the file loses its channel is recorded as delivered."""
    hang = asyncio.Event()
    stage.providers["slack"].script.append(hang)
    request_id = await stage.sent()
    del stage.channels["slack"]
    await stage.reload()
    hang.set()
    await stage.quiet()
    assert await stage.states(request_id) == ["delivered"]


async def test_what_old_settings_hear_does_not_park_the_new_ones(stage: Stage):
    """A send that began before the reload and fails after it is sent again with the new settings; no try is burned."""
    provider = stage.providers["slack"]
    hang = asyncio.Event()
    provider.script.append(hang)
    request_id = await stage.sent()
    provider.fails = lambda _message: wrong() if len(provider.tried) == 1 else None
    stage.add_channel("slack")
    await stage.reload()
    hang.set()
    await stage.quiet()
    assert not stage.dispatcher.parked
    assert provider.keys == [f"{request_id}.1"]
    assert [made.outcome for made in await stage.tries(request_id)] == [Outcome.DELIVERED]


async def test_what_is_leased_when_its_channel_parks_is_not_sent(stage: Stage):
    """A lane that sends, with more leased, stops at the first answer that the settings are wrong."""
    provider = stage.add_channel("slack", pace="4/s")
    await stage.reload()
    for _ in range(30):
        await stage.ask()
    await stage.go_on(0.5, 0.25)
    provider.always = wrong
    begun = len(provider.tried)
    await stage.go_on(5, 0.25)
    assert len(provider.tried) == begun + 1
