"""One try: the channel's coroutine under a time limit, in a span, with whatever it raises turned into a verdict."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import assert_never

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from assistance.channels import CanReply, CanUpdate, Channel
from assistance.dispatch.outcome import Try, attempt_of
from assistance.messages.notice import notice, trial
from assistance.messages.update import aloud, rewritten, update
from assistance.model import Attempt, Clock, Kind, Misconfigured, Outcome, Reason, TryLater, Undeliverable, Verdict
from assistance.outgoing import Http
from assistance.settings import MissingSecretError
from assistance.store import Job

log = structlog.get_logger(__name__)

_REFERENCE_LIMIT = 1_000
_OUTCOMES = {Misconfigured: Outcome.PARKED, Undeliverable: Outcome.FAILED}
_propagator = TraceContextTextMapPropagator()


async def send(channel: Channel, name: str, job: Job, http: Http, clock: Clock, *, tracer: trace.Tracer) -> Try:
    """Say the work's message on the channel; never raises but for cancellation.

    Its span belongs to the trace of the accepting call, as a child of its span and linked to it: some back ends show
    the one, some the other.
    """
    at, started = clock.now(), clock.monotonic()
    if job.request.traceparent is None and isinstance(tracer, trace.NoOpTracer):
        # Nobody traces, nor did who asked: a span would cost as much as composing the message.
        verdict, reference = await _say(channel, name, lambda: _by_kind(channel, job, http), http)
    else:
        with _span(name, job, tracer) as span:
            verdict, reference = await _say(channel, name, lambda: _by_kind(channel, job, http), http)
            if verdict is not None:
                span.set_attribute("error.type", str(verdict.reason))
                span.set_status(trace.StatusCode.ERROR, str(verdict.reason))
    return Try(at, clock.monotonic() - started, verdict, reference)


def _span(name: str, job: Job, tracer: trace.Tracer) -> AbstractContextManager[trace.Span]:
    context = _propagator.extract({"traceparent": job.request.traceparent or ""})
    accepted = trace.get_current_span(context).get_span_context()
    links = [trace.Link(accepted)] if accepted.is_valid else []
    return tracer.start_as_current_span(
        f"deliver {name}", context, trace.SpanKind.CONSUMER, _attributes(name, job), links
    )


def _attributes(channel: str, job: Job) -> dict[str, str | int]:
    """By the semantic conventions for messaging: the channel is the destination."""
    return {
        "messaging.system": "assistance",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": channel,
        "messaging.message.id": job.delivery.key,
        "assistance.topic": job.request.topic,
        "assistance.kind": job.delivery.kind,
        "assistance.attempt": job.delivery.attempts + 1,
    }


async def _say(
    channel: Channel, name: str, say: Callable[[], Awaitable[str | None]], http: Http
) -> tuple[Verdict | None, str | None]:
    try:
        async with asyncio.timeout(http.timeouts.whole):
            reference = await say()
    except Verdict as verdict:
        verdict.after = _seconds(verdict.after)
        return verdict, None
    except TimeoutError:
        return TryLater(Reason.TIMEOUT), None
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        # Nobody cancelled us: the channel let somebody else's cancellation through.
        return TryLater(Reason.BUG, code="CancelledError"), None
    except MissingSecretError:
        # The routing file was accepted with it, so it was taken away since: an operator has to act.
        return Misconfigured(Reason.CREDENTIALS, code="secret_missing"), None
    except Exception as error:
        log.exception("channel_bug", channel=name, channel_type=type(channel).__name__, error=type(error).__name__)
        return TryLater(Reason.BUG, code=type(error).__name__), None
    return None, _sound(reference)


async def _by_kind(channel: Channel, job: Job, http: Http) -> str | None:
    """Compose the message of the delivery and send it; returns the provider's reference."""
    match job.delivery.kind:
        case Kind.NOTICE:
            return await channel.send(notice(job), http)
        case Kind.UPDATE:
            return await _update(channel, job, http)
        case Kind.REMINDER | Kind.CALLBACK:
            raise NotImplementedError(f"no message is composed for a {job.delivery.kind} yet")
        case _:
            assert_never(job.delivery.kind)


async def _update(channel: Channel, job: Job, http: Http) -> str | None:
    """Rewrite the notice where the channel can; else, or when people have to act, post the update below it.

    After a refusal the message is short and is sent by itself: a person may have removed the notice.
    """
    message = update(job)
    if job.thread is None or message.short:
        return await channel.send(message, http)
    if isinstance(channel, CanUpdate) and (again := rewritten(job)) is not None:
        await channel.update(again.thread or job.thread, again, http)
        if not aloud(job):
            return None
    if isinstance(channel, CanReply):
        return await channel.reply_to(job.thread, message, http)
    return await channel.send(message, http)


def _sound(reference: object) -> str | None:
    """A reference that can be stored, or none: a channel that is not ours may give anything."""
    fits = isinstance(reference, str) and reference.isprintable() and 0 < len(reference) <= _REFERENCE_LIMIT
    return str(reference) if fits else None


def _seconds(after: object) -> float | None:
    """How long the destination wants nothing, or None: it may be a header as it came."""
    try:
        seconds = float(after)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < math.inf else None


async def try_channel(channel: Channel, name: str, http: Http, clock: Clock) -> Attempt:
    """Send one marked test message, whatever the channel's state; returns the try with its outcome."""
    now, started = clock.now(), clock.monotonic()
    verdict, _ = await _say(channel, name, lambda: channel.send(trial(name, now), http), http)
    outcome = Outcome.DELIVERED if verdict is None else _OUTCOMES.get(type(verdict), Outcome.RETRY)
    return attempt_of(Try(now, clock.monotonic() - started, verdict), outcome)
