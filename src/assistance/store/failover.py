"""What the failure of one delivery means for the others of its request."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, insert, or_, select, update

from assistance.model import OWED, Condition, Event, EventType, Kind, State, Status
from assistance.store.rows import event_row
from assistance.store.schema import deliveries, events, requests

_other = deliveries.alias("other")
_HOPELESS = (State.FAILED, State.PARKED, State.SKIPPED)


def after_failures(connection: Connection, request_ids: Collection[str], now: float) -> None:
    """Start the next step of each request at once, and fail a request for which nothing is left."""
    start_next_step(connection, deliveries.c.request_id.in_(request_ids), now)
    _fail(connection, request_ids, now)


def start_next_step(connection: Connection, scope: ColumnElement[bool], now: float) -> None:
    """Make a step `if: undelivered` due at once where every step before it has failed or is parked."""
    before = and_(
        _other.c.request_id == deliveries.c.request_id,
        _other.c.kind == Kind.NOTICE,
        _other.c.person,
        _other.c.step < deliveries.c.step,
    )
    connection.execute(
        update(deliveries)
        .where(
            scope,
            deliveries.c.kind == Kind.NOTICE,
            deliveries.c.condition == Condition.UNDELIVERED,
            deliveries.c.state == State.PENDING,
            deliveries.c.due_at > now,
            exists().where(before, or_(_other.c.state == State.FAILED, _other.c.state == State.PARKED)),
            ~exists().where(before, _other.c.state.not_in(_HOPELESS)),
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )


def _hopeless(request_ids: Collection[str]) -> Select[tuple[str, int]]:
    notice = and_(deliveries.c.request_id == requests.c.id, deliveries.c.kind == Kind.NOTICE, deliveries.c.person)
    return (
        select(requests.c.id, requests.c.sequence)
        .where(
            requests.c.id.in_(request_ids),
            requests.c.status == Status.ACCEPTED,
            exists().where(notice, deliveries.c.state == State.FAILED),
            ~exists().where(notice, deliveries.c.state.in_([*OWED, State.DELIVERED])),
        )
        .order_by(requests.c.id)
        .with_for_update()
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
    failed = [Event(row.id, row.sequence + 1, EventType.FAILED, now) for row in hopeless]
    connection.execute(insert(events), [event_row(event) for event in failed])
