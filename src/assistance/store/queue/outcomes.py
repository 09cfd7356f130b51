"""Outcomes: what became of each try, and what it means for the request. One whose fence is old changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, tuple_, update

from assistance.model import OWED, Attempt, Condition, Delivery, Event, EventType, Kind, Outcome, State, Status
from assistance.store.engine.bulk import insert_rows, locked_rows, update_rows
from assistance.store.queue.leases import NOT_LEASED, Key, key_of, still_leased, these
from assistance.store.tables.rows import attempt_row, event_row, storable
from assistance.store.tables.schema import attempts, deliveries, events, requests

PARKED_KEPT = 20
"""Tries of one delivery on a parked channel that are kept: they come once a minute and all say the same."""

_other = deliveries.alias("other")


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of a leased delivery. `due_at` is when it is tried again; a parked one burns no try."""

    delivery: Delivery
    state: State
    attempt: Attempt
    due_at: float
    reference: str | None = None
    short: bool = False


class Recorded(Enum):
    """What an outcome did: it was too late and changed nothing, it counts, or it was the first to reach a person."""

    LATE = auto()
    COUNTED = auto()
    NOTIFIED = auto()


def record_outcome(connection: Connection, items: Sequence[DeliveryOutcome]) -> list[Recorded]:
    """Write down each outcome whose lease still exists.

    That a message was delivered counts also when its lease was recovered meanwhile: else it would be sent twice.
    """
    rows = _lock_requests(connection, {item.delivery.request_id for item in items})
    gone_out = {key_of(i.delivery) for i in items if i.state is State.DELIVERED and i.delivery.fence}
    mine = still_leased(connection, [item.delivery for item in items], gone_out)
    recorded = [item for item, ours in zip(items, mine, strict=True) if ours]
    if not recorded:
        return [Recorded.LATE] * len(items)
    update_rows(connection, deliveries, [_delivery_columns(item) for item in recorded], raised="changes")
    insert_rows(connection, attempts, _attempt_rows(connection, recorded))
    _forget_parked(connection, [item.delivery for item in recorded if item.state is State.PARKED])
    ended = [item for item in recorded if item.delivery.kind is Kind.NOTICE]
    final = [item for item in ended if item.state in {State.DELIVERED, State.FAILED}]
    first = _record_events(connection, final, rows)
    failed = {i.delivery.request_id: i.attempt.at for i in ended if i.state in {State.FAILED, State.PARKED}}
    if failed:
        after_failures(connection, failed.keys(), max(failed.values()))
    return [_recorded(item, first) if ours else Recorded.LATE for item, ours in zip(items, mine, strict=True)]


def _recorded(item: DeliveryOutcome, first: Collection[Key]) -> Recorded:
    return Recorded.NOTIFIED if key_of(item.delivery) in first else Recorded.COUNTED


