"""Steps that follow: their conditions are read when their time has come."""

import asyncio

from tests.dispatch.stage import Stage

from assistance.model import (
    Condition,
    Misconfigured,
    Reason,
    Status,
    Transition,
    TryLater,
    Undeliverable,
    When,
)
from assistance.routing import Step

FIRST = Step(("slack",))
FAILOVER = Step(("mail",), 60, Condition.UNDELIVERED)
# 1,800,000,000 is Friday 2027-01-15, 08:00 in UTC.
OPEN, CLOSED = "Mon-Fri 07:00-18:00 UTC", "Mon-Fri 09:00-18:00 UTC"


def outage() -> TryLater:
    return TryLater(Reason.CONNECTION)


async def test_failover_goes_out_after_its_time_while_the_first_keeps_trying(stage: Stage):
    """A minute after the accept the second channel has it, and the first one has not given up."""
    stage.route(FIRST, FAILOVER)
    stage.providers["slack"].always = outage
    request_id = await stage.sent()
    await stage.go_on(59)
    assert not stage.providers["mail"].delivered
    await stage.go_on(2)
    assert stage.providers["mail"].keys == [f"{request_id}.2"]
    assert await stage.states(request_id) == ["retrying", "delivered"]
    stage.providers["slack"].always = None
    await stage.go_on(200, 2)
    assert await stage.states(request_id) == ["delivered", "delivered"]


async def test_failover_goes_out_while_the_first_hangs(stage: Stage):
    """A channel that does not answer is undelivered too."""
    stage.route(FIRST, FAILOVER)
    stage.providers["slack"].always = asyncio.Event()
    request_id = await stage.sent()
    await stage.go_on(61)
    assert await stage.states(request_id) == ["sending", "delivered"]


async def test_failover_is_skipped_when_a_person_was_notified_in_time(stage: Stage):
    """Delivered at the second try, within the minute: nobody else is bothered."""
    stage.route(FIRST, FAILOVER)
    stage.providers["slack"].script.append(outage)
    request_id = await stage.sent()
    await stage.go_on(62)
    assert not stage.providers["mail"].tried
    assert await stage.states(request_id) == ["delivered", "skipped"]


async def test_failover_starts_at_once_when_the_first_has_failed(stage: Stage):
    """What can never be delivered is not waited for."""
    stage.route(FIRST, FAILOVER)
    stage.providers["slack"].always = lambda: Undeliverable(Reason.REJECTED)
    request_id = await stage.sent()
    assert await stage.states(request_id) == ["failed", "delivered"]
    assert (await stage.snapshot(request_id))[0].status == Status.NOTIFIED


async def test_many_steps_that_do_not_hold_keep_nobody_waiting(stage: Stage):
    """Three hundred failovers whose time has come and that nobody needs do not delay a message on the same channel."""
    stage.route(FIRST, FAILOVER)
    stage.route(Step(("mail",)), topic="pricing")
    stage.add_channel("mail", pace="1/s")
    await stage.reload()
    for _ in range(300):
        await stage.ask()
    await stage.quiet()
    stage.clock.advance(60)
    await stage.ask("pricing")
    await stage.go_on(1)
    assert len(stage.providers["mail"].tried) == 1


async def test_an_escalation_goes_out_when_nobody_has_claimed_it(stage: Stage):
    """`unclaimed` after ten minutes: the same people are notified again."""
    stage.route(FIRST, Step(("slack",), 600, Condition.UNCLAIMED))
    request_id = await stage.sent()
    await stage.go_on(602, 5)
    assert stage.providers["slack"].keys == [f"{request_id}.1", f"{request_id}.2"]


async def test_an_escalation_is_skipped_after_a_claim(stage: Stage):
    """A claim within the ten minutes ends it."""
    stage.route(FIRST, Step(("mail",), 600, Condition.UNCLAIMED))
    request_id = await stage.sent()
    await stage.move(request_id, Transition.CLAIM)
    await stage.go_on(602, 5)
    assert not stage.providers["mail"].tried
    assert (await stage.states(request_id))[1] == "skipped"


async def test_a_step_for_opening_hours_goes_out_in_them_only(stage: Stage):
    """`when` is read when the step's time has come."""
    steps = FIRST, Step(("mail",), 10, Condition.ALWAYS, When.OPEN), Step(("mail",), 20, Condition.ALWAYS, When.CLOSED)
    stage.route(*steps, hours=OPEN)
    stage.route(*steps, topic="pricing", hours=CLOSED)
    opened, closed = await stage.sent(), await stage.sent("pricing")
    await stage.go_on(25)
    assert await stage.states(opened) == ["delivered", "delivered", "skipped"]
    assert await stage.states(closed) == ["delivered", "skipped", "delivered"]


async def test_cancelling_stops_what_waits_and_notifies_those_who_were_notified(stage: Stage):
    """The channels that have the notice get the cancellation; the others get nothing."""
    stage.route(FIRST, Step(("mail",), 60))
    request_id = await stage.sent()
    await stage.move(request_id, Transition.CANCEL)
    await stage.go_on(62)
    assert not stage.providers["mail"].tried
    assert [message.title for message in stage.providers["slack"].delivered][1:] == [
        "Sales: cancelled, nobody waits any more"
    ]
    assert await stage.states(request_id) == ["delivered", "skipped", "delivered"]


async def test_what_is_cancelled_while_it_is_tried_again_is_not_sent(stage: Stage):
    """A customer who needs nobody any more is not announced when the channel comes back."""
    stage.providers["slack"].always = outage
    request_id = await stage.sent()
    await stage.move(request_id, Transition.CANCEL)
    stage.providers["slack"].always = None
    await stage.go_on(30)
    assert len(stage.providers["slack"].tried) == 1
    assert await stage.states(request_id) == ["skipped"]


async def test_what_was_due_in_opening_hours_is_sent_after_them_when_it_had_to_wait(stage: Stage):
    """The step for closing time was not for it: skipped as well, it would notify nobody."""
    stage.add_channel("slack", pace="2/m")
    stage.route(
        Step(("slack",), 0, Condition.ALWAYS, When.OPEN),
        Step(("mail",), 0, Condition.ALWAYS, When.CLOSED),
        hours="Mon-Fri 07:00-08:01 UTC",
    )
    await stage.reload()
    asked = [await stage.sent() for _ in range(6)]
    await stage.go_on(300, 1)
    assert [await stage.states(request_id) for request_id in asked] == [["delivered", "skipped"]] * 6


async def test_what_was_parked_in_opening_hours_is_sent_after_them_when_its_channel_is_mended(stage: Stage):
    """A wrong token may be found out in the evening."""
    stage.route(Step(("slack",), 0, Condition.ALWAYS, When.OPEN), hours="Mon-Fri 07:00-08:01 UTC")
    stage.providers["slack"].always = lambda: Misconfigured(Reason.CREDENTIALS)
    asked = [await stage.sent() for _ in range(3)]
    await stage.go_on(70, 1)
    stage.providers["slack"].always = None
    await stage.go_on(120, 1)
    assert [await stage.states(request_id) for request_id in asked] == [["delivered"]] * 3
