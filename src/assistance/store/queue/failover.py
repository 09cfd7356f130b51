"""What the failure of one delivery means for the others of its request."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, Select, and_, exists, insert, or_, select, tuple_, update

from assistance.model import OWED, Condition, Event, EventType, Kind, State, Status
from assistance.store.queue.leases import these
from assistance.store.tables.rows import event_row
from assistance.store.tables.schema import deliveries, events, requests

_other = deliveries.alias("other")
_HOPELESS = (State.FAILED, State.PARKED, State.SKIPPED)


def lock_requests(connection: Connection, request_ids: Collection[str], *, waiting: bool = True) -> Collection[str]:
    """Keep others from changing these requests until the commit; says which, all where locked ones are waited for.

    Whoever holds several rows takes them in one order, so that nobody waits in a circle: lanes by name, requests by
    id, deliveries by request and number. Whoever finds rows by their state skips those that are locked.
    """
    if request_ids and connection.dialect.name == "postgresql":
        query = select(requests.c.id).where(requests.c.id.in_(request_ids)).order_by(requests.c.id)
        return set(connection.execute(query.with_for_update(skip_locked=not waiting)).scalars())
    return request_ids


def last_events(connection: Connection, sequences: Mapping[str, int]) -> dict[str, float]:
    """When the event of this number happened to each request; none that follows it is older."""
    if not sequences:
        return {}
    key = tuple_(events.c.request_id, events.c.sequence)
    query = select(events.c.request_id, events.c.at).where(key.in_(list(sequences.items())))
    return {row.request_id: row.at for row in connection.execute(query)}


def after_failures(connection: Connection, request_ids: Collection[str], now: float) -> None:
    """Start the next step of each request at once, and fail a request for which nothing is left.

    The caller holds the requests: of two failures at the same time one sees the other.
    """
    if request_ids:
        start_next_step(connection, request_ids, now)
        _fail(connection, request_ids, now)


def start_next_step(connection: Connection, request_ids: Collection[str], now: float) -> None:
    """Make a step `if: undelivered` due at once where every step before it has failed or is parked.

    Its hours are looked at when it is taken: outside them it goes back to its own time.
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
            ~exists().where(before, _other.c.state.not_in(_HOPELESS)),
        )
        .with_for_update(skip_locked=True, of=deliveries)
    )
    keys = [(row.request_id, row.n) for row in connection.execute(later)]
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(due_at=now))


def _hopeless(request_ids: Collection[str]) -> Select[tuple[str, int]]:
    notice = and_(deliveries.c.request_id == requests.c.id, deliveries.c.kind == Kind.NOTICE, deliveries.c.person)
    return select(requests.c.id, requests.c.sequence).where(
        requests.c.id.in_(request_ids),
        requests.c.status == Status.ACCEPTED,
        exists().where(notice, deliveries.c.state == State.FAILED),
        ~exists().where(notice, deliveries.c.state.in_([*OWED, State.DELIVERED])),
    )


def _fail(connection: Connection, request_ids: Collection[str], now: float) -> None:
    hopeless = connection.execute(_hopeless(request_ids)).all()
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
