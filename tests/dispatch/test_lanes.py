"""Lanes: each channel on its own, urgent first, nobody starved."""

import asyncio

import pytest
from tests.dispatch.stage import Stage
from tests.fakes.clock import until

from assistance.model import Reason, TryLater
from assistance.routing import Step


@pytest.mark.parametrize("waiting", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_a_hanging_channel_delays_no_other(stage: Stage, waiting: int):
    """However many messages wait for a channel that answers nobody, another one's goes out within the instant."""
    stage.route(Step(("mail",)), topic="pricing")
    stage.providers["slack"].always = asyncio.Event()
    await asyncio.gather(*(stage.ask() for _ in range(waiting)))
    await stage.quiet()
    assert len(stage.providers["slack"].tried) == 16
    begun = stage.clock.monotonic()
    for _ in range(20):
        await stage.sent("pricing")
    assert len(stage.providers["mail"].delivered) == 20
    assert stage.clock.monotonic() == begun


async def test_what_waits_is_not_leased_all_at_once(stage: Stage):
    """However much is due, a lane whose channel delivers nothing leases a few dozen messages."""
    stage.providers["slack"].always = asyncio.Event()
    await asyncio.gather(*(stage.ask() for _ in range(500)))
    await stage.go_on(15)
    assert len(stage.dispatcher.lanes["slack"].leased) == 16 + 2 * 16


async def test_the_next_message_does_not_wait_until_the_last_one_is_recorded(stage: Stage):
    """But no more are sent and not recorded than two rounds: so many go twice when the process dies."""
    hang = stage.providers["slack"].always = asyncio.Event()
    for _ in range(60):
        await stage.ask()
    await stage.quiet()
    stage.store.down = True
    stage.providers["slack"].always = None
    hang.set()
    await until(lambda: len(stage.providers["slack"].delivered) == 32)
    await stage.quiet()
    assert len(stage.providers["slack"].delivered) == 32
    stage.store.down = False
    await stage.go_on(2)
    assert len(stage.providers["slack"].delivered) == len(set(stage.providers["slack"].keys)) == 60


async def test_urgent_messages_go_first(stage: Stage):
    """One that comes last overtakes all but what was leased already: a second's worth."""
    provider = stage.add_channel("slack", pace="1/s")
    await stage.reload()
    for _ in range(30):
        await stage.ask()
    await stage.go_on(2.5, 0.25)
    request_id = await stage.sent(priority="urgent")
    await stage.go_on(3, 0.25)
    assert provider.keys.index(f"{request_id}.1") <= 4


async def test_messages_go_in_the_order_in_which_they_were_due(stage: Stage):
    """A backlog goes out first in, first out, also over a restart."""
    provider = stage.add_channel("slack", pace="2/s")
    await stage.reload()
    asked = []
    for _ in range(20):
        asked.append(f"{(await stage.ask()).request.id}.1")
        stage.clock.advance(0.01)
    await stage.go_on(4, 0.25)
    await stage.restart()
    await stage.go_on(8, 0.25)
    assert provider.keys == asked


async def test_the_concurrency_of_a_channel_is_kept(stage: Stage):
    """Never more sends at once than the channel allows, also when the file is reloaded in the middle."""
    provider = stage.providers["slack"]
    provider.always = first = asyncio.Event()
    for _ in range(60):
        await stage.ask()
    await stage.quiet()
    await stage.reload()
    assert len(provider.tried) == 16
    provider.always = asyncio.Event()
    first.set()
    await stage.go_on(2)
    assert len(provider.tried) == 32


async def test_a_lane_is_filled_again_as_soon_as_it_has_room(stage: Stage):
    """A backlog is drained without waiting for the next poll: two hundred messages within one instant."""
    hang = stage.providers["slack"].always = asyncio.Event()
    for _ in range(200):
        await stage.ask()
    stage.providers["slack"].always = None
    hang.set()
    await stage.quiet()
    assert len(stage.providers["slack"].delivered) == 200


async def test_reloads_in_the_middle_of_sends_lose_nothing(stage: Stage):
    """The channels change their settings, go and come back while messages are under way: each arrives once."""
    slack = stage.providers["slack"]
    asked = []
    for turn in range(12):
        asked += [f"{(await stage.ask()).request.id}.1" for _ in range(5)]
        slack.script.extend([lambda: TryLater(Reason.TIMEOUT)] if turn % 4 == 0 else [])
        if turn % 3 == 2:
            del stage.channels["slack"]
        await stage.dispatcher.configure(stage.channels)
        stage.add_channel("slack", pace=f"{turn + 5}/s")
        await stage.dispatcher.configure(stage.channels)
        await stage.go_on(0.5)
    await stage.go_on(90, 1)
    assert sorted(slack.keys) == sorted(asked)


async def test_a_reload_that_makes_a_lane_smaller_leaves_no_negative_room(stage: Stage):
    """More waits than the new pace has room for: nothing is leased until it is sent."""
    stage.providers["slack"].always = asyncio.Event()
    await asyncio.gather(*(stage.ask() for _ in range(30)))
    await stage.quiet()
    lane = stage.dispatcher.lanes["slack"]
    assert not lane.more
    stage.add_channel("slack", pace="1/m")
    await stage.reload()
    assert lane.room() == 0


async def test_two_reloads_at_once_end_with_the_second(stage: Stage):
    """Whatever the first one is waiting for, the second file counts."""
    first, second = dict(stage.channels), dict(stage.channels)
    del first["slack"]
    await asyncio.gather(stage.dispatcher.configure(first), stage.dispatcher.configure(second))
    await stage.sent()
    await stage.go_on(1)
    assert len(stage.providers["slack"].delivered) == 1


async def test_one_request_is_timed_once_until_a_person_is_notified(stage: Stage):
    """By the first channel that delivered it, however many its step has."""
    stage.route(Step(("slack", "mail")))
    request_id = await stage.sent()
    assert await stage.states(request_id) == ["delivered", "delivered"]
    assert b'assistance_notified_seconds_count{topic="sales"} 1.0' in stage.metrics.text()
