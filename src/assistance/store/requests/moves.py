"""What people, bots, operators and time do to a request after it was accepted."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_, update

from assistance.model import (
    MOST_FOLLOW_UPS,
    OPEN,
    AssistanceRequest,
    Claim,
    Delivery,
    Event,
    EventType,
    Kind,
    Snapshot,
    State,
    Status,
    Transition,
)
from assistance.store.engine.writer import each
from assistance.store.errors import ConflictError, NoSuchDeliveryError, TooManyFollowUpsError
from assistance.store.queue.leases import change_to
from assistance.store.requests.changing import (
    Command,
    advanced,
    announce,
    commanded,
    enqueue,
    lock_request,
    next_n,
    record,
    skip_waiting,
)
from assistance.store.tables.rows import event_row
from assistance.store.tables.schema import STUCK, deliveries, events, is_open, is_unclaimed, owes_notice, requests

OVER = frozenset({Status.RESOLVED, Status.CANCELLED, Status.EXPIRED})
AGAIN = STUCK | {State.SKIPPED}
"""What an operator may send again."""
_EXPIRE_AT_ONCE = 500

Conversation = tuple[str, str, str]
"""Client, topic and the client's id of the conversation."""


@dataclass(frozen=True, slots=True)
class Move:
    """Makes a transition."""

    command: Command
    transition: Transition


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


@dataclass(frozen=True, slots=True)
class Reroute:
    """To the topic of that name and title; `plan` is what the topic gives now, numbered from 1."""

    command: Command
    topic: str
    title: str
    plan: tuple[Delivery, ...]
    expected_response: float | None


@dataclass(frozen=True, slots=True)
class Retry:
    """Send delivery `n` again, if it is in one of `states`."""

    command: Command
    n: int
    states: frozenset[State] = AGAIN


@commanded
def move(connection: Connection, item: Move) -> Snapshot:
    """Change the status, where the transition allows it."""
    found = lock_request(connection, item.command, item.transition.allowed)
    before, status = found.request, item.transition.status
    changes: dict[str, Any] = {"status": status}
    if status is None:
        changes = {"status": _unclaimed(before), "claim": None}
    elif status is Status.CLAIMED:
        changes["claim"] = Claim(item.command.actor, item.command.now)
    after, event = advanced(before, item.command, item.transition.event, **changes)
    if after.status in OVER:
        found = Snapshot(before, skip_waiting(connection, found.deliveries))
    return announce(connection, found, after, event)


def _unclaimed(request: AssistanceRequest) -> Status:
    """The status of the request without its claim or its failure."""
    return Status.ACCEPTED if request.notified_at is None else Status.NOTIFIED


@commanded
def follow_up(connection: Connection, item: FollowUp) -> Snapshot:
    """Add to a request that is not over."""
    # A failed request is not over: an operator sends it again, with what was added since.
    found = lock_request(connection, item.command, OPEN | {Status.FAILED})
    return announce(connection, found, *followed_up(found.request, item.command, item.text))


def followed_up(before: AssistanceRequest, command: Command, text: str) -> tuple[AssistanceRequest, Event]:
    """The request with a follow-up more, and the event. Raises TooManyFollowUpsError."""
    if len(before.follow_ups) >= MOST_FOLLOW_UPS:
        raise TooManyFollowUpsError(f"the request has {MOST_FOLLOW_UPS} follow-ups", before.claim)
    texts = (*before.follow_ups, text)
    data = {"follow_up": len(texts) - 1}
    return advanced(before, command, EventType.FOLLOWED_UP, data, follow_ups=texts, description=_erasable(before))


def _erasable(request: AssistanceRequest) -> str:
    """The description. Privacy: empty after an erasure, so that retention finds what was said since."""
    return request.description or ""


@commanded
def reply(connection: Connection, item: Reply) -> Snapshot:
    """Write the reply into the time line, where the bot reads it."""
    found = lock_request(connection, item.command, OPEN)
    data, description = {"text": item.text}, _erasable(found.request)
    after, event = advanced(found.request, item.command, EventType.REPLIED, data, description=description)
    return announce(connection, found, after, event)


