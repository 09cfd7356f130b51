"""Queries. Readers have connections of their own and never wait for the writer."""

import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, false, or_, select, true, tuple_

from assistance.model import Attempt, Delivery, Event, EventType, Kind, Snapshot, State, Status, first_uuid7
from assistance.store.queue.leases import Key
from assistance.store.requests.moves import OVER
from assistance.store.tables.rows import (
    attempt_of,
    by_request,
    delivery_of,
    event_of,
    known,
    request_of,
    rerouted_from,
)
from assistance.store.tables.schema import (
    STUCK,
    attempts,
    deliveries,
    events,
    has_state,
    has_status,
    open_among,
    requests,
)


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests; None means any.

    `topics` are those that the caller may see: what is on one of them, or was before it was rerouted. `before` is the
    last id of the page before.
    """

    limit: int
    client: str | None = None
    topics: frozenset[str] | None = None
    topic: str | None = None
    status: Status | None = None
    conversation_id: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries; None means any.

    `requests` and `keys` name them by request or one by one. `since` is when their requests were accepted at the
    earliest. `after` is the last key of the page before. `to_send` leaves out what cannot be sent again.
    """

    limit: int
    states: frozenset[State] = STUCK
    channel: str | None = None
    since: float | None = None
    requests: frozenset[str] | None = None
    keys: frozenset[Key] | None = None
    after: Key | None = None
    to_send: bool = False


@dataclass(frozen=True, slots=True)
class Owed:
    """A delivery, and when its request was accepted."""

    delivery: Delivery
    created_at: float


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
    # Cost: an EXISTS would make PostgreSQL read all events that there are, not the few of each request.
    return select(true()).where(mine, left).limit(1).scalar_subquery()


def _deliveries(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Delivery, ...]]:
    if not ids:
        return {}
    query = select(deliveries).where(deliveries.c.request_id.in_(ids)).order_by(deliveries.c.request_id, deliveries.c.n)
    return by_request(known(delivery_of, connection.execute(query).mappings()))


def time_line(connection: Connection, request_id: str, after: int) -> list[Event]:
    """What happened to a request since the event with the number `after`."""
    query = (
        select(events).where(events.c.request_id == request_id, events.c.sequence > after).order_by(events.c.sequence)
    )
    return list(known(event_of, connection.execute(query).mappings()))


def tries(connection: Connection, request_id: str) -> list[tuple[Delivery, list[Attempt]]]:
    """Every delivery of a request with its tries, in order."""
    made = select(attempts).where(attempts.c.request_id == request_id).order_by(attempts.c.n, attempts.c.fence)
    by_n: dict[int, list[Attempt]] = {}
    for row in connection.execute(made).mappings():
        by_n.setdefault(row["n"], []).append(attempt_of(row))
    owed = _deliveries(connection, [request_id]).get(request_id, ())
    return [(delivery, by_n.get(delivery.n, [])) for delivery in owed]


def select_deliveries(connection: Connection, selection: DeliveryFilter) -> list[Owed]:
    """Deliveries of all requests, the newest request first; those to be sent again the oldest first."""
    statement = _filtered_deliveries(selection).limit(selection.limit)
    keys = deliveries.c.request_id, deliveries.c.n
    statement = statement.order_by(*(key if selection.to_send else key.desc() for key in keys))
    return list(known(lambda row: Owed(delivery_of(row), row["created_at"]), connection.execute(statement).mappings()))


def _filtered_deliveries(selection: DeliveryFilter) -> Select[tuple[object, ...]]:
    statement = (
        select(deliveries, requests.c.created_at)
        .join(requests, requests.c.id == deliveries.c.request_id)
        .where(has_state(selection.states))
    )
    key = tuple_(deliveries.c.request_id, deliveries.c.n)
    if selection.channel is not None:
        statement = statement.where(deliveries.c.channel == selection.channel)
    if selection.since is not None:
        # Ids are ordered by the time of the accept (UUIDv7), so no index on times is needed.
        statement = statement.where(deliveries.c.request_id >= first_uuid7(selection.since))
    if selection.requests is not None or selection.keys is not None:
        named = deliveries.c.request_id.in_(selection.requests or ())
        statement = statement.where(or_(named, key.in_(selection.keys)) if selection.keys else named)
    if selection.after is not None:
        last, n = selection.after
        further = operator.gt if selection.to_send else operator.lt
        same = and_(deliveries.c.request_id == last, further(deliveries.c.n, n))
        statement = statement.where(or_(further(deliveries.c.request_id, last), same))
    if selection.to_send:
        over = requests.c.status.in_([str(status) for status in OVER])
        statement = statement.where(or_(deliveries.c.kind != Kind.NOTICE, ~over), ~_goes_on_elsewhere())
    return statement


def _goes_on_elsewhere() -> ColumnElement[bool]:
    """Whether a request has failed whose conversation is open in another one: `retry` refuses it."""
    other = requests.alias("other")
    names = "client", "topic", "conversation_id"
    same = [other.c[name] == requests.c[name] for name in names]
    # Written so that the partial index on open conversations serves the subquery.
    in_conversation = other.c.conversation_id.is_not(None)
    return and_(requests.c.status == Status.FAILED, exists().where(*same, in_conversation, open_among(other)))
