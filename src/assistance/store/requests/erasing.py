"""Erase what the customer wrote, and what was said to the customer; that there was a request stays."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, and_, bindparam, select, update

from assistance.model import AssistanceRequest, Delivery, EventType, Kind, Snapshot, State, Status
from assistance.store.requests import retention
from assistance.store.requests.locking import Command, each_or_refusal, enqueue, lock_request
from assistance.store.tables.schema import events, idempotency

_WORDS = frozenset({EventType.FOLLOWED_UP, EventType.REPLIED})
"""Events of which an update repeats somebody's words."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Erase the content of a request; the channels of these names can rewrite what they have said."""

    command: Command
    rewritable: Collection[str]


def erase(connection: Connection, items: Sequence[Erasure]) -> list[Snapshot | Exception]:
    """Erase here, and owe the erasure to the channels that can; asked again, only what has come since."""
    return each_or_refusal(_erase, connection, items)


def _erase(connection: Connection, item: Erasure) -> Snapshot:
    found = lock_request(connection, item.command, frozenset(Status))
    before, owed = found.request, found.deliveries
    after = replace(before, description=None, follow_ups=(), customer=None, links=(), metadata={})
    types = _event_types(connection, before.id)
    if after != before or _has_replies(connection, before.id) or EventType.ERASED not in types.values():
        retention.erase(connection, [before.id], item.command.now, item.command.actor)
        _erase_answers(connection, before)
        after = replace(after, sequence=before.sequence + 1)
        types[after.sequence] = EventType.ERASED
    fresh = _rewritings(after, owed, types, item)
    enqueue(connection, after, fresh)
    return Snapshot(after, (*owed, *fresh))


def _has_replies(connection: Connection, request_id: str) -> bool:
    mine = and_(events.c.request_id == request_id, events.c.type == EventType.REPLIED, events.c.data != "{}")
    return connection.execute(select(events.c.sequence).where(mine)).first() is not None


def _erase_answers(connection: Connection, request: AssistanceRequest) -> None:
    """Empty what a replay of the bot's call would answer."""
    query = select(idempotency.c.key, idempotency.c.answer).where(idempotency.c.request_id == request.id)
    kept = connection.execute(query).all()
    emptied = [{"_key": row.key, "_answer": _emptied(row.answer)} for row in kept]
    if emptied:
        connection.execute(
            update(idempotency)
            .where(idempotency.c.client == request.client, idempotency.c.key == bindparam("_key"))
            .values(answer=bindparam("_answer")),
            emptied,
        )


def _emptied(answer: bytes) -> bytes:
    document = json.loads(answer) | {"metadata": {}, "ignored": []}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _event_types(connection: Connection, request_id: str) -> dict[int, str]:
    query = select(events.c.sequence, events.c.type).where(events.c.request_id == request_id)
    return {row.sequence: row.type for row in connection.execute(query)}


def _rewritings(
    request: AssistanceRequest, owed: Sequence[Delivery], types: Mapping[int, str], item: Erasure
) -> tuple[Delivery, ...]:
    """One update for each message that went out with words in it and is not being rewritten already.

    Its `reference` names the message; None stands for the notice, which may be on its way and have no name yet.
    """
    erasures = [sequence for sequence, type_ in types.items() if type_ == EventType.ERASED]
    done = {(d.channel, d.step, d.reference) for d in owed if d.about in erasures}
    said = [d for d in owed if d.channel in item.rewritable and _said_words(d, types)]
    wanted = {(d.channel, d.step, None if d.kind is Kind.NOTICE else d.reference): d.person for d in said}
    fresh = [key for key in wanted if key not in done]
    now, last = item.command.now, max((d.n for d in owed), default=0)
    return tuple(
        Delivery(
            request.id,
            last + place,
            channel,
            due_at=now,
            owed_since=now,
            kind=Kind.UPDATE,
            step=step,
            person=wanted[channel, step, reference],
            about=max(erasures),
            reference=reference,
        )
        for place, (channel, step, reference) in enumerate(fresh, start=1)
    )


def _said_words(delivery: Delivery, types: Mapping[int, str]) -> bool:
    if delivery.kind is Kind.NOTICE:
        return delivery.state in {State.DELIVERED, State.SENDING}
    words = delivery.kind is Kind.UPDATE and types.get(delivery.about or 0) in _WORDS
    return words and delivery.state is State.DELIVERED and delivery.reference is not None
