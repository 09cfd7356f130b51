"""Accept: the request, its deliveries, its idempotency record and its first event, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, func, update

from assistance.model import AssistanceRequest, Delivery, Event, EventType
from assistance.store.engine.bulk import insert_rows
from assistance.store.errors import KeyReusedError
from assistance.store.requests.conversations import Conversation, conversation_of, open_conversations, updates_of
from assistance.store.requests.following import no_room
from assistance.store.requests.keys import IdempotencyKey, KnownKeys, known_keys, write_keys
from assistance.store.tables.rows import delivery_row, event_row, request_row
from assistance.store.tables.schema import deliveries, events, requests

Render = Callable[[AssistanceRequest, Sequence[Delivery]], bytes]


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request to be accepted with what is owed for it; `render` writes the answer that a replay of its key gets."""

    request: AssistanceRequest
    deliveries: tuple[Delivery, ...]
    render: Render
    key: IdempotencyKey | None = None


class Acceptance(StrEnum):
    """How an ask was taken."""

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
    """The rows that a group of requests writes, gathered before the first insert."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    follow_ups: dict[str, dict[str, Any]] = field(default_factory=dict)


def accept(connection: Connection, items: Sequence[NewRequest]) -> list[Accepted | Exception]:
    """Store each ask, unless its key was seen before or its conversation is open already."""
    batch, now = _Batch(), min(item.request.created_at for item in items)
    known = known_keys(connection, [(item.request.client, item.key.key) for item in items if item.key], now)
    open_ = open_conversations(connection, {c for item in items if (c := conversation_of(item.request))})
    results = [_accept_one(item, known, open_, batch) for item in items]
    _write(connection, batch)
    return results


def _accept_one(
    item: NewRequest,
    known: KnownKeys,
    open_: dict[Conversation, tuple[AssistanceRequest, list[Delivery]]],
    batch: _Batch,
) -> Accepted | Exception:
    request = item.request
    if item.key and (seen := known.get((request.client, item.key.key))):
        if seen["fingerprint"] != item.key.fingerprint:
            return KeyReusedError(item.key.key)
        first = replace(request, id=seen["request_id"])
        return Accepted(Acceptance.REPLAYED, first, answer=(seen["status"], seen["answer"]))
    conversation = conversation_of(request)
    if conversation and (found := open_.get(conversation)):
        if full := no_room(found[0]):
            return full
        accepted = _follow_up(item, *found, batch)
        open_[conversation] = accepted.request, list(accepted.deliveries)
    else:
        accepted = _create(item, batch)
        if conversation:
            open_[conversation] = accepted.request, list(accepted.deliveries)
    if item.key:
        known[request.client, item.key.key] = row = _key_row(item.key, item, accepted)
        batch.keys.append(row)
    return accepted


def _create(item: NewRequest, batch: _Batch) -> Accepted:
    request = item.request
    batch.requests.append(request_row(request))
    batch.deliveries.extend(delivery_row(delivery, request.priority) for delivery in item.deliveries)
    batch.events.append(
        event_row(Event(request.id, 1, EventType.ACCEPTED, request.created_at, f"api:{request.client}"))
    )
    return Accepted(Acceptance.CREATED, request, item.deliveries)


def _follow_up(item: NewRequest, request: AssistanceRequest, owed: list[Delivery], batch: _Batch) -> Accepted:
    """Add what the customer says now to the open request, and tell whoever has been told already."""
    new = item.request
    number = request.sequence + 1
    texts = (*request.follow_ups, new.description or "")
    request = replace(request, sequence=number, follow_ups=texts)
    batch.events.append(
        event_row(
            Event(
                request.id,
                number,
                EventType.FOLLOWED_UP,
                new.created_at,
                f"api:{new.client}",
                {"follow_up": len(texts) - 1},
            )
        )
    )
    row = request_row(request)
    batch.follow_ups[request.id] = {name: row[name] for name in ("id", "sequence", "follow_ups")}
    updates = updates_of(request, owed, number, new.created_at)
    batch.deliveries.extend(delivery_row(update, request.priority) for update in updates)
    return Accepted(Acceptance.FOLLOW_UP, request, (*owed, *updates))


def _write(connection: Connection, batch: _Batch) -> None:
    # In one order in every process, for what must be unique: else two of them could wait for each other.
    write_keys(connection, batch.keys)
    batch.requests.sort(key=_unique)
    for table, rows in ((requests, batch.requests), (deliveries, batch.deliveries), (events, batch.events)):
        insert_rows(connection, table, rows)
    if batch.follow_ups:
        # Last, since a request that was created in this very group may have been followed up in it.
        connection.execute(
            _following_up, [{f"_{name}": v for name, v in row.items()} for row in batch.follow_ups.values()]
        )


_following_up = (
    update(requests)
    .where(requests.c.id == bindparam("_id"))
    .values(
        sequence=bindparam("_sequence"),
        follow_ups=bindparam("_follow_ups"),
        # As in `following`: what comes after an erasure is to be erased in its turn.
        description=func.coalesce(requests.c.description, ""),
    )
)


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
