"""What is stuck, and sending it again."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select, tuple_, update

from assistance.model import Delivery, EventType, Kind, Snapshot, State, Status, first_uuid7
from assistance.store.errors import ConflictError, NoSuchDeliveryError
from assistance.store.queue.leases import Key, change_to
from assistance.store.requests.lifecycle import OVER, untaken
from assistance.store.requests.locking import Command, each_or_refusal, lock_request, record
from assistance.store.requests.rerouting import conversation_goes_on
from assistance.store.tables.rows import delivery_of
from assistance.store.tables.schema import STUCK, deliveries, has_state, open_among, requests

AGAIN = STUCK | {State.SKIPPED}
"""What an operator may send again."""


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


@dataclass(frozen=True, slots=True)
class Retry:
    """Send delivery `n` again, if it is in one of `states`."""

    command: Command
    n: int
    states: frozenset[State] = field(default=AGAIN)


def select_deliveries(connection: Connection, selection: DeliveryFilter) -> list[Owed]:
    """Deliveries of whatever request, the newest request first; those to be sent again the oldest first."""
    statement = _filtered(selection).limit(selection.limit)
    keys = deliveries.c.request_id, deliveries.c.n
    statement = statement.order_by(*(key if selection.to_send else key.desc() for key in keys))
    return [Owed(delivery_of(row), row["created_at"]) for row in connection.execute(statement).mappings()]


def _filtered(selection: DeliveryFilter) -> Select[tuple[object, ...]]:
    statement = (
        select(deliveries, requests.c.created_at)
        .join(requests, requests.c.id == deliveries.c.request_id)
        .where(has_state(selection.states))
    )
    key = tuple_(deliveries.c.request_id, deliveries.c.n)
    if selection.channel is not None:
        statement = statement.where(deliveries.c.channel == selection.channel)
    if selection.since is not None:
        # Ids are in the order of acceptance, so no index on times is needed.
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
    """Whether a request has failed whose conversation is open in another one: see `_retry`."""
    other = requests.alias("other")
    names = "client", "topic", "conversation_id"
    same = [other.c[name] == requests.c[name] for name in names]
    # Said of a subquery of its own, in the words of the index on open conversations.
    talking = other.c.conversation_id.is_not(None)
    return and_(requests.c.status == Status.FAILED, exists().where(*same, talking, open_among(other)))


def retry(connection: Connection, items: Sequence[Retry]) -> list[Snapshot | Exception]:
    """Make deliveries due now, with their old keys and a new `retry_for`, whatever their conditions were."""
    return each_or_refusal(_retry, connection, items)


def _retry(connection: Connection, item: Retry) -> Snapshot:
    found = lock_request(connection, item.command, frozenset(Status))
    request = found.request
    delivery = next((each for each in found.deliveries if each.n == item.n), None)
    if delivery is None:
        raise NoSuchDeliveryError(f"{request.id}.{item.n}")
    if delivery.kind is Kind.NOTICE and request.status in OVER:
        raise ConflictError(f"the request is {request.status}", request.claim)
    if request.status is Status.FAILED and conversation_goes_on(connection, request):
        raise ConflictError("its conversation goes on in another request")
    if delivery.state not in item.states:
        raise ConflictError(f"the delivery is {delivery.state}")
    _make_due(connection, delivery, item.command.now)
    back = untaken(request) if request.status is Status.FAILED and delivery.kind is Kind.NOTICE else request.status
    happened = EventType.DELIVERY_RETRIED, {"n": delivery.n, "channel": delivery.channel}
    after = record(connection, request, replace(request, status=back), item.command, happened)
    sent = replace(delivery, state=State.PENDING, changes=delivery.changes + 1)
    return Snapshot(after, tuple(sent if each.n == item.n else each for each in found.deliveries))


def _make_due(connection: Connection, delivery: Delivery, now: float) -> None:
    connection.execute(
        update(deliveries)
        .where(deliveries.c.request_id == delivery.request_id, deliveries.c.n == delivery.n)
        .values(
            **change_to(State.PENDING),
            condition="always",
            opening="both",
            hours=None,
            attempts=0,
            # What is still to be said of earlier tries says nothing of this one.
            fence=deliveries.c.fence + 1,
            due_at=now,
            owed_since=now,
            parked_at=None,
            short=False,
            last_error=None,
        )
    )
