"""Accept: the request, its deliveries, its idempotency record and its first event, in one transaction."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_

from assistance.model import Actor, AssistanceRequest, Delivery, Event, EventType, Snapshot
from assistance.store.engine.bulk import insert_rows, update_rows
from assistance.store.errors import KeyReusedError, TooManyFollowUpsError
from assistance.store.requests.changing import Command, lock_deliveries, updates_of
from assistance.store.requests.moves import Conversation, conversation_of, followed_up
from assistance.store.tables.rows import delivery_row, event_row, request_of, request_row
from assistance.store.tables.schema import deliveries, events, idempotency, is_open, requests

Render = Callable[[AssistanceRequest, Sequence[Delivery]], bytes]
KnownKeys = dict[tuple[str, str], dict[str, Any]]
"""The rows of `idempotency`, by client and key."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Two calls with one key are one; `fingerprint` is that of the body, `expires_at` an instant."""

    key: str
    fingerprint: bytes
    expires_at: float


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request to be accepted with what is owed for it; `render` writes the answer that a replay of its key gets."""

    request: AssistanceRequest
    deliveries: tuple[Delivery, ...]
    render: Render
    key: IdempotencyKey | None = None


class Acceptance(StrEnum):
    """How a request was accepted."""

    CREATED = "created"
    FOLLOW_UP = "follow_up"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is stored now; `answer` is the first answer's status and body, for a replay."""

    how: Acceptance
    request: AssistanceRequest
    deliveries: tuple[Delivery, ...] = ()
    answer: tuple[int, bytes] | None = None


@dataclass(slots=True)
class _Batch:
    """The rows that a group of accepts writes, gathered before the first insert."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    follow_ups: dict[str, dict[str, Any]] = field(default_factory=dict)


def accept(connection: Connection, items: Sequence[NewRequest]) -> list[Accepted | Exception]:
    """Store each request, unless its key is known or its conversation is open already."""
    batch, now = _Batch(), min(item.request.created_at for item in items)
    known = _known_keys(connection, [(item.request.client, item.key.key) for item in items if item.key], now)
    open_ = _open_conversations(connection, {c for item in items if (c := conversation_of(item.request))})
    results = [_accept_one(item, known, open_, batch) for item in items]
    _write(connection, batch)
    return results


def _accept_one(
    item: NewRequest,
    known: KnownKeys,
    open_: dict[Conversation, Snapshot],
    batch: _Batch,
) -> Accepted | Exception:
    request = item.request
    if item.key and (stored := known.get((request.client, item.key.key))):
        if stored["fingerprint"] != item.key.fingerprint:
            return KeyReusedError(item.key.key)
        first = replace(request, id=stored["request_id"])
        return Accepted(Acceptance.REPLAYED, first, answer=(stored["status"], stored["answer"]))
    conversation = conversation_of(request)
    if conversation and (found := open_.get(conversation)):
        try:
            accepted = _follow_up(item, found, batch)
        except TooManyFollowUpsError as full:
            return full
    else:
        accepted = _create(item, batch)
    if conversation:
        open_[conversation] = Snapshot(accepted.request, accepted.deliveries)
    if item.key:
        known[request.client, item.key.key] = row = _key_row(item.key, item, accepted)
        batch.keys.append(row)
    return accepted


def _create(item: NewRequest, batch: _Batch) -> Accepted:
    request = item.request
    batch.requests.append(request_row(request))
    batch.deliveries.extend(delivery_row(delivery, request.priority) for delivery in item.deliveries)
    actor = Actor.of_client(request.client)
    batch.events.append(event_row(Event(request.id, 1, EventType.ACCEPTED, request.created_at, actor)))
    return Accepted(Acceptance.CREATED, request, item.deliveries)


def _follow_up(item: NewRequest, found: Snapshot, batch: _Batch) -> Accepted:
    """Add what the customer says now to the open request, and enqueue its updates."""
    new = item.request
    command = Command(found.request.id, Actor.of_client(new.client), new.created_at)
    request, event = followed_up(found.request, command, new.description or "")
    updates = updates_of(request, found.deliveries, new.created_at)
    row = request_row(request)
    batch.follow_ups[request.id] = {name: row[name] for name in ("id", "sequence", "follow_ups", "description")}
    batch.events.append(event_row(event))
    batch.deliveries.extend(delivery_row(update, request.priority) for update in updates)
    return Accepted(Acceptance.FOLLOW_UP, request, (*found.deliveries, *updates))


def _write(connection: Connection, batch: _Batch) -> None:
    # Deadlock: insert what must be unique in one order in every process.
    if batch.keys:
        connection.execute(insert(idempotency), sorted(batch.keys, key=lambda row: (row["client"], row["key"])))
    batch.requests.sort(key=_unique)
    for table, rows in ((requests, batch.requests), (deliveries, batch.deliveries), (events, batch.events)):
        insert_rows(connection, table, rows)
    # Last: the request may have been created in this group.
    update_rows(connection, requests, list(batch.follow_ups.values()))


def _unique(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["client"], row["topic"], row["conversation_id"] or ""


def _key_row(key: IdempotencyKey, item: NewRequest, accepted: Accepted) -> dict[str, Any]:
    return {
        "client": item.request.client,
        "key": key.key,
        "fingerprint": key.fingerprint,
        "request_id": accepted.request.id,
        "status": 201 if accepted.how is Acceptance.CREATED else 200,
        "answer": item.render(accepted.request, accepted.deliveries),
        "expires_at": key.expires_at,
    }


def _known_keys(connection: Connection, keys: Collection[tuple[str, str]], now: float) -> KnownKeys:
    """What is known of these keys, each a client and a key; those that have ended are deleted."""
    if not keys:
        return {}
    columns = tuple_(idempotency.c.client, idempotency.c.key)
    rows = connection.execute(select(idempotency).where(columns.in_(sorted(set(keys)))))
    known = {(row["client"], row["key"]): dict(row) for row in rows.mappings()}
    if over := [key for key, row in sorted(known.items()) if row["expires_at"] <= now]:
        # Race: another process may have replaced it meanwhile.
        connection.execute(delete(idempotency).where(columns.in_(over), idempotency.c.expires_at <= now))
    return {key: row for key, row in known.items() if key not in over}


def _open_conversations(
    connection: Connection, conversations: Collection[Conversation]
) -> dict[Conversation, Snapshot]:
    """The open requests of these conversations with all their deliveries, locked."""
    if not conversations:
        return {}
    columns = requests.c.client, requests.c.topic, requests.c.conversation_id
    # Deadlock: lock requests by id.
    rows = connection.execute(
        select(requests)
        .where(tuple_(*columns).in_(sorted(conversations)), requests.c.conversation_id.is_not(None), is_open)
        .order_by(requests.c.id)
        .with_for_update()
    )
    found = [request_of(row) for row in rows.mappings()]
    owed = lock_deliveries(connection, [request.id for request in found]) if found else {}
    return {
        conversation: Snapshot(request, owed.get(request.id, ()))
        for request in found
        if (conversation := conversation_of(request))
    }
