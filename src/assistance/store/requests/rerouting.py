"""Not ours: a request goes to the people of another topic, with its clock and its history."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select, tuple_, update

from assistance.model import OPEN, AssistanceRequest, Delivery, EventType, Kind, Snapshot, Status
from assistance.store.errors import ConflictError
from assistance.store.requests.conversations import conversation_of
from assistance.store.requests.locking import (
    Command,
    each_or_refusal,
    enqueue,
    enqueue_updates,
    lock_request,
    record,
    skip_waiting,
)
from assistance.store.tables.schema import deliveries, is_open, requests


@dataclass(frozen=True, slots=True)
class Reroute:
    """To the topic of that name and title; `plan` is what the topic gives now, numbered from 1."""

    command: Command
    topic: str
    title: str
    plan: tuple[Delivery, ...]
    expected_response: float | None


def reroute(connection: Connection, items: Sequence[Reroute]) -> list[Snapshot | Exception]:
    """Skip what waits for the people of the old topic, owe the plan of the new one, tell those who were told."""
    return each_or_refusal(_reroute, connection, items)


def _reroute(connection: Connection, item: Reroute) -> Snapshot:
    found = lock_request(connection, item.command, OPEN | {Status.FAILED})
    before = found.request
    if before.topic == item.topic:
        raise ConflictError("the request is on that topic already", before.claim)
    if conversation_goes_on(connection, replace(before, topic=item.topic)):
        raise ConflictError("its conversation has another open request on that topic", before.claim)
    owed = skip_waiting(connection, found.deliveries)
    _count_no_more(connection, before.id)
    after = replace(
        before,
        topic=item.topic,
        topic_title=item.title,
        status=Status.ACCEPTED,
        claim=None,
        notified_at=None,
        expected_response=item.expected_response,
    )
    happened = EventType.REROUTED, {"from": before.topic, "to": item.topic}
    after = record(connection, before, after, item.command, happened)
    fresh = _appended(owed, item.plan)
    enqueue(connection, after, fresh)
    return enqueue_updates(connection, after, (*owed, *fresh), item.command.now)


def _count_no_more(connection: Connection, request_id: str) -> None:
    """Who reads the old notices is no person of the new topic: the failover of that one must not rely on them."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.request_id == request_id, deliveries.c.kind == Kind.NOTICE)
        .values(person=False)
    )


def _appended(owed: Sequence[Delivery], plan: Sequence[Delivery]) -> tuple[Delivery, ...]:
    last = max((delivery.n for delivery in owed), default=0)
    steps = 1 + max((delivery.step for delivery in owed), default=-1)
    return tuple(replace(delivery, n=last + delivery.n, step=steps + delivery.step) for delivery in plan)


def conversation_goes_on(connection: Connection, request: AssistanceRequest) -> bool:
    """Whether another open request has the same client, topic and conversation: there may be one at a time."""
    conversation = conversation_of(request)
    if conversation is None:
        return False
    same = tuple_(requests.c.client, requests.c.topic, requests.c.conversation_id) == conversation
    others = select(requests.c.id).where(same, requests.c.conversation_id.is_not(None), is_open)
    return connection.execute(others.where(requests.c.id != request.id)).first() is not None
