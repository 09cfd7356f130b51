"""What is kept, and for how long; erasing what the customer wrote.

Each call of what retention does handles a few rows and commits, so that no other write waits for all of them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, select, tuple_, update

from assistance.model import (
    OWED,
    Actor,
    AssistanceRequest,
    Delivery,
    Event,
    EventType,
    Kind,
    Snapshot,
    State,
    Status,
    first_uuid7,
)
from assistance.store.engine.bulk import update_rows
from assistance.store.engine.writer import each
from assistance.store.requests.changing import Command, commanded, enqueue, lock_request, next_n
from assistance.store.tables.rows import event_row
from assistance.store.tables.schema import attempts, deliveries, events, idempotency, is_open, requests

_DAY = 86_400.0
ERASE_AFTER = 90 * _DAY
"""Seconds after the accept until what the customer wrote is erased."""
DELETE_AFTER = 365 * _DAY
"""Seconds after the accept until a request that is over is deleted."""
AT_ONCE = 200

_WITH_TEXT = frozenset({EventType.FOLLOWED_UP, EventType.REPLIED})
"""Events of which an update quotes the text."""
_is_owed = and_(deliveries.c.request_id == requests.c.id, deliveries.c.state.in_([str(state) for state in OWED]))


@dataclass(frozen=True, slots=True)
class Retained:
    """How many keys were deleted, how many requests lost their text, how many were deleted."""

    keys: int
    erased: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """Erase the content of a request; the channels of these names can rewrite what they have sent."""

    command: Command
    rewritable: Collection[str]


@each
def forget_keys(connection: Connection, now: float) -> int:
    """Delete idempotency keys that have ended at `now`, with the answers given; how many."""
    key = idempotency.c.client, idempotency.c.key
    over = select(*key).where(idempotency.c.expires_at <= now).order_by(idempotency.c.expires_at).limit(AT_ONCE)
    found = [(row.client, row.key) for row in connection.execute(over.with_for_update(skip_locked=True))]
    if found:
        connection.execute(delete(idempotency).where(tuple_(*key).in_(found)))
    return len(found)


@each
def erase_old(connection: Connection, now: float) -> int:
    """Erase what customers wrote `ERASE_AFTER` before `now`, where nothing is owed any more; of how many requests."""
    found = _oldest(connection, requests.c.description.is_not(None), now - ERASE_AFTER)
    _erase(connection, found, now)
    return len(found)


@each
def delete_old(connection: Connection, now: float) -> int:
    """Delete what is over and was accepted `DELETE_AFTER` before `now`; how many requests."""
    found = _oldest(connection, ~is_open, now - DELETE_AFTER)
    if found:
        for table in (attempts, events, deliveries):
            connection.execute(delete(table).where(table.c.request_id.in_(found)))
        connection.execute(delete(requests).where(requests.c.id.in_(found)))
    return len(found)


def _oldest(connection: Connection, which: ColumnElement[bool], before: float) -> list[str]:
    """The oldest requests accepted before that instant for which nothing is owed, locked."""
    query = (
        select(requests.c.id)
        .where(which, requests.c.id < first_uuid7(before), ~exists().where(_is_owed))
        .order_by(requests.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=requests)
    )
    return list(connection.execute(query).scalars())


def _erase(connection: Connection, request_ids: Collection[str], now: float, actor: Actor | None = None) -> None:
    """Erase what customers wrote in these locked requests, what people replied, and what providers may have quoted."""
    if not request_ids:
        return
    gone = dict.fromkeys(("description", "follow_ups", "customer", "links", "metadata"))
    erased = (
        update(requests)
        .where(requests.c.id.in_(request_ids))
        .values(**gone, sequence=requests.c.sequence + 1)
        .returning(requests.c.id, requests.c.sequence)
    )
    happened = [Event(row.id, row.sequence, EventType.ERASED, now, actor) for row in connection.execute(erased).all()]
    mine = attempts.c.request_id.in_(request_ids), attempts.c.answer.is_not(None)
    connection.execute(update(attempts).where(*mine).values(answer=None))
    replies = events.c.request_id.in_(request_ids), events.c.type == EventType.REPLIED
    connection.execute(update(events).where(*replies).values(data="{}"))
    connection.execute(insert(events), [event_row(event) for event in happened])


@commanded
def erase(connection: Connection, item: Erasure) -> Snapshot:
    """Erase here, and enqueue the erasure for the channels that can; the second time, only what has come since."""
    found = lock_request(connection, item.command, frozenset(Status))
    before, owed = found
    after = replace(before, description=None, follow_ups=(), customer=None, links=(), metadata={})
    types = _event_types(connection, before.id)
    if after != before or _has_replies(connection, before.id) or EventType.ERASED not in types.values():
        _erase(connection, [before.id], item.command.now, item.command.actor)
        _erase_answers(connection, before)
        after = replace(after, sequence=before.sequence + 1)
        types[after.sequence] = EventType.ERASED
    fresh = _rewritings(owed, types, item)
    enqueue(connection, after, fresh)
    return Snapshot(after, (*owed, *fresh))


def _event_types(connection: Connection, request_id: str) -> dict[int, str]:
    query = select(events.c.sequence, events.c.type).where(events.c.request_id == request_id)
    return {row.sequence: row.type for row in connection.execute(query)}


def _has_replies(connection: Connection, request_id: str) -> bool:
    mine = and_(events.c.request_id == request_id, events.c.type == EventType.REPLIED, events.c.data != "{}")
    return connection.execute(select(events.c.sequence).where(mine)).first() is not None


def _erase_answers(connection: Connection, request: AssistanceRequest) -> None:
    """Erase the customer's data in what a replay of the bot's call is answered."""
    columns = idempotency.c.client, idempotency.c.key, idempotency.c.answer
    kept = connection.execute(select(*columns).where(idempotency.c.request_id == request.id)).mappings()
    update_rows(connection, idempotency, [{**row, "answer": _emptied(row["answer"])} for row in kept])


def _emptied(answer: bytes) -> bytes:
    document = json.loads(answer) | {"metadata": {}, "ignored": []}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _rewritings(owed: Sequence[Delivery], types: Mapping[int, str], item: Erasure) -> tuple[Delivery, ...]:
    """One update for each message that was sent with text in it and is not being rewritten already.

    Its `reference` names the message; None stands for the notice, which may be in flight and have no reference yet.
    """
    erasures = [sequence for sequence, type_ in types.items() if type_ == EventType.ERASED]
    done = {(d.channel, d.step, d.reference) for d in owed if d.about in erasures}
    sent = [d for d in owed if d.channel in item.rewritable and _was_sent_with_text(d, types)]
    messages = {(d.channel, d.step, None if d.kind is Kind.NOTICE else d.reference): d.person for d in sent}
    fresh = [key for key in messages if key not in done]
    now = item.command.now
    return tuple(
        Delivery(
            item.command.request_id,
            n,
            channel,
            due_at=now,
            owed_since=now,
            kind=Kind.UPDATE,
            step=step,
            person=messages[channel, step, reference],
            about=max(erasures),
            reference=reference,
        )
        for n, (channel, step, reference) in enumerate(fresh, start=next_n(owed))
    )


def _was_sent_with_text(delivery: Delivery, types: Mapping[int, str]) -> bool:
    if delivery.kind is Kind.NOTICE:
        return delivery.state in {State.DELIVERED, State.SENDING}
    quotes = delivery.kind is Kind.UPDATE and types.get(delivery.about or 0) in _WITH_TEXT
    return quotes and delivery.state is State.DELIVERED and delivery.reference is not None
