"""One try: the channel's coroutine under a time limit, in a span, with whatever it raises turned into a verdict."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from assistance.channels import Channel
from assistance.dispatch.message import compose
from assistance.dispatch.outcome import Try
from assistance.dispatch.rewriting import aloud, rewritten
from assistance.model import (
    Attempt,
    Clock,
    Kind,
    Message,
    Misconfigured,
    Outcome,
    Reason,
    TryLater,
    Undeliverable,
    Verdict,
    uuid7,
)
from assistance.outgoing import Http
from assistance.settings import MissingSecretError
from assistance.store import Work

log = structlog.get_logger(__name__)

TIME_LIMIT = 15.0
"""Seconds for a whole send; connecting has its own, shorter limit in the seam."""

_propagator = TraceContextTextMapPropagator()


async def send(channel: Channel, name: str, work: Work, http: Http, clock: Clock, *, tracer: trace.Tracer) -> Try:
    """Say the work's message on the channel; never raises but for cancellation.

    Its span belongs to the trace of the accepting call, as a child of its span and linked to it: some back ends show
    the one, some the other.
    """
    at, started = clock.now(), clock.monotonic()
    context = _propagator.extract({"traceparent": work.request.traceparent or ""})
    accepted = trace.get_current_span(context).get_span_context()
    links = [trace.Link(accepted)] if accepted.is_valid else []
    with tracer.start_as_current_span(
        f"deliver {name}", context, trace.SpanKind.CONSUMER, _attributes(name, work), links
    ) as span:
        verdict, reference = await _say(channel, lambda: _by_kind(channel, work, http))
        if verdict is not None:
            span.set_attribute("error.type", verdict.reason)
            span.set_status(trace.StatusCode.ERROR, verdict.reason)
    return Try(at, clock.monotonic() - started, verdict, reference)


def _attributes(channel: str, work: Work) -> dict[str, str | int]:
    """By the semantic conventions for messaging: the channel is the destination."""
    return {
        "messaging.system": "assistance",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": channel,
        "messaging.message.id": work.delivery.key,
        "assistance.topic": work.request.topic,
        "assistance.kind": work.delivery.kind,
        "assistance.attempt": work.delivery.attempts + 1,
    }


async def _say(channel: Channel, say: Callable[[], Awaitable[str | None]]) -> tuple[Verdict | None, str | None]:
    try:
        async with asyncio.timeout(TIME_LIMIT):
            return None, await say()
    except Verdict as verdict:
        return verdict, None
    except TimeoutError:
        return TryLater(Reason.TIMEOUT), None
    except MissingSecretError:
        # The routing file was accepted with it, so it was taken away since: an operator has to act.
        return Misconfigured(Reason.CREDENTIALS), None
    except Exception as error:
        log.exception("channel_bug", channel_type=type(channel).__name__, error=type(error).__name__)
        return TryLater(Reason.BUG, code=type(error).__name__), None


async def _by_kind(channel: Channel, work: Work, http: Http) -> str | None:
    """Say it where it belongs: what has changed by rewriting the notice, what must be heard below it."""
    news = compose(work)
    if news.kind is not Kind.UPDATE or news.thread is None:
        return await channel.send(news, http)
    update, reply_to = getattr(channel, "update", None), getattr(channel, "reply_to", None)
    again = rewritten(work) if update is not None else None
    if update is not None and again is not None:
        await update(again.thread, again, http)
        if not aloud(work):
            return None
    if reply_to is None:
        return await channel.send(news, http)
    reference: str | None = await reply_to(news.thread, news, http)
    return reference


async def try_channel(channel: Channel, name: str, http: Http, clock: Clock) -> Attempt:
    """Send one marked test message, whatever the channel's state, and say what became of it."""
    now = clock.now()
    message = Message(
        key=f"test.{uuid7(now)}",
        kind=Kind.NOTICE,
        title=f"[test] The channel {name} works",
        body="This is a test message of the Assistance API. Nobody waits for an answer.",
        created_at=now,
    )
    started = clock.monotonic()
    verdict, _ = await _say(channel, lambda: channel.send(message, http))
    seconds = clock.monotonic() - started
    if verdict is None:
        return Attempt(now, seconds, Outcome.DELIVERED)
    outcome = {Misconfigured: Outcome.PARKED, Undeliverable: Outcome.FAILED}.get(type(verdict), Outcome.RETRY)
    return Attempt(now, seconds, outcome, verdict.reason, verdict.code, verdict.answer)
