"""Each kind of delivery goes out in its own way."""

from typing import Any

import pytest
import structlog.testing
from opentelemetry.trace import NoOpTracer
from tests.fakes.clock import ManualClock
from tests.messages.jobs import happened, notice_job, update_job

from assistance.channels import Channel
from assistance.dispatch.sending import send
from assistance.model import Delivery, EventType, Kind, Message, Reason, TryLater
from assistance.outgoing import Http
from assistance.store import Job


class Recording(Channel):
    """Records each call: the method, the reference it names, the title."""

    calls: Any

    async def send(self, message: Message, http: Http) -> str | None:  # noqa: ARG002 - no wire
        self.calls.append(("send", None, message.title))
        return "new"


class Threaded(Recording):
    async def reply_to(self, thread: str, message: Message, http: Http) -> str | None:  # noqa: ARG002 - no wire
        self.calls.append(("reply_to", thread, message.title))
        return "below"


class Editing(Threaded):
    async def update(self, reference: str, message: Message, http: Http) -> None:  # noqa: ARG002 - no wire
        self.calls.append(("update", reference, message.title))


async def calls(job: Job, kind: type[Recording] = Editing) -> list[tuple[str, str | None, str]]:
    """What the channel is called with for this delivery."""
    channel = kind(calls=[])
    await send(channel, "slack", job, http=Http(), clock=ManualClock(0.0), tracer=NoOpTracer())
    found: list[tuple[str, str | None, str]] = channel.calls
    return found


async def test_a_notice_is_sent():
    """By itself, whatever else the channel can."""
    assert await calls(notice_job()) == [("send", None, "Sales: a customer asks for a person")]


@pytest.mark.parametrize(
    ("type_", "kind", "made"),
    [
        (EventType.CLAIMED, Editing, [("update", "ts")]),
        (EventType.RELEASED, Editing, [("update", "ts"), ("reply_to", "ts")]),
        (EventType.FOLLOWED_UP, Editing, [("reply_to", "ts")]),
        (EventType.CLAIMED, Threaded, [("reply_to", "ts")]),
        (EventType.CLAIMED, Recording, [("send", None)]),
    ],
)
async def test_an_update_goes_where_the_channel_can(type_: EventType, kind: type[Recording], made: list[Any]):
    """Over the notice, below it, or by itself."""
    assert [call[:2] for call in await calls(update_job(happened(type_), "ts"), kind)] == made


async def test_an_update_without_a_notice_is_sent_by_itself():
    """There is no reference to reply to."""
    assert [call[:2] for call in await calls(update_job(happened(EventType.CLAIMED)))] == [("send", None)]


@pytest.mark.parametrize("kind", [Kind.REMINDER, Kind.CALLBACK])
async def test_a_kind_without_a_message_is_never_sent_as_an_update(kind: Kind):
    """Nothing composes it yet: that is logged as a bug and tried later, and nobody gets a wrong message."""
    job = Job(Delivery("r-1", 2, "slack", 0.0, 0.0, kind), notice_job().request, "ts", happened(EventType.CLAIMED))
    channel = Editing(calls=[])
    with structlog.testing.capture_logs() as lines:
        done = await send(channel, "slack", job, http=Http(), clock=ManualClock(0.0), tracer=NoOpTracer())
    assert (channel.calls, [line["error"] for line in lines]) == ([], ["NotImplementedError"])
    assert isinstance(done.verdict, TryLater)
    assert (done.verdict.reason, done.verdict.code) == (Reason.BUG, "NotImplementedError")
