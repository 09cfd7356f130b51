"""One try: the channel's coroutine under a time limit, in a span; whatever it raises becomes a verdict."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import assert_never

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from assistance.channels import CanReply, CanUpdate, Channel
from assistance.dispatch.outcome import Failure, Try
from assistance.messages.notice import notice, trial
from assistance.messages.update import aloud, rewritten, update
from assistance.model import Attempt, Clock, Kind, Misconfigured, Outcome, Reason, TryLater, Undeliverable
from assistance.outgoing import Http
from assistance.settings import MissingSecretError
from assistance.store import Job

log = structlog.get_logger(__name__)

_REFERENCE_LIMIT = 1_000
_WORD_LIMIT = 100
_ANSWER_LIMIT = 200
_propagator = TraceContextTextMapPropagator()


async def send(channel: Channel, name: str, job: Job, *, http: Http, clock: Clock, tracer: trace.Tracer) -> Try:
    """Send the job's message through the channel of that name; raises nothing but CancelledError.

    Its span belongs to the trace of the accepting call, as a child of its span and linked to it: some back ends show
    the one, some the other.
    """
    if job.request.traceparent is None and isinstance(tracer, trace.NoOpTracer):
        # Neither we nor the caller trace: a span would cost as much as composing the message.
        return await _try(channel, name, lambda: _by_kind(channel, job, http), http, clock)
    with _span(name, job, tracer) as span:
        made = await _try(channel, name, lambda: _by_kind(channel, job, http), http, clock)
        if made.verdict is not None:
            span.set_attribute("error.type", made.verdict.reason)
            span.set_status(trace.StatusCode.ERROR, made.verdict.reason)
    return made


async def try_channel(channel: Channel, name: str, http: Http, clock: Clock) -> Attempt:
    """Send one marked test message, whatever the channel's state; how that went."""
    now = clock.now()
    made = await _try(channel, name, lambda: channel.send(trial(name, now), http), http, clock)
    match made.verdict:
        case None:
            return made.attempt(Outcome.DELIVERED)
        case TryLater():
            return made.attempt(Outcome.RETRY)
        case Misconfigured():
            return made.attempt(Outcome.PARKED)
        case Undeliverable():
            return made.attempt(Outcome.FAILED)
        case _:
            assert_never(made.verdict)


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


async def _try(
    channel: Channel, name: str, deliver: Callable[[], Awaitable[str | None]], http: Http, clock: Clock
) -> Try:
    at, started = clock.now(), clock.monotonic()
    verdict, reference = None, None
    try:
        async with asyncio.timeout(http.timeouts.whole):
            reference = await deliver()
    except (TryLater, Misconfigured, Undeliverable) as raised:
        verdict = _storable(raised, name)
    except TimeoutError:
        verdict = TryLater(Reason.TIMEOUT)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        # Nobody cancelled us: the channel let the cancellation of another task through.
        verdict = TryLater(Reason.BUG, code="CancelledError")
    except MissingSecretError:
        # The routing file was accepted with it, so it was taken away since: an operator has to act.
        verdict = Misconfigured(Reason.CREDENTIALS, code="secret_missing")
    except Exception as error:
        log.exception("channel_bug", channel=name, channel_type=type(channel).__name__, error=type(error).__name__)
        verdict = TryLater(Reason.BUG, code=type(error).__name__)
    return Try(at, clock.monotonic() - started, verdict, _reference(reference))


def _storable(verdict: Failure, channel: str) -> Failure:
    """The verdict with what can be stored: a channel of another package may have put anything into it."""
    try:
        verdict.after = _seconds(verdict.after)
        verdict.reason = _word(verdict.reason, _WORD_LIMIT) or Reason.OTHER
        verdict.code = _word(verdict.code, _WORD_LIMIT)
        verdict.answer = _word(verdict.answer, _ANSWER_LIMIT)
    except Exception as error:
        log.exception("verdict_not_understood", channel=channel, error=type(error).__name__)
        return TryLater(Reason.BUG, code=type(error).__name__)
    return verdict


def _word(value: object, limit: int) -> str | None:
    """What a database and a JSON document can carry: neither NUL nor half a surrogate pair, and not too long."""
    if value is None:
        return None
    return str(value)[:limit].replace("\x00", "").encode(errors="replace").decode() or None


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


def _reference(value: object) -> str | None:
    """A reference that can be stored, or none: a channel of another package may return anything."""
    fits = isinstance(value, str) and value.isprintable() and 0 < len(value) <= _REFERENCE_LIMIT
    return str(value) if fits else None


def _seconds(after: object) -> float | None:
    """For how long the provider wants nothing, None where it is no number: it may be a header as it came."""
    try:
        seconds = float(after)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < math.inf else None
