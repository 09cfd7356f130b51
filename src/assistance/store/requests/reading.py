"""What callers look at. Readers have connections of their own and never wait for the writer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select, true

from assistance.model import Attempt, Delivery, Event, EventType, Snapshot, Status
from assistance.store.tables.rows import attempt_of, by_request, delivery_of, event_of, request_of, rerouted_from
from assistance.store.tables.schema import attempts, deliveries, events, has_status, requests


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests; None means any.

    `topics` are those that the caller may see: what is on one of them, or was before somebody rerouted it. `before` is
    the last id of the page before.
    """

    limit: int
    client: str | None = None
    topics: frozenset[str] | None = None
    topic: str | None = None
    status: Status | None = None
    conversation_id: str | None = None
    before: str | None = None


def get(connection: Connection, request_id: str) -> Snapshot | None:
    """One request with its deliveries."""
    row = connection.execute(select(requests).where(requests.c.id == request_id)).mappings().first()
    if row is None:
        return None
    return Snapshot(request_of(row), _deliveries(connection, [request_id]).get(request_id, ()))


def page(connection: Connection, query: RequestFilter) -> list[Snapshot]:
    """The newest requests first."""
    found = [request_of(row) for row in connection.execute(_filtered(query)).mappings()]
    owed = _deliveries(connection, [request.id for request in found])
    return [Snapshot(request, owed.get(request.id, ())) for request in found]


def _filtered(query: RequestFilter) -> Select[tuple[object, ...]]:
    statement = select(requests).order_by(requests.c.id.desc()).limit(query.limit)
    for column, value in (
        (requests.c.client, query.client),
        (requests.c.topic, query.topic),
        (requests.c.conversation_id, query.conversation_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if query.status is not None:
        statement = statement.where(has_status(query.status))
    if query.topics is not None:
        statement = statement.where(or_(requests.c.topic.in_(query.topics), _was_on(query.topics)))
    if query.before is not None:
        statement = statement.where(requests.c.id < query.before)
    return statement


def _was_on(topics: Collection[str]) -> ColumnElement[bool]:
    """Whether a request has been rerouted from one of these topics."""
    left = or_(false(), *(events.c.data.startswith(rerouted_from(topic), autoescape=True) for topic in sorted(topics)))
    mine = and_(events.c.request_id == requests.c.id, events.c.type == EventType.REROUTED)
    # No EXISTS: PostgreSQL would answer it from all events that there are, not from the few of each request.
    return select(true()).where(mine, left).limit(1).scalar_subquery()


def _deliveries(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Delivery, ...]]:
    if not ids:
        return {}
    query = select(deliveries).where(deliveries.c.request_id.in_(ids)).order_by(deliveries.c.request_id, deliveries.c.n)
    return {id_: tuple(owed) for id_, owed in by_request(connection.execute(query).mappings()).items()}


def time_line(connection: Connection, request_id: str, after: int) -> list[Event]:
    """What happened to a request since the event with the number `after`."""
    query = (
        select(events).where(events.c.request_id == request_id, events.c.sequence > after).order_by(events.c.sequence)
    )
    return [event_of(row) for row in connection.execute(query).mappings()]


def tries(connection: Connection, request_id: str) -> list[tuple[Delivery, list[Attempt]]]:
    """Every delivery of a request with its tries, in order."""
    mine = select(deliveries).where(deliveries.c.request_id == request_id).order_by(deliveries.c.n)
    made = select(attempts).where(attempts.c.request_id == request_id).order_by(attempts.c.n, attempts.c.fence)
    by_n: dict[int, list[Attempt]] = {}
    for row in connection.execute(made).mappings():
        by_n.setdefault(row["n"], []).append(attempt_of(row))
    owed = [delivery_of(row) for row in connection.execute(mine).mappings()]
    return [(delivery, by_n.get(delivery.n, [])) for delivery in owed]