def _lock_requests(connection: Connection, request_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What may change of the requests. Deadlock: they are locked before their deliveries, see `lock_requests`."""
    names = "id", "status", "sequence", "notified_at"
    rows = locked_rows(connection, requests, names, [(request_id,) for request_id in request_ids])
    return {row.id: dict(zip(names, row, strict=True)) for row in rows}


def _delivery_columns(item: DeliveryOutcome) -> dict[str, Any]:
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
    """The tries. Race: a request may have been erased during the send; what its provider answered is not kept."""
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
    connection: Connection, final: Sequence[DeliveryOutcome], rows: dict[str, dict[str, Any]]
) -> set[Key]:
    """Change the requests and write their events; the keys of the deliveries that were the first to reach a person."""
    if not final:
        return set()
    # Race: a request may change during the send; one that still has its first event has not.
    changed = {id_: n for item in final if (n := rows[id_ := item.delivery.request_id]["sequence"]) > 1}
    final = _without_rerouted(connection, final, changed)
    last = last_events(connection, changed)
    happened = [_event(item, rows[item.delivery.request_id], last) for item in final]
    insert_rows(connection, events, [event_row(event) for event in happened])
    update_rows(connection, requests, [rows[id_] for id_ in {item.delivery.request_id for item in final}])
    return {(event.request_id, event.data["n"]) for event in happened if event.type is EventType.NOTIFIED}


def _without_rerouted(
    connection: Connection, final: Sequence[DeliveryOutcome], changed: Collection[str]
) -> list[DeliveryOutcome]:
    """The outcomes. Race: on a request that was rerouted during the send, a notice reached no person of its topic."""
    doubtful = [key_of(item.delivery) for item in final if item.delivery.request_id in changed]
    if not doubtful:
        return list(final)
    query = select(deliveries.c.request_id, deliveries.c.n).where(these(doubtful), ~deliveries.c.person)
    nobody = {(row.request_id, row.n) for row in connection.execute(query)}
    return [
        replace(item, delivery=replace(item.delivery, person=False)) if key_of(item.delivery) in nobody else item
        for item in final
    ]


def _event(item: DeliveryOutcome, row: dict[str, Any], last: dict[str, float]) -> Event:
    """The event for an outcome; changes the request's `row` and the instant of its `last` event."""
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


def lock_requests(connection: Connection, request_ids: Collection[str], *, waiting: bool = True) -> Collection[str]:
    """Lock these requests until the commit; the ids of those that are locked, all of them with `waiting`.

    Deadlock: lock lanes by name, then requests by id, then deliveries by key. A query that finds rows by their state
    skips locked ones.
    """
    if request_ids and connection.dialect.name == "postgresql":
        query = select(requests.c.id).where(requests.c.id.in_(request_ids)).order_by(requests.c.id)
        return set(connection.execute(query.with_for_update(skip_locked=not waiting)).scalars())
    return request_ids


def last_events(connection: Connection, sequences: Mapping[str, int]) -> dict[str, float]:
    """When the event of this number happened to each request; no later event gets an earlier instant."""
    if not sequences:
        return {}
    key = tuple_(events.c.request_id, events.c.sequence)
    query = select(events.c.request_id, events.c.at).where(key.in_(list(sequences.items())))
    return {row.request_id: row.at for row in connection.execute(query)}


def after_failures(connection: Connection, request_ids: Collection[str], now: float) -> None:
    """Start the next step of each request at once, and fail a request for which nothing is left.

    Race: the caller has locked the requests, so that of two failures at the same time one sees the other.
    """
    if request_ids:
        start_next_step(connection, request_ids, now)
        _fail(connection, request_ids, now)


def start_next_step(connection: Connection, request_ids: Collection[str], now: float) -> None:
    """Make a step `if: undelivered` due at once where every step before it has failed or is parked.

    Its hours are checked when it is dequeued: outside them it goes back to its own time.
    """
    before = and_(
        _other.c.request_id == deliveries.c.request_id,
        _other.c.kind == Kind.NOTICE,
        _other.c.person,
        _other.c.step < deliveries.c.step,
    )
    later = (
        select(deliveries.c.request_id, deliveries.c.n)
        .where(
            deliveries.c.request_id.in_(request_ids),
            deliveries.c.kind == Kind.NOTICE,
            deliveries.c.condition == Condition.UNDELIVERED,
            deliveries.c.state == State.PENDING,
            deliveries.c.due_at > now,
            exists().where(before, or_(_other.c.state == State.FAILED, _other.c.state == State.PARKED)),
            ~exists().where(before, _other.c.state.not_in((State.FAILED, State.PARKED, State.SKIPPED))),
        )
        .with_for_update(skip_locked=True, of=deliveries)
    )
    keys = [(row.request_id, row.n) for row in connection.execute(later)]
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(due_at=now))


def _fail(connection: Connection, request_ids: Collection[str], now: float) -> None:
    notice = and_(deliveries.c.request_id == requests.c.id, deliveries.c.kind == Kind.NOTICE, deliveries.c.person)
    hopeless = connection.execute(
        select(requests.c.id, requests.c.sequence).where(
            requests.c.id.in_(request_ids),
            requests.c.status == Status.ACCEPTED,
            exists().where(notice, deliveries.c.state == State.FAILED),
            ~exists().where(notice, deliveries.c.state.in_([*OWED, State.DELIVERED])),
        )
    ).all()
    if not hopeless:
        return
    connection.execute(
        update(requests)
        .where(requests.c.id.in_([row.id for row in hopeless]))
        .values(status=str(Status.FAILED), sequence=requests.c.sequence + 1)
    )
    last = last_events(connection, {row.id: row.sequence for row in hopeless})
    failed = [Event(row.id, row.sequence + 1, EventType.FAILED, max(now, last.get(row.id, now))) for row in hopeless]
    connection.execute(insert(events), [event_row(event) for event in failed])
