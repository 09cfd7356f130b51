"""What became of each try. A late writer changes nothing: it is fenced."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, delete, select

from assistance.model import Attempt, Delivery, Event, EventType, Kind, Outcome, State, Status
from assistance.store.engine.bulk import insert_rows, locked_rows, update_rows
from assistance.store.queue.failover import after_failures, last_events
from assistance.store.queue.leases import NOT_LEASED, Key, still_leased, these
from assistance.store.tables.rows import attempt_row, event_row, storable
from assistance.store.tables.schema import attempts, deliveries, events, requests

PARKED_KEPT = 20
"""Tries of one delivery on a parked channel: one a minute, for as long as nobody mends it, all say the same."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of a leased delivery. `due_at` is when it is tried again; a parked one burns no try."""

    delivery: Delivery
    state: State
    attempt: Attempt
    due_at: float
    reference: str | None = None
    short: bool = False


class Recorded(IntEnum):
    """What an outcome came to: it was too late and changed nothing, it counts, by it a first person was told."""

    LATE = 0
    COUNTED = 1
    NOTIFIED = 2


def record_outcome(connection: Connection, items: Sequence[DeliveryOutcome]) -> list[Recorded]:
    """Write down what became of each; too late is one that somebody else has leased since, or that was taken back.

    That it was delivered counts in the second case too, or it would go out again.
    """
    rows = _lock_requests(connection, {item.delivery.request_id for item in items})
    gone_out = {
        (item.delivery.request_id, item.delivery.n)
        for item in items
        if item.state is State.DELIVERED and item.delivery.fence
    }
    mine = still_leased(connection, [item.delivery for item in items], gone_out)
    recorded = [item for item, ours in zip(items, mine, strict=True) if ours]
    if not recorded:
        return [Recorded.LATE] * len(items)
    update_rows(connection, deliveries, [_settled_row(item) for item in recorded], raised="changes")
    insert_rows(connection, attempts, _attempt_rows(connection, recorded))
    _forget_parked(connection, [item.delivery for item in recorded if item.state is State.PARKED])
    first = _record_events(
        connection, [item for item in recorded if _matters(item) and item.state is not State.PARKED], rows
    )
    failed = {i.delivery.request_id: i.attempt for i in recorded if _matters(i) and i.state is not State.DELIVERED}
    if failed:
        after_failures(connection, failed.keys(), max(attempt.at for attempt in failed.values()))
    return [_recorded(item, first) if ours else Recorded.LATE for item, ours in zip(items, mine, strict=True)]


def _recorded(item: DeliveryOutcome, first: Collection[Key]) -> Recorded:
    return Recorded.NOTIFIED if (item.delivery.request_id, item.delivery.n) in first else Recorded.COUNTED


def _matters(item: DeliveryOutcome) -> bool:
    """Whether it can change the request: a notice has come to its end, or must wait for its channel."""
    return item.delivery.kind is Kind.NOTICE and item.state in {State.DELIVERED, State.FAILED, State.PARKED}


