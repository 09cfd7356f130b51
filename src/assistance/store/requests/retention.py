"""What is kept, and for how long; each call does a little of it and commits, so that nobody waits for all of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, select, tuple_, update

from assistance.model import OWED, Actor, Event, EventType, first_uuid7
from assistance.store.tables.rows import event_row
from assistance.store.tables.schema import attempts, deliveries, events, idempotency, is_open, requests

_DAY = 86_400.0
ERASE_AFTER = 90 * _DAY
"""Seconds after which nobody needs what the customer wrote."""
DELETE_AFTER = 365 * _DAY
"""Seconds after which a request that is over is forgotten altogether."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Retained:
    """How many keys were forgotten, how many requests lost their text, how many were deleted."""

    keys: int
    erased: int
    deleted: int


_owed = and_(deliveries.c.request_id == requests.c.id, deliveries.c.state.in_([str(state) for state in OWED]))


def forget_keys(connection: Connection, items: Sequence[float]) -> list[int]:
    """Delete idempotency keys, with the answers given, whose time is over at the given instants; says how many."""
    return [_forget_keys(connection, now) for now in items]


def _forget_keys(connection: Connection, now: float) -> int:
    key = idempotency.c.client, idempotency.c.key
    over = select(*key).where(idempotency.c.expires_at <= now).order_by(idempotency.c.expires_at).limit(AT_ONCE)
    found = [(row.client, row.key) for row in connection.execute(over.with_for_update(skip_locked=True))]
    if found:
        connection.execute(delete(idempotency).where(tuple_(*key).in_(found)))
    return len(found)


def erase_old(connection: Connection, items: Sequence[float]) -> list[int]:
    """Erase what customers wrote `ERASE_AFTER` before the given instants; says of how many requests.

    What still waits to be sent is kept until it is.
    """
    return [_erase_old(connection, now) for now in items]


def _erase_old(connection: Connection, now: float) -> int:
    found = _ids(connection, requests.c.description.is_not(None), now - ERASE_AFTER)
    erase(connection, found, now)
    return len(found)


def erase(connection: Connection, request_ids: Collection[str], now: float, actor: Actor | None = None) -> None:
    """Erase what customers wrote in these requests, which the caller holds, and what providers may have quoted."""
    if not request_ids:
        return
    erased = (
        update(requests)
        .where(requests.c.id.in_(request_ids))
        .values(
            description=None,
            follow_ups=None,
            customer=None,
            links=None,
            metadata=None,
            sequence=requests.c.sequence + 1,
        )
        .returning(requests.c.id, requests.c.sequence)
    )
    happened = [Event(row.id, row.sequence, EventType.ERASED, now, actor) for row in connection.execute(erased).all()]
    mine = attempts.c.request_id.in_(request_ids), attempts.c.answer.is_not(None)
    connection.execute(update(attempts).where(*mine).values(answer=None))
    replies = events.c.request_id.in_(request_ids), events.c.type == EventType.REPLIED
    connection.execute(update(events).where(*replies).values(data="{}"))
    connection.execute(insert(events), [event_row(event) for event in happened])


def delete_old(connection: Connection, items: Sequence[float]) -> list[int]:
    """Delete what is over and was asked for `DELETE_AFTER` before the given instants; says how many requests."""
    return [_delete_old(connection, now) for now in items]


def _delete_old(connection: Connection, now: float) -> int:
    found = _ids(connection, ~is_open, now - DELETE_AFTER)
    if found:
        for table in (attempts, events, deliveries):
            connection.execute(delete(table).where(table.c.request_id.in_(found)))
        connection.execute(delete(requests).where(requests.c.id.in_(found)))
    return len(found)


def _ids(connection: Connection, which: ColumnElement[bool], before: float) -> list[str]:
    """The oldest requests of before that instant for which nothing is owed, held."""
    query = (
        select(requests.c.id)
        .where(which, requests.c.id < first_uuid7(before), ~exists().where(_owed))
        .order_by(requests.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=requests)
    )
    return list(connection.execute(query).scalars())
