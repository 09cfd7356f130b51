"""The moves of a request that people, bots and time make."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, and_, exists, insert, select, update

from assistance.model import (
    MOVES,
    OWED,
    AssistanceRequest,
    Claim,
    Delivery,
    Event,
    EventType,
    Kind,
    State,
    Status,
)
from assistance.store.conversations import updates_of
from assistance.store.errors import ConflictError, NotFoundError
from assistance.store.rows import delivery_of, delivery_row, event_row, request_of
from assistance.store.schema import deliveries, events, is_untaken, requests

_OVER = frozenset({Status.RESOLVED, Status.CANCELLED, Status.EXPIRED})
_EXPIRE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Move:
    """`actor` takes the request to `status`, which the time line calls `type`."""

    request_id: str
    status: Status
    type: EventType
    actor: str
    now: float
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moved:
    """The request after its move, with all its deliveries."""

    request: AssistanceRequest
    deliveries: tuple[Delivery, ...]


def move(connection: Connection, items: Sequence[Move]) -> list[Moved | Exception]:
    """Make each move that the request's status allows; everybody who was told is told of it."""
    # In the order of their ids, as everybody holds requests: see `failover.hold`.
    moved = {id(item): _move(connection, item) for item in sorted(items, key=lambda item: item.request_id)}
    return [moved[id(item)] for item in items]


def _move(connection: Connection, item: Move) -> Moved | Exception:
    query = select(requests).where(requests.c.id == item.request_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        return NotFoundError(item.request_id)
    before = request_of(row)
    if item.status not in MOVES[before.status]:
        return ConflictError(f"the request is {before.status}")
    after = _after(before, item)
    connection.execute(
        update(requests)
        .where(requests.c.id == after.id)
        .values(
            status=str(after.status),
            sequence=after.sequence,
            claimed_by=after.claim.actor if after.claim else None,
            claimed_at=after.claim.at if after.claim else None,
        )
    )
    connection.execute(
        insert(events), [event_row(Event(after.id, after.sequence, item.type, item.now, item.actor, item.data))]
    )
    return Moved(after, _deliveries_after(connection, after, item.now))


def _after(before: AssistanceRequest, item: Move) -> AssistanceRequest:
    claim = before.claim
    if item.type is EventType.CLAIMED:
        claim = Claim(item.actor, item.now)
    elif item.type is EventType.RELEASED:
        claim = None
    return replace(before, status=item.status, sequence=before.sequence + 1, claim=claim)


def _deliveries_after(connection: Connection, request: AssistanceRequest, now: float) -> tuple[Delivery, ...]:
    mine = deliveries.c.request_id == request.id
    if request.status in _OVER:
        waiting = [str(State.PENDING), str(State.RETRYING), str(State.PARKED)]
        connection.execute(
            update(deliveries)
            .where(mine, deliveries.c.kind == Kind.NOTICE, deliveries.c.state.in_(waiting))
            .values(state=str(State.SKIPPED), parked_at=None)
        )
    rows = connection.execute(select(deliveries).where(mine).order_by(deliveries.c.n)).mappings()
    owed = tuple(delivery_of(row) for row in rows)
    updates = updates_of(request, owed, request.sequence, now)
    if updates:
        connection.execute(insert(deliveries), [delivery_row(each, request.priority) for each in updates])
    return (*owed, *updates)


def expire(connection: Connection, items: Sequence[float]) -> list[list[str]]:
    """Expire, at each given instant, what nobody took in its time and for which nothing is owed; says which."""
    return [_expire(connection, now) for now in items]


def _expire(connection: Connection, now: float) -> list[str]:
    owed = and_(
        deliveries.c.request_id == requests.c.id, deliveries.c.kind == Kind.NOTICE, deliveries.c.state.in_(OWED)
    )
    query = (
        select(requests.c.id, requests.c.sequence)
        .where(
            is_untaken,
            requests.c.expires_at <= now,
            ~exists().where(owed),
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
