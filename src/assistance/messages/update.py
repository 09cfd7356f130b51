"""What a notice says once something has become of its request, for channels that can rewrite it."""

from dataclasses import replace
from datetime import UTC, datetime

from assistance.messages.notice import compose, name_of, notice
from assistance.model import EventType, Kind, Message, Status
from assistance.store import Job

_REWRITTEN = frozenset(
    {
        EventType.CLAIMED,
        EventType.RELEASED,
        EventType.RESOLVED,
        EventType.REROUTED,
        EventType.CANCELLED,
        EventType.ERASED,
    }
)
_ALOUD = frozenset({EventType.RELEASED, EventType.CANCELLED})
"""Somebody must act on it, or stop acting: nobody hears an old message change."""

_OVER = {Status.RESOLVED: "Resolved", Status.CANCELLED: "Cancelled", Status.EXPIRED: "Expired"}


def aloud(job: Job) -> bool:
    """Whether an update must be said although the notice was rewritten."""
    return job.event is None or job.event.type not in _REWRITTEN or job.event.type in _ALOUD


def rewritten(job: Job) -> Message | None:
    """The message that takes the place of the one named by its `thread`; None where an update rewrites nothing.

    It says how the request stands when it is written, not when the update was owed: a late try does no harm.
    """
    event, first = job.event, job.thread
    if event is None or event.type not in _REWRITTEN or first is None:
        return None
    target = job.delivery.reference
    if event.type is EventType.ERASED and target not in {None, first}:
        return replace(compose(job), thread=target)
    message = notice(job)
    title = " · ".join(part for part in (_standing(job), message.title) if part)
    return replace(message, kind=Kind.UPDATE, title=title, thread=first)


def _standing(job: Job) -> str:
    request, event = job.request, job.event
    actor = name_of(event.actor if event else None)
    if request.status is Status.CLAIMED and request.claim is not None:
        at = datetime.fromtimestamp(request.claim.at, UTC)
        return f"Taken by {name_of(request.claim.actor)}, {at:%H:%M} UTC"
    if over := _OVER.get(request.status):
        return f"{over} by {actor}" if event and event.type == over.lower() else over
    if event and event.type is EventType.REROUTED:
        return f"Moved to {request.topic_title or request.topic} by {actor}"
    return f"Given back by {actor}" if event and event.type is EventType.RELEASED else ""
