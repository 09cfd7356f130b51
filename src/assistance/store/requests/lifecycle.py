"""The moves of a request that people, bots and time make."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, insert, select, update

from assistance.model import AssistanceRequest, Claim, Event, EventType, Snapshot, Status, Transition
from assistance.store.requests.locking import (
    Command,
    each_or_refusal,
    enqueue_updates,
    lock_request,
    record,
    skip_waiting,
)
from assistance.store.tables.rows import event_row
from assistance.store.tables.schema import events, is_untaken, owes_notice, requests

OVER = frozenset({Status.RESOLVED, Status.CANCELLED, Status.EXPIRED})
_EXPIRE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Move:
    """Makes a transition."""

    command: Command
    transition: Transition


def move(connection: Connection, items: Sequence[Move]) -> list[Snapshot | Exception]:
    """Make each move that the request's status allows; everybody who was told is told of it."""
    return each_or_refusal(_move, connection, items)


def _move(connection: Connection, item: Move) -> Snapshot:
    found = lock_request(connection, item.command, item.transition.allowed)
    before, owed = found.request, found.deliveries
    after = record(connection, before, _after(before, item), item.command, (item.transition.event, {}))
    if after.status in OVER:
        owed = skip_waiting(connection, owed)
    return enqueue_updates(connection, after, owed, item.command.now)


def _after(before: AssistanceRequest, item: Move) -> AssistanceRequest:
    status = item.transition.status
    if status is None:
        return replace(before, status=untaken(before), claim=None)
    claim = Claim(item.command.actor, item.command.now) if status is Status.CLAIMED else before.claim
    return replace(before, status=status, claim=claim)


def untaken(request: AssistanceRequest) -> Status:
    """What is true of a request that nobody has taken."""
    return Status.ACCEPTED if request.notified_at is None else Status.NOTIFIED


def expire(connection: Connection, items: Sequence[float]) -> list[list[str]]:
    """Expire, at each given instant, what nobody took in its time and for which nothing is owed; says which."""
    return [_expire(connection, now) for now in items]


def _expire(connection: Connection, now: float) -> list[str]:
    query = (
        select(requests.c.id, requests.c.sequence)
        .where(
            is_untaken,
            requests.c.expires_at <= now,
            ~owes_notice,
        )
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