@commanded
def reroute(connection: Connection, item: Reroute) -> Snapshot:
    """Skip what waits for the people of the old topic, and enqueue the plan of the new one."""
    found = lock_request(connection, item.command, OPEN | {Status.FAILED})
    before = found.request
    if before.topic == item.topic:
        raise ConflictError("the request is on that topic already", before.claim)
    if _conversation_goes_on(connection, replace(before, topic=item.topic)):
        raise ConflictError("its conversation has another open request on that topic", before.claim)
    owed = skip_waiting(connection, found.deliveries)
    # The old topic's people are not the new one's: its failover must not count on what they have received.
    old = deliveries.c.request_id == before.id, deliveries.c.kind == Kind.NOTICE
    connection.execute(update(deliveries).where(*old).values(person=False))
    after, event = advanced(
        before,
        item.command,
        EventType.REROUTED,
        {"from": before.topic, "to": item.topic},
        topic=item.topic,
        topic_title=item.title,
        status=Status.ACCEPTED,
        claim=None,
        notified_at=None,
        expected_response=item.expected_response,
    )
    n, step = next_n(owed) - 1, 1 + max((delivery.step for delivery in owed), default=-1)
    fresh = tuple(replace(delivery, n=n + delivery.n, step=step + delivery.step) for delivery in item.plan)
    enqueue(connection, after, fresh)
    return announce(connection, Snapshot(before, (*owed, *fresh)), after, event)


def conversation_of(request: AssistanceRequest) -> Conversation | None:
    """The conversation of a request, if it has one."""
    if request.conversation_id is None:
        return None
    return request.client, request.topic, request.conversation_id


def _conversation_goes_on(connection: Connection, request: AssistanceRequest) -> bool:
    """Whether another open request has the same client, topic and conversation: there may be one at a time."""
    conversation = conversation_of(request)
    if conversation is None:
        return False
    same = tuple_(requests.c.client, requests.c.topic, requests.c.conversation_id) == conversation
    others = select(requests.c.id).where(same, requests.c.conversation_id.is_not(None), is_open)
    return connection.execute(others.where(requests.c.id != request.id)).first() is not None


@commanded
def retry(connection: Connection, item: Retry) -> Snapshot:
    """Make a delivery due now, with its old key and a new `retry_for`, whatever its condition was."""
    found = lock_request(connection, item.command, frozenset(Status))
    request = found.request
    delivery = next((each for each in found.deliveries if each.n == item.n), None)
    if delivery is None:
        raise NoSuchDeliveryError(f"{request.id}.{item.n}")
    if delivery.kind is Kind.NOTICE and request.status in OVER:
        raise ConflictError(f"the request is {request.status}", request.claim)
    if request.status is Status.FAILED and _conversation_goes_on(connection, request):
        raise ConflictError("its conversation goes on in another request")
    if delivery.state not in item.states:
        raise ConflictError(f"the delivery is {delivery.state}")
    _make_due(connection, delivery, item.command.now)
    back = _unclaimed(request) if request.status is Status.FAILED and delivery.kind is Kind.NOTICE else request.status
    data = {"n": delivery.n, "channel": delivery.channel}
    after, event = advanced(request, item.command, EventType.DELIVERY_RETRIED, data, status=back)
    record(connection, request, after, event)
    sent = replace(delivery, state=State.PENDING, changes=delivery.changes + 1)
    return Snapshot(after, tuple(sent if each.n == item.n else each for each in found.deliveries))


def _make_due(connection: Connection, delivery: Delivery, now: float) -> None:
    connection.execute(
        update(deliveries)
        .where(deliveries.c.request_id == delivery.request_id, deliveries.c.n == delivery.n)
        .values(
            **change_to(State.PENDING),
            condition="always",
            opening="both",
            hours=None,
            attempts=0,
            # Late outcome: one of an earlier try must not count for this one.
            fence=deliveries.c.fence + 1,
            due_at=now,
            owed_since=now,
            parked_at=None,
            short=False,
            last_error=None,
        )
    )


@each
def expire(connection: Connection, now: float) -> list[str]:
    """Expire what nobody has claimed in its time and for which no notice is owed; the ids, some at a time."""
    query = (
        select(requests.c.id, requests.c.sequence)
        .where(is_unclaimed, requests.c.expires_at <= now, ~owes_notice)
        .order_by(requests.c.expires_at)
        .limit(_EXPIRE_AT_ONCE)
        .with_for_update(skip_locked=True, of=requests)
    )
    rows = connection.execute(query).all()
    if rows:
        connection.execute(
            update(requests)
            .where(requests.c.id.in_([row.id for row in rows]))
            .values(status=str(Status.EXPIRED), sequence=requests.c.sequence + 1)
        )
        expired = [Event(row.id, row.sequence + 1, EventType.EXPIRED, now) for row in rows]
        connection.execute(insert(events), [event_row(event) for event in expired])
    return [row.id for row in rows]
