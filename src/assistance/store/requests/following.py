"""Words that come later: what the customer adds, and what a person replies.

After an erasure they make the description an empty one, so that they are found again when their time is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from assistance.model import MOST_FOLLOW_UPS, OPEN, AssistanceRequest, EventType, Snapshot, Status
from assistance.store.errors import TooManyFollowUpsError
from assistance.store.requests.locking import Command, each_or_refusal, enqueue_updates, lock_request, record


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The customer adds `text`."""

    command: Command
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A person says `text` to the customer."""

    command: Command
    text: str


def follow_up(connection: Connection, items: Sequence[FollowUp]) -> list[Snapshot | Exception]:
    """Add to a request that is not over; people who were told of it hear it, a later notice says it by itself."""
    return each_or_refusal(_follow_up, connection, items)


def _follow_up(connection: Connection, item: FollowUp) -> Snapshot:
    # A failed request is not over: an operator sends it again, with what was added since.
    found = lock_request(connection, item.command, OPEN | {Status.FAILED})
    if full := no_room(found.request):
        raise full
    texts = (*found.request.follow_ups, item.text)
    happened = EventType.FOLLOWED_UP, {"follow_up": len(texts) - 1}
    said = replace(found.request, description=found.request.description or "", follow_ups=texts)
    after = record(connection, found.request, said, item.command, happened)
    return enqueue_updates(connection, after, found.deliveries, item.command.now)


def no_room(request: AssistanceRequest) -> TooManyFollowUpsError | None:
    """Why nothing more is added to the request, if that is so."""
    if len(request.follow_ups) < MOST_FOLLOW_UPS:
        return None
    return TooManyFollowUpsError(f"the request has {MOST_FOLLOW_UPS} follow-ups", request.claim)


def reply(connection: Connection, items: Sequence[Reply]) -> list[Snapshot | Exception]:
    """Write the reply into the time line, where the bot reads it; people hear that it was given."""
    return each_or_refusal(_reply, connection, items)


def _reply(connection: Connection, item: Reply) -> Snapshot:
    found = lock_request(connection, item.command, OPEN)
    happened = EventType.REPLIED, {"text": item.text}
    said = replace(found.request, description=found.request.description or "")
    after = record(connection, found.request, said, item.command, happened)
    return enqueue_updates(connection, after, found.deliveries, item.command.now)
