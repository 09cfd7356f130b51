"""Bugs and outages: each is logged, and no other message or channel is touched."""

import asyncio
from typing import Any

import structlog
from tests.dispatch.provider import Provider, Scripted
from tests.dispatch.stage import Stage, set_up

from assistance.dispatch.sending import try_channel
from assistance.model import Message, Misconfigured, Outcome, Reason, TryLater
from assistance.outgoing import Http
from assistance.outgoing.http import Timeouts
from assistance.routing import Step
from assistance.settings import MissingSecretError
from assistance.store import StoreBrokenError


class Careless(Scripted):
    """Returns what the provider's script says instead of a reference."""

    async def send(self, message: Message, http: Http) -> Any:
        await super().send(message, http)
        return self.provider.answer


async def test_an_outcome_is_written_when_the_store_is_back(stage: Stage):
    """Sent, and then the store was gone for a minute: it is recorded, and not sent again."""
    hang = asyncio.Event()
    stage.providers["slack"].script.append(hang)
    request_id = await stage.sent()
    stage.store.down = True
    hang.set()
    await stage.go_on(60, 2)
    stage.store.down = False
    await stage.go_on(2)
    assert await stage.states(request_id) == ["delivered"]
    assert len(stage.providers["slack"].tried) == 1


async def test_a_broken_store_is_not_waited_for(stage: Stage):
    """This process must end: what it cannot record it forgets."""

    async def broken(_outcome: object) -> bool:
        raise StoreBrokenError("disk i/o error")

    hang = asyncio.Event()
    stage.providers["slack"].script.append(hang)
    await stage.sent()
    stage.store.record_outcome = broken
    hang.set()
    await stage.quiet()
    assert not stage.dispatcher.lanes["slack"].leased


async def test_an_outcome_that_meets_a_bug_of_ours_is_not_forgotten(stage: Stage):
    """Whatever the store raises, what was sent is recorded in the end, or it would be sent again."""
    real, fails = stage.store.record_outcome, [KeyError("x"), KeyError("x")]

    async def record_outcome(outcome: object) -> Any:
        if fails:
            raise fails.pop()
        return await real(outcome)

    stage.store.record_outcome = record_outcome
    request_id = await stage.sent()
    await stage.go_on(3)
    assert await stage.states(request_id) == ["delivered"]
    assert len(stage.providers["slack"].tried) == 1


async def test_a_store_that_is_away_stops_neither_loop_nor_reload(stage: Stage):
    """An hour without a store, with reloads: afterwards everything goes on as if nothing had been."""
    stage.store.down = True
    stage.add_channel("more")
    for _ in range(5):
        await stage.reload()
        await stage.go_on(60, 5)
    stage.store.down = False
    stage.route(Step(("more",)))
    request_id = await stage.sent()
    await stage.go_on(2)
    assert await stage.states(request_id) == ["delivered"]
    assert not stage.running.done()


async def test_a_bug_in_a_channel_is_tried_again_and_logged(stage: Stage):
    """The log names channel and type of the error, never its text, which may be the customer's."""
    stage.providers["slack"].script.append(lambda: KeyError("a customer's secret"))
    with structlog.testing.capture_logs() as lines:
        request_id = await stage.sent()
    (bug,) = [line for line in lines if line["event"] == "channel_bug"]
    assert (bug["channel"], bug["channel_type"], bug["error"]) == ("slack", "Scripted", "KeyError")
    assert "secret" not in str({key: value for key, value in bug.items() if key != "exc_info"})
    await stage.go_on(3)
    assert [(made.outcome, made.reason, made.code) for made in await stage.tries(request_id)] == [
        (Outcome.RETRY, Reason.BUG, "KeyError"),
        (Outcome.DELIVERED, None, None),
    ]


async def test_a_bug_that_only_one_message_meets_opens_no_breaker(stage: Stage):
    """Six messages that a channel stumbles over keep no other one from going."""
    stage.providers["slack"].fails = lambda message: ValueError() if message.body == "bad" else None
    for _ in range(6):
        await stage.sent(description="bad")
    request_id = await stage.sent()
    assert await stage.states(request_id) == ["delivered"]


async def test_a_message_that_cannot_be_composed_stops_nobody_else(stage: Stage):
    """A request whose data breaks the wording is tried again; the next one goes out."""
    later = 10.0**13
    stage.clock._now, now = later, stage.clock._now
    broken = await stage.sent()
    stage.clock._now = now
    assert (await stage.tries(broken))[0].reason == Reason.BUG
    request_id = await stage.sent()
    assert await stage.states(request_id) == ["delivered"]


async def test_a_cancellation_that_a_channel_lets_through_is_its_bug(stage: Stage):
    """Nobody was shutting down: it counts as a try, or it would be repeated without end."""
    stage.providers["slack"].script.append(asyncio.CancelledError)
    request_id = await stage.sent()
    assert (await stage.tries(request_id))[0].code == "CancelledError"
    await stage.go_on(3)
    assert await stage.states(request_id) == ["delivered"]


async def test_a_send_without_end_is_a_time_out(stage: Stage):
    """The whole send has its time, whatever the channel waits for."""
    channel = stage.channels["slack"]
    stage.providers["slack"].script.append(asyncio.Event())
    made = await try_channel(channel, "slack", Http(timeouts=Timeouts(whole=0.01)), stage.clock)
    assert (made.outcome, made.reason) == (Outcome.RETRY, Reason.TIMEOUT)


