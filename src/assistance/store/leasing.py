"""The queue: who sends what is due, and for how long nobody else does."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, select, text, tuple_, update

from assistance.model import (
    OPEN,
    AssistanceRequest,
    Condition,
    Delivery,
    Event,
    Kind,
    State,
    When,
)
from assistance.store.failover import after_failures
from assistance.store.parking import LaneState, granted, lane_states, spend
from assistance.store.rows import delivery_of, event_of, request_of
from assistance.store.schema import WAITING, deliveries, events, requests

Key = tuple[str, int]
"""A delivery's request and number."""

_RECOVER_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Lease:
    """Who sends, and for how many seconds nobody else does."""

    owner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Take:
    """What a dispatcher has room for: so many deliveries a channel, and one parked one for each channel to probe.

    `is_open` says whether hours, as a delivery carries them, are open at an instant. `paces` are the messages per
    second of the channels whose pace all processes share.
    """

    rooms: Mapping[str, int]
    lease: Lease
    now: float
    is_open: Callable[[str, float], bool]
    probes: Collection[str] = ()
    paces: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """A leased delivery with what is needed to say it; `event` is what an update tells of."""

    delivery: Delivery
    request: AssistanceRequest
    thread: str | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What was leased, and what the store remembers of the channels."""

    works: tuple[Work, ...]
    lanes: tuple[LaneState, ...]


def lease_columns(connection: Connection, lease: Lease, now: float) -> dict[str, Any]:
    """What a lease writes into a row of `deliveries`, the fence left to the caller."""
    until = shared_now(connection, now) + lease.seconds
    return {"state": str(State.SENDING), "lease_owner": lease.owner, "lease_until": until}


def shared_now(connection: Connection, now: float) -> float:
    """The instant by the clock that all processes share: the database server's; `now` where there is one process."""
    if connection.dialect.name != "postgresql":
        return now
    return float(connection.execute(_SERVER_CLOCK).scalar_one())


_SERVER_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")


NOT_LEASED = {"lease_owner": None, "lease_until": None}
_waiting_again = case((deliveries.c.attempts > 0, str(State.RETRYING)), else_=str(State.PENDING))


def take(connection: Connection, items: Sequence[Take]) -> list[Taken]:
    """Lease what is due, in the order of rank and time; what no longer holds is skipped instead."""
    return [_take(connection, item) for item in items]


def _take(connection: Connection, item: Take) -> Taken:
    now = shared_now(connection, item.now)
    lanes = lane_states(connection, lock=item.paces.keys())
    rooms = granted(item.rooms, item.paces, lanes, now)
    rows = [row for channel, room in rooms.items() for row in _due(connection, channel, room, item.now)]
    rows += [row for channel in item.probes for row in _parked(connection, channel)]
    works = _leased(connection, item, rows) if rows else []
    spend(connection, Counter(work.delivery.channel for work in works), item.paces, lanes, now)
    return Taken(tuple(works), tuple(lanes))


def _leased(connection: Connection, item: Take, rows: Sequence[RowMapping]) -> list[Work]:
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
    return _lease(connection, works, item)


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


def these(keys: Collection[Key]) -> ColumnElement[bool]:
    """The deliveries with these keys."""
    return tuple_(deliveries.c.request_id, deliveries.c.n).in_(keys)


def _lease(connection: Connection, works: list[Work], item: Take) -> list[Work]:
    if not works:
        return []
    keys = [(work.delivery.request_id, work.delivery.n) for work in works]
    leased = (
        update(deliveries)
        .where(these(keys))
        .values(**lease_columns(connection, item.lease, item.now), fence=deliveries.c.fence + 1, parked_at=None)
        .returning(deliveries)
    )
    rows = {(row["request_id"], row["n"]): delivery_of(row) for row in connection.execute(leased).mappings()}
    return [Work(rows[key], work.request, work.thread, work.event) for key, work in zip(keys, works, strict=True)]


def _postpone(connection: Connection, keys: list[Key], due_at: float) -> None:
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(due_at=due_at))


def _skip(connection: Connection, keys: list[Key], now: float) -> None:
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(state=str(State.SKIPPED)))
        after_failures(connection, {request_id for request_id, _ in keys}, now)


def release(connection: Connection, items: Sequence[Delivery]) -> list[None]:
    """Give leases back without counting a try: the next dispatcher takes them at once."""
    fences = [(item.request_id, item.n, item.fence) for item in items]
    connection.execute(
        update(deliveries)
        .where(
            tuple_(deliveries.c.request_id, deliveries.c.n, deliveries.c.fence).in_(fences),
            deliveries.c.state == State.SENDING,
        )
        .values(state=_waiting_again, **NOT_LEASED)
    )
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Renewal:
    """Leases that are still worked on."""

    deliveries: tuple[Delivery, ...]
    lease: Lease
    now: float


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
            .values(lease_until=shared_now(connection, item.now) + item.lease.seconds)
        )
        held.append(renewed.rowcount)
    return held


@dataclass(frozen=True, slots=True)
class Recovery:
    """At `now`; `mine` are held by the process that asks and stay, `everything` else comes back even unexpired."""

    now: float
    mine: frozenset[Key] = frozenset()
    everything: bool = False


def recover(connection: Connection, items: Sequence[Recovery]) -> list[int]:
    """Take back what processes held that are gone; says how many deliveries."""
    return [_recover(connection, item) for item in items]


def _recover(connection: Connection, item: Recovery) -> int:
    lost = deliveries.c.state == State.SENDING
    if not item.everything:
        lost = and_(lost, deliveries.c.lease_until < shared_now(connection, item.now))
    columns = deliveries.c.request_id, deliveries.c.n
    found = connection.execute(select(*columns).where(lost).limit(_RECOVER_AT_ONCE).with_for_update(skip_locked=True))
    keys = [key for row in found if (key := (row.request_id, row.n)) not in item.mine]
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(state=_waiting_again, **NOT_LEASED))
    return len(keys)