def _lock_requests(connection: Connection, request_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What may change of the requests, held before their deliveries: see `failover.hold`."""
    names = "id", "status", "sequence", "notified_at"
    rows = locked_rows(connection, requests, names, [(request_id,) for request_id in request_ids])
    return {row.id: dict(zip(names, row, strict=True)) for row in rows}


def _settled_row(item: DeliveryOutcome) -> dict[str, Any]:
    delivery, parked = item.delivery, item.state is State.PARKED
    return {
        "request_id": delivery.request_id,
        "n": delivery.n,
        "state": str(item.state),
        "due_at": item.due_at,
        "attempts": delivery.attempts if parked else delivery.attempts + 1,
        "parked_at": item.attempt.at if parked else None,
        "reference": storable(item.reference) or delivery.reference,
        "last_error": storable(item.attempt.reason),
        "short": item.short,
        **NOT_LEASED,
    }


def _attempt_rows(connection: Connection, recorded: Sequence[DeliveryOutcome]) -> list[dict[str, Any]]:
    """The tries; of what was erased while it was on its way nothing comes back with the provider's answer."""
    answered = {item.delivery.request_id for item in recorded if item.attempt.answer is not None}
    erased: set[str] = set()
    if answered:
        query = select(requests.c.id).where(requests.c.id.in_(answered), requests.c.description.is_(None))
        erased.update(connection.execute(query).scalars())
    rows = [attempt_row(i.delivery.request_id, i.delivery.n, i.delivery.fence, i.attempt) for i in recorded]
    return [row | {"answer": None} if row["request_id"] in erased else row for row in rows]


def _forget_parked(connection: Connection, parked: Collection[Delivery]) -> None:
    """Keep the last tries on a parked channel."""
    for delivery in parked:
        if delivery.fence > PARKED_KEPT:
            mine = attempts.c.request_id == delivery.request_id, attempts.c.n == delivery.n
            older = attempts.c.fence <= delivery.fence - PARKED_KEPT, attempts.c.outcome == str(Outcome.PARKED)
            connection.execute(delete(attempts).where(*mine, *older))


def _record_events(
    connection: Connection, told: Sequence[DeliveryOutcome], rows: dict[str, dict[str, Any]]
) -> set[Key]:
    """Move the requests on and write the time line; says by which deliveries a first person was told."""
    if not told:
        return set()
    told = _as_they_count_now(connection, told, rows)
    # People act while a message is on its way; an ask that nothing has happened to is older in any case.
    changed = {item.delivery.request_id: n for item in told if (n := rows[item.delivery.request_id]["sequence"]) > 1}
    last = last_events(connection, changed)
    happened = [_event(item, rows[item.delivery.request_id], last) for item in told]
    insert_rows(connection, events, [event_row(event) for event in happened])
    snapshot = {item.delivery.request_id: rows[item.delivery.request_id] for item in told}
    update_rows(connection, requests, list(snapshot.values()))
    return {(event.request_id, event.data["n"]) for event in happened if event.type is EventType.NOTIFIED}


def _as_they_count_now(
    connection: Connection, told: Sequence[DeliveryOutcome], rows: dict[str, dict[str, Any]]
) -> list[DeliveryOutcome]:
    """The settlements; whoever was told on a topic that the request has left meanwhile is no person of the new one."""
    doubtful = [(i.delivery.request_id, i.delivery.n) for i in told if rows[i.delivery.request_id]["sequence"] > 1]
    if not doubtful:
        return list(told)
    query = select(deliveries.c.request_id, deliveries.c.n).where(these(doubtful), ~deliveries.c.person)
    nobody = {(row.request_id, row.n) for row in connection.execute(query)}
    return [
        replace(item, delivery=replace(item.delivery, person=False))
        if (item.delivery.request_id, item.delivery.n) in nobody
        else item
        for item in told
    ]


def _event(item: DeliveryOutcome, row: dict[str, Any], last: dict[str, float]) -> Event:
    """What the settlement means for its request, whose row and `last` instant on the time line it moves on."""
    delivery, ended = item.delivery, item.attempt.at + item.attempt.seconds
    data: dict[str, Any] = {"n": delivery.n, "channel": delivery.channel}
    happened = EventType.DELIVERED
    if item.state is State.FAILED:
        happened = EventType.DELIVERY_FAILED
        data["reason"] = storable(item.attempt.reason)
    elif delivery.person and row["notified_at"] is None:
        happened = EventType.NOTIFIED
        row["notified_at"] = ended
        if row["status"] in {Status.ACCEPTED, Status.FAILED}:
            row["status"] = str(Status.NOTIFIED)
    row["sequence"] += 1
    last[delivery.request_id] = at = max(ended, last.get(delivery.request_id, ended))
    return Event(delivery.request_id, row["sequence"], happened, at, data=data)
