"""The queue: leases on what is due, and what became of each try. A late writer changes nothing: it is fenced."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, case, insert, select, tuple_, update

from assistance.model import (
    OPEN,
    AssistanceRequest,
    Attempt,
    Condition,
    Delivery,
    Event,
    EventType,
    Kind,
    State,
    Status,
    When,
)
from assistance.store.failover import after_failures
from assistance.store.rows import attempt_row, delivery_of, event_of, event_row, request_of
from assistance.store.schema import WAITING, attempts, deliveries, events, requests

Key = tuple[str, int]
"""A delivery's request and number."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who sends, and until when nobody else does (an instant)."""

    owner: str
    until: float


@dataclass(frozen=True, slots=True)
class Take:
    """What a dispatcher has room for: so many deliveries a channel, and one parked one for each channel to probe.

    `is_open` says whether hours, as a delivery carries them, are open at an instant.
    """

    rooms: Mapping[str, int]
    lease: Lease
    now: float
    is_open: Callable[[str, float], bool]
    probes: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """A leased delivery with what is needed to say it; `event` is what an update tells of."""

    delivery: Delivery
    request: AssistanceRequest
    thread: str | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a leased delivery. `due_at` is when it is tried again; a parked one burns no try."""

    delivery: Delivery
    state: State
    attempt: Attempt
    due_at: float
    reference: str | None = None
    short: bool = False


def lease_columns(lease: Lease) -> dict[str, Any]:
    """What a lease writes into a row of `deliveries`, the fence left to the caller."""
    return {"state": str(State.SENDING), "lease_owner": lease.owner, "lease_until": lease.until}


_NOT_LEASED = {"lease_owner": None, "lease_until": None}
_waiting_again = case((deliveries.c.attempts > 0, str(State.RETRYING)), else_=str(State.PENDING))


def take(connection: Connection, items: Sequence[Take]) -> list[list[Work]]:
    """Lease what is due, in the order of rank and time; what no longer holds is skipped instead."""
    return [_take(connection, item) for item in items]


def _take(connection: Connection, item: Take) -> list[Work]:
    rows = [row for channel, room in item.rooms.items() for row in _due(connection, channel, room, item.now)]
    rows += [row for channel in item.probes for row in _parked(connection, channel)]
    if not rows:
        return []
    found = connection.execute(select(requests).where(requests.c.id.in_({row["request_id"] for row in rows})))
    by_id = {row["id"]: request_of(row) for row in found.mappings()}
    works: list[Work] = []
    skipped: list[Key] = []
    later: list[Key] = []
    siblings = _notices(connection, [row["request_id"] for row in rows if row["kind"] != Kind.NOTICE])
    about = _events(connection, [(row["request_id"], row["about"]) for row in rows if row["about"] is not None])
    for row in rows:
        delivery, request = delivery_of(row), by_id[row["request_id"]]
        notice = siblings.get((delivery.request_id, delivery.channel))
        if delivery.kind is Kind.NOTICE:
            if _holds(delivery, request, item):
                works.append(Work(delivery, request))
            else:
                skipped.append((delivery.request_id, delivery.n))
        elif notice is not None and notice.state is State.SENDING:
            later.append((delivery.request_id, delivery.n))
        elif notice is not None and notice.state is State.DELIVERED:
            event = about.get((delivery.request_id, delivery.about or 0))
            works.append(Work(delivery, request, notice.reference, event))
        else:
            skipped.append((delivery.request_id, delivery.n))
    _postpone(connection, later, item.now + 1)
    _skip(connection, skipped, item.now)
    return _lease(connection, works, item.lease)


def _due(connection: Connection, channel: str, room: int, now: float) -> list[RowMapping]:
    found: list[RowMapping] = []
    for rank in (0, 1):
        if len(found) < room:
            query = (
                select(deliveries)
                .where(
                    deliveries.c.channel == channel,
                    deliveries.c.rank == rank,
                    deliveries.c.state.in_(WAITING),
                    deliveries.c.due_at <= now,
                )
                .order_by(deliveries.c.due_at)
                .limit(room - len(found))
                .with_for_update(skip_locked=True)
            )
            found.extend(connection.execute(query).mappings())
    return found


def _parked(connection: Connection, channel: str) -> Sequence[RowMapping]:
    query = (
        select(deliveries)
        .where(deliveries.c.channel == channel, deliveries.c.state == State.PARKED)
        .order_by(deliveries.c.rank, deliveries.c.owed_since)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(query).mappings().all()


def _notices(connection: Connection, ids: list[str]) -> dict[tuple[str, str], Delivery]:
    """The notice that an update belongs to, by request and channel."""
    if not ids:
        return {}
    query = select(deliveries).where(deliveries.c.request_id.in_(ids), deliveries.c.kind == Kind.NOTICE)
    return {(row["request_id"], row["channel"]): delivery_of(row) for row in connection.execute(query).mappings()}


def _events(connection: Connection, keys: list[Key]) -> dict[Key, Event]:
    if not keys:
        return {}
    query = select(events).where(tuple_(events.c.request_id, events.c.sequence).in_(keys))
    return {(row["request_id"], row["sequence"]): event_of(row) for row in connection.execute(query).mappings()}


def _holds(delivery: Delivery, request: AssistanceRequest, item: Take) -> bool:
    if request.status not in OPEN:
        return False
    if delivery.condition is Condition.UNDELIVERED and request.notified_at is not None:
        return False
    if delivery.condition is Condition.UNCLAIMED and request.claim is not None:
        return False
    if delivery.when is When.BOTH or delivery.hours is None or delivery.attempts:
        return True
    return item.is_open(delivery.hours, item.now) is (delivery.when is When.OPEN)


def _these(keys: Collection[Key]) -> ColumnElement[bool]:
    return tuple_(deliveries.c.request_id, deliveries.c.n).in_(keys)


def _lease(connection: Connection, works: list[Work], lease: Lease) -> list[Work]:
    if not works:
        return []
    keys = [(work.delivery.request_id, work.delivery.n) for work in works]
    leased = (
        update(deliveries)
        .where(_these(keys))
        .values(**lease_columns(lease), fence=deliveries.c.fence + 1, parked_at=None)
        .returning(deliveries)
    )
    rows = {(row["request_id"], row["n"]): delivery_of(row) for row in connection.execute(leased).mappings()}
    return [Work(rows[key], work.request, work.thread, work.event) for key, work in zip(keys, works, strict=True)]


def _postpone(connection: Connection, keys: list[Key], due_at: float) -> None:
    if keys:
        connection.execute(update(deliveries).where(_these(keys)).values(due_at=due_at))


def _skip(connection: Connection, keys: list[Key], now: float) -> None:
    if keys:
        connection.execute(update(deliveries).where(_these(keys)).values(state=str(State.SKIPPED)))
        after_failures(connection, {request_id for request_id, _ in keys}, now)


def settle(connection: Connection, items: Sequence[Settlement]) -> list[bool]:
    """Write down what became of each; False for one whose lease somebody else holds by now."""
    mine = _still_leased(connection, items)
    settled = [item for item, ours in zip(items, mine, strict=True) if ours]
    if not settled:
        return mine
    connection.execute(_settling, [_settled_row(item) for item in settled])
    connection.execute(
        insert(attempts),
        [attempt_row(i.delivery.request_id, i.delivery.n, i.delivery.fence, i.attempt) for i in settled],
    )
    _tell(connection, settled)
    failed = {i.delivery.request_id: i.attempt for i in settled if i.state in {State.FAILED, State.PARKED}}
    if failed:
        after_failures(connection, failed.keys(), max(attempt.at for attempt in failed.values()))
    return mine


_settling = (
    update(deliveries)
    .where(deliveries.c.request_id == bindparam("_id"), deliveries.c.n == bindparam("_n"))
    .values(
        state=bindparam("_state"),
        due_at=bindparam("_due_at"),
        attempts=deliveries.c.attempts + bindparam("_tries"),
        parked_at=bindparam("_parked_at"),
        reference=bindparam("_reference"),
        last_error=bindparam("_last_error"),
        short=bindparam("_short"),
        **_NOT_LEASED,
    )
)


def _settled_row(item: Settlement) -> dict[str, Any]:
    parked = item.state is State.PARKED
    return {
        "_id": item.delivery.request_id,
        "_n": item.delivery.n,
        "_state": str(item.state),
        "_due_at": item.due_at,
        "_tries": 0 if parked else 1,
        "_parked_at": item.attempt.at if parked else None,
        "_reference": item.reference or item.delivery.reference,
        "_last_error": item.attempt.reason,
        "_short": item.short,
    }


def _still_leased(connection: Connection, items: Sequence[Settlement]) -> list[bool]:
    query = (
        select(deliveries.c.request_id, deliveries.c.n, deliveries.c.fence)
        .where(
            _these([(item.delivery.request_id, item.delivery.n) for item in items]),
            deliveries.c.state == State.SENDING,
        )
        .order_by(deliveries.c.request_id, deliveries.c.n)
        .with_for_update()
    )
    fences = {(row.request_id, row.n): row.fence for row in connection.execute(query)}
    return [fences.get((item.delivery.request_id, item.delivery.n)) == item.delivery.fence for item in items]


def _tell(connection: Connection, settled: Sequence[Settlement]) -> None:
    """Move the requests on and write the time line."""
    told = [
        item for item in settled if item.state in {State.DELIVERED, State.FAILED} and item.delivery.kind == "notice"
    ]
    if not told:
        return
    columns = requests.c.id, requests.c.status, requests.c.sequence, requests.c.notified_at
    query = select(*columns).where(requests.c.id.in_({item.delivery.request_id for item in told}))
    found = connection.execute(query.order_by(requests.c.id).with_for_update()).mappings()
    rows = {row["id"]: dict(row) for row in found}
    happened = [_event(item, rows[item.delivery.request_id]) for item in told]
    connection.execute(insert(events), [event_row(event) for event in happened])
    connection.execute(_moving, [{f"_{name}": value for name, value in row.items()} for row in rows.values()])


_moving = (
    update(requests)
    .where(requests.c.id == bindparam("_id"))
    .values(status=bindparam("_status"), sequence=bindparam("_sequence"), notified_at=bindparam("_notified_at"))
)


def _event(item: Settlement, row: dict[str, Any]) -> Event:
    """What the settlement means for its request, whose row it moves on."""
    delivery = item.delivery
    data: dict[str, Any] = {"n": delivery.n, "channel": delivery.channel}
    happened = EventType.DELIVERED
    if item.state is State.FAILED:
        happened = EventType.DELIVERY_FAILED
        data["reason"] = item.attempt.reason
    elif delivery.person and row["notified_at"] is None:
        happened = EventType.NOTIFIED
        row["notified_at"] = item.attempt.at + item.attempt.seconds
        if row["status"] in {Status.ACCEPTED, Status.FAILED}:
            row["status"] = str(Status.NOTIFIED)
    row["sequence"] += 1
    return Event(delivery.request_id, row["sequence"], happened, item.attempt.at + item.attempt.seconds, data=data)


def release(connection: Connection, items: Sequence[Delivery]) -> list[None]:
    """Give leases back without counting a try: the next dispatcher takes them at once."""
    fences = [(item.request_id, item.n, item.fence) for item in items]
    connection.execute(
        update(deliveries)
        .where(
            tuple_(deliveries.c.request_id, deliveries.c.n, deliveries.c.fence).in_(fences),
            deliveries.c.state == State.SENDING,
        )
        .values(state=_waiting_again, **_NOT_LEASED)
    )
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Renewal:
    """Leases that are still worked on."""

    deliveries: tuple[Delivery, ...]
    lease: Lease


def renew(connection: Connection, items: Sequence[Renewal]) -> list[int]:
    """Hold on to leases; says how many were still held."""
    held = []
    for item in items:
        fences = [(delivery.request_id, delivery.n, delivery.fence) for delivery in item.deliveries]
        renewed = connection.execute(
            update(deliveries)
            .where(
                tuple_(deliveries.c.request_id, deliveries.c.n, deliveries.c.fence).in_(fences),
                deliveries.c.state == State.SENDING,
            )
            .values(lease_until=item.lease.until)
        )
        held.append(renewed.rowcount)
    return held


def recover(connection: Connection, items: Sequence[float]) -> list[int]:
    """Take back what a process held that is gone: every lease that ended before the given instant."""
    return [
        connection.execute(
            update(deliveries)
            .where(deliveries.c.state == State.SENDING, deliveries.c.lease_until < before)
            .values(state=_waiting_again, **_NOT_LEASED)
        ).rowcount
        for before in items
    ]
