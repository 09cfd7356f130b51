"""An update: what has become of a request, for the channels that have its notice."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import assert_never

from assistance.messages.notice import ERASED, REST, SINCE, customer_of, known, name_of, notice, topic_of
from assistance.model import AssistanceRequest, Event, EventType, Kind, Message, Status
from assistance.store import Job


@dataclass(frozen=True, slots=True)
class _News:
    """What one event means to people.

    `title` and `body` are posted below the notice. `rewrites`: the notice is written anew where the channel can, and
    nothing is posted unless `aloud`: people have to act, or to stop, and nobody notices that an old message has
    changed. `standing` heads the rewritten notice of a request that waits.
    """

    title: str
    body: str = ""
    rewrites: bool = False
    aloud: bool = False
    standing: str = ""


def update(job: Job) -> Message:
    """What is posted below the notice."""
    request, event, news = job.request, _event(job), _news(job)
    # People know the request by the topic that it had then.
    topic = event.data.get("from") or topic_of(request)
    return Message(
        key=job.delivery.key,
        kind=job.delivery.kind,
        title=f"{topic}: {news.title}",
        body=news.body,
        created_at=event.at,
        fields=tuple(known(("Customer", customer_of(request)), ("Request", request.id))),
        short=job.delivery.short,
        thread=job.thread,
        since=SINCE,
        rest=REST,
    )


def aloud(job: Job) -> bool:
    """Whether an update is posted although the notice was rewritten."""
    return _news(job).aloud


def rewritten(job: Job) -> Message | None:
    """The message that replaces the one named by its `thread`; None where an update rewrites nothing.

    It shows how the request is when it is written, not when the update was enqueued: a late try does no harm.
    """
    if job.thread is None or not _news(job).rewrites:
        return None
    target = job.delivery.reference
    if _event(job).type is EventType.ERASED and target not in {None, job.thread}:
        return replace(update(job), thread=target)
    message = notice(job)
    title = " · ".join(part for part in (_standing(job), message.title) if part)
    return replace(message, kind=Kind.UPDATE, title=title, thread=job.thread)


def _event(job: Job) -> Event:
    if job.event is None:
        raise ValueError("an update is about an event")
    return job.event


def _news(job: Job) -> _News:
    """The one place that decides what people read of an event; a new type of event gets its case here."""
    request, event = job.request, _event(job)
    actor = name_of(event.actor)
    match event.type:
        case EventType.FOLLOWED_UP:
            news = _News("the customer adds", _follow_up(request, event))
        case EventType.REPLIED:
            news = _News(f"{actor} replied to the customer", str(event.data.get("text") or ERASED))
        case EventType.ERASED:
            news = _News("the text was erased", ERASED, rewrites=True)
        case EventType.CLAIMED:
            news = _News(f"taken by {actor}", rewrites=True)
        case EventType.RELEASED:
            title = f"given back by {actor}, somebody is needed"
            news = _News(title, rewrites=True, aloud=True, standing=f"Given back by {actor}")
        case EventType.REROUTED:
            title = f"moved to {event.data.get('to')} by {actor}"
            news = _News(title, rewrites=True, standing=f"Moved to {topic_of(request)} by {actor}")
        case EventType.RESOLVED:
            news = _News(f"resolved by {actor}", rewrites=True)
        case EventType.CANCELLED:
            news = _News("cancelled, nobody waits any more", rewrites=True, aloud=True)
        case (
            EventType.ACCEPTED
            | EventType.NOTIFIED
            | EventType.DELIVERED
            | EventType.DELIVERY_FAILED
            | EventType.DELIVERY_RETRIED
            | EventType.PARKED
            | EventType.SKIPPED
            | EventType.FAILED
            | EventType.EXPIRED
        ):
            raise ValueError(f"no update is about {event.type}")
        case _:
            assert_never(event.type)
    return news


def _follow_up(request: AssistanceRequest, event: Event) -> str:
    number, texts = event.data.get("follow_up"), request.follow_ups
    return (texts[number] if isinstance(number, int) and 0 <= number < len(texts) else "") or ERASED


def _standing(job: Job) -> str:
    """How the request is now, by whom; empty when it waits and nothing else is to be said."""
    status, claim, event = job.request.status, job.request.claim, _event(job)
    match status:
        case Status.CLAIMED if claim is not None:
            at = datetime.fromtimestamp(claim.at, UTC)
            return f"Taken by {name_of(claim.actor)}, {at:%H:%M} UTC"
        case Status.RESOLVED | Status.CANCELLED | Status.EXPIRED:
            by = f" by {name_of(event.actor)}" if event.type == status.value else ""
            return f"{status.capitalize()}{by}"
        case Status.ACCEPTED | Status.NOTIFIED | Status.CLAIMED | Status.FAILED:
            return _news(job).standing
        case _:
            assert_never(status)
