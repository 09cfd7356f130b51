"""What a lane holds is what is leased: no more, no less, and each message once."""

import asyncio

import pytest
import structlog
from tests.dispatch.far_side import FarSide
from tests.dispatch.stage import Stage
from tests.dispatch.test_stopping import another
from tests.fakes.clock import until

from assistance.model import Delivery
from assistance.routing import Step
from assistance.store import Dequeue, Recovery


@pytest.fixture
async def far(stage: Stage) -> FarSide:
    """That of `slack`, which may be sent to once a minute and was a moment ago."""
    far = stage.add_channel("slack", pace="1/m")
    await stage.reload()
    await stage.told()
    return far


async def test_what_is_leased_again_as_it_goes_back_is_held(stage: Stage, far: FarSide):
    """The look that finds it is heard of before its return: it is renewed, and nobody else takes it up."""
    request_id, real, hang = await stage.told(), stage.store.release, asyncio.Event()
    held = stage.dispatcher.lanes["slack"].leased

    async def release(delivery: Delivery) -> None:
        await real(delivery)
        stage.dispatcher.wake()
        await until(lambda: held[delivery.key].delivery.fence == 2)

    stage.store.release = release
    far.script.append(hang)
    stage.clock.advance(65)
    await stage.quiet()
    assert list(held) == [f"{request_id}.1"]
    second = await another(stage)
    await stage.go_on(95, 2.5)
    assert len(far.tried) == 2
    hang.set()
    await second.stop()


async def test_what_goes_back_uses_up_nobodys_turn(stage: Stage, far: FarSide):
    """The process stood still until after the turn: leased anew it goes at once, not a minute later."""
    request_id = await stage.told()
    stage.clock.advance(65)
    await stage.quiet()
    assert await stage.states(request_id) == ["delivered"]
    assert len(far.tried) == 2


async def test_what_is_leased_anew_while_it_waits_goes_once(stage: Stage, far: FarSide):
    """Under the new lease alone, so that its outcome counts."""
    request_id = await stage.told()
    now = stage.clock.now()
    await stage.store.recover(Recovery(now, everything=True))
    dequeue = Dequeue({"slack": 1}, stage.dispatcher.lease(), now, lambda _hours, _at: True, (), {})
    [job] = (await stage.store.dequeue(dequeue)).jobs
    stage.dispatcher.lanes["slack"].enqueue(job, stage.clock.monotonic() + 20)
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(65)
    assert await stage.states(request_id) == ["delivered"]
    assert (len(far.tried), [line["event"] for line in lines]) == (2, ["delivery_delivered"])


async def test_a_lease_that_is_lost_ends_no_other(stage: Stage, far: FarSide):
    """What another process took is let go by the next renewal; the rest keeps its place and its lease."""
    mail = stage.add_channel("mail", pace="1/m")
    stage.route(Step(("mail",)), topic="pricing")
    await stage.reload()
    await stage.told("pricing")
    lost, kept = await stage.told(), await stage.told("pricing")
    second = await another(stage)
    await stage.store.recover(Recovery(stage.clock.now(), frozenset({(kept, 1)}), everything=True))
    await stage.go_on(1)
    assert (await stage.states(lost), len(far.tried)) == (["delivered"], 2)
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(12, 2)
        assert [name for name, lane in stage.dispatcher.lanes.items() if lane.leased] == ["mail"]
        await stage.go_on(56, 2)
    assert [line["event"] for line in lines] == ["leases_lost", "delivery_delivered"]
    assert (await stage.see(kept))[1][0].fence == 1
    assert (len(far.tried), len(mail.tried)) == (2, 2)
    await second.stop()


async def test_leases_are_renewed_however_long_a_backlog_is_swept(stage: Stage, far: FarSide):
    """The store frees what was parked, for longer than a lease: what waits for its turn is kept and sent once."""
    real, swept = stage.store.parked_channels, asyncio.Event()

    async def parked_channels() -> list[str]:
        await swept.wait()
        return list(await real())

    stage.store.parked_channels = parked_channels
    request_id = await stage.told()
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(65, 2.5)
    swept.set()
    assert [line["event"] for line in lines] == ["delivery_delivered"]
    assert ((await stage.see(request_id))[1][0].fence, len(far.tried)) == (1, 2)
