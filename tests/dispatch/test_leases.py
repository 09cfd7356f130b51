"""What a lane has is what is leased: no more, no less, and each message once."""

import asyncio

import pytest
import structlog
from tests.dispatch.provider import Provider
from tests.dispatch.stage import Stage
from tests.dispatch.test_stopping import another
from tests.fakes.clock import until

from assistance.model import Delivery
from assistance.routing import Step
from assistance.store import Dequeue, Recovery


@pytest.fixture
async def provider(stage: Stage) -> Provider:
    """That of `slack`, which may be sent to once a minute and was a moment ago."""
    provider = stage.add_channel("slack", pace="1/m")
    await stage.reload()
    await stage.sent()
    return provider


async def test_what_is_leased_again_while_it_is_released_stays_leased(stage: Stage, provider: Provider):
    """A dequeue returns it before its release does: it is renewed, and no other process leases it."""
    request_id, real, hang = await stage.sent(), stage.store.release, asyncio.Event()
    leased = stage.dispatcher.lanes["slack"].leased

    async def release(delivery: Delivery) -> None:
        await real(delivery)
        stage.dispatcher.wake()
        await until(lambda: leased[delivery.key].delivery.fence == 2)

    stage.store.release = release
    provider.script.append(hang)
    stage.clock.advance(65)
    await stage.quiet()
    assert list(leased) == [f"{request_id}.1"]
    second = await another(stage)
    await stage.go_on(95, 2.5)
    assert len(provider.tried) == 2
    hang.set()
    await second.stop()


async def test_what_is_released_spends_no_token_of_the_pace(stage: Stage, provider: Provider):
    """The process stood still until its lease was too short: leased anew it goes at once, not a minute later."""
    request_id = await stage.sent()
    stage.clock.advance(65)
    await stage.quiet()
    assert await stage.states(request_id) == ["delivered"]
    assert len(provider.tried) == 2


async def test_what_is_leased_anew_while_it_waits_goes_once(stage: Stage, provider: Provider):
    """Under the new lease alone, so that its outcome counts."""
    request_id = await stage.sent()
    now = stage.clock.now()
    await stage.store.recover(Recovery(now, everything=True))
    dequeue = Dequeue({"slack": 1}, stage.dispatcher.lease(), now, lambda _hours, _at: True, (), {})
    [job] = (await stage.store.dequeue(dequeue)).jobs
    stage.dispatcher.lanes["slack"].enqueue(job, stage.clock.monotonic() + 20)
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(65)
    assert await stage.states(request_id) == ["delivered"]
    assert (len(provider.tried), [line["event"] for line in lines]) == (2, ["delivery_delivered"])


async def test_a_lease_that_is_lost_ends_no_other(stage: Stage, provider: Provider):
    """What another process has leased is forgotten at the next renewal; the rest keeps its order and its lease."""
    mail = stage.add_channel("mail", pace="1/m")
    stage.route(Step(("mail",)), topic="pricing")
    await stage.reload()
    await stage.sent("pricing")
    lost, kept = await stage.sent(), await stage.sent("pricing")
    second = await another(stage)
    await stage.store.recover(Recovery(stage.clock.now(), frozenset({(kept, 1)}), everything=True))
    await stage.go_on(1)
    assert (await stage.states(lost), len(provider.tried)) == (["delivered"], 2)
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(12, 2)
        assert [name for name, lane in stage.dispatcher.lanes.items() if lane.leased] == ["mail"]
        await stage.go_on(56, 2)
    assert [line["event"] for line in lines] == ["leases_lost", "delivery_delivered"]
    assert (await stage.snapshot(kept))[1][0].fence == 1
    assert (len(provider.tried), len(mail.tried)) == (2, 2)
    await second.stop()


async def test_leases_are_renewed_however_long_a_backlog_is_swept(stage: Stage, provider: Provider):
    """The store frees what was parked, for longer than a lease: what waits in the lane is renewed and sent once."""
    real, swept = stage.store.parked_channels, asyncio.Event()

    async def parked_channels() -> list[str]:
        await swept.wait()
        return list(await real())

    stage.store.parked_channels = parked_channels
    request_id = await stage.sent()
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(65, 2.5)
    swept.set()
    assert [line["event"] for line in lines] == ["delivery_delivered"]
    assert ((await stage.snapshot(request_id))[1][0].fence, len(provider.tried)) == (1, 2)