async def test_a_secret_that_was_taken_away_parks_the_channel(stage: Stage):
    """An operator has to act, and failover starts."""
    stage.providers["slack"].always = lambda: MissingSecretError("env:SLACK_TOKEN")
    await stage.sent()
    assert set(stage.dispatcher.parked) == {"slack"}


async def test_whatever_a_channel_answers_can_be_stored(stage: Stage):
    """References and texts that no database can store become none, or harmless."""
    for answer in (7, "x" * 5_000, "a\x00b", "\ud800", "", b"bytes", object()):
        provider: Provider = stage.add_channel("slack", Careless)
        await stage.reload()
        provider.answer = answer  # type: ignore[attr-defined]
        request_id = await stage.sent()
        _, (delivery,) = await stage.snapshot(request_id)
        assert (delivery.state, delivery.reference) == ("delivered", None)


async def test_whatever_a_channel_says_of_a_failure_can_be_stored(stage: Stage):
    """A verdict's texts are cut and cleaned, and the try counts."""
    odd = TryLater("no\x00reason", code="\ud800" * 500, answer="a" * 9_000)
    stage.providers["slack"].script.append(lambda: odd)
    stage.providers["slack"].script.append(lambda: Misconfigured("x" * 9_000))
    request_id = await stage.sent()
    await stage.go_on(3)
    first, second = await stage.tries(request_id)
    assert (first.reason, len(first.code or ""), len(first.answer or "")) == ("noreason", 100, 200)
    assert len(second.reason or "") == 100
    assert set(stage.dispatcher.parked) == {"slack"}


class Unspeakable:
    """A reason that cannot even be written down."""

    def __str__(self) -> str:
        raise LookupError


async def test_a_verdict_that_nobody_understands_counts_as_a_try(stage: Stage):
    """It is tried again by the schedule, not whenever its lease has ended."""
    stage.providers["slack"].script.append(lambda: TryLater(Unspeakable()))  # type: ignore[arg-type]
    with structlog.testing.capture_logs() as lines:
        request_id = await stage.sent()
    assert "verdict_not_understood" in [line["event"] for line in lines]
    await stage.go_on(3)
    assert [(made.outcome, made.reason, made.code) for made in await stage.tries(request_id)] == [
        (Outcome.RETRY, Reason.BUG, "LookupError"),
        (Outcome.DELIVERED, None, None),
    ]


async def test_a_bug_in_the_engine_itself_is_logged_and_stops_no_lane(stage: Stage):
    """No exception of a lane's task vanishes, and the lane goes on."""
    real = stage.metrics.delivery

    def delivery(*_args: object) -> None:
        stage.metrics.delivery = real  # type: ignore[method-assign]
        raise LookupError

    stage.metrics.delivery = delivery  # type: ignore[method-assign, assignment]
    with structlog.testing.capture_logs() as lines:
        first = await stage.sent()
    assert [line["event"] for line in lines if line["log_level"] == "critical"] == ["lane_failed"]
    second = await stage.sent()
    assert [await stage.states(request_id) for request_id in (first, second)] == [["delivered"], ["delivered"]]
    assert not stage.dispatcher.lanes["slack"].leased


async def test_housekeeping_survives_a_bug(stage: Stage):
    """Whatever goes wrong there, leases are renewed ten seconds later."""
    real, calls = stage.store.recover, []

    async def recover(item: object) -> Any:
        calls.append(item)
        if len(calls) == 1:
            raise LookupError
        return await real(item)

    stage.store.recover = recover
    with structlog.testing.capture_logs() as lines:
        await stage.go_on(25, 1)
    assert [line["event"] for line in lines] == ["housekeeping_failed"]
    assert len(calls) >= 2


async def test_a_reload_survives_a_bug(stage: Stage):
    """The process would end with it: the new file is in force, and what failed is done by the next round."""

    async def lane_states() -> Any:
        raise LookupError

    stage.store.lane_states = lane_states
    stage.add_channel("more")
    stage.route(Step(("more",)))
    with structlog.testing.capture_logs() as lines:
        await stage.reload()
        request_id = await stage.sent()
    assert [line["event"] for line in lines] == ["housekeeping_failed", "delivery_delivered"]
    assert await stage.states(request_id) == ["delivered"]


async def test_an_idle_engine_dequeues_about_once_a_second(tmp_path: Any):
    """Nothing is due for minutes: few dequeues, nothing is written, and no loop spins."""
    stage = set_up(tmp_path / "idle.db")
    await stage.start()
    await stage.go_on(5)
    stage.store.calls.clear()
    await stage.go_on(150, 1)
    assert 140 <= stage.store.calls.count("dequeue") <= 152
    assert stage.store.calls.count("recover") <= 16
    assert not {"record_outcome", "release", "park", "unpark", "freeze", "renew"} & set(stage.store.calls)
    await stage.end()
    stage.store.store.close()
    stage.metrics.shutdown()


async def test_a_lane_that_is_closed_makes_no_loop_spin(stage: Stage):
    """Parked, frozen or resting lanes with much that waits: still about one dequeue a second."""
    stage.providers["slack"].always = lambda: Misconfigured(Reason.CREDENTIALS)
    stage.route(Step(("mail",)), topic="pricing")
    stage.providers["mail"].always = lambda: TryLater(Reason.RATE_LIMITED, 3000)
    for _ in range(20):
        await stage.sent()
        await stage.sent("pricing")
    await stage.go_on(5)
    stage.store.calls.clear()
    await stage.go_on(55, 0.5)
    assert stage.store.calls.count("dequeue") <= 60
