"""The tables. One row of `deliveries` is one message owed to one channel: the only queue."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    exists,
    literal_column,
)
from sqlalchemy.dialects import postgresql

from assistance.model import OPEN, OWED, Kind, State, Status

metadata = MetaData()

_id = String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")

_UNCLAIMED = frozenset({Status.ACCEPTED, Status.NOTIFIED})
WAITING = frozenset({State.PENDING, State.RETRYING})
"""To be sent at `due_at`."""
STUCK = frozenset({State.RETRYING, State.PARKED, State.FAILED})
"""An operator looks at these: something has gone wrong."""


def _one_of(column: ColumnElement[str], words: Collection[str]) -> ColumnElement[bool]:
    # Literals, not bound values: a planner uses a partial index only where it reads the index's own condition.
    literals: list[ColumnElement[str]] = [literal_column(f"'{word}'") for word in sorted(words)]
    return column.in_(literals) if len(literals) > 1 else column == literals[0]


requests = Table(
    "requests",
    metadata,
    Column("id", _id, primary_key=True),
    Column("client", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_title", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("description", Text, comment="NULL once erased"),
    Column("follow_ups", Text, comment="JSON list of texts"),
    Column("customer", Text, comment="JSON"),
    Column("links", Text, comment="JSON"),
    Column("metadata", Text, comment="JSON"),
    Column("conversation_id", Text),
    Column("priority", String(6), nullable=False),
    Column("callback", Text),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("expected_response", Double),
    Column("notified_at", Double),
    Column("claimed_by", Text),
    Column("claimed_at", Double),
    Column("sequence", Integer, nullable=False, comment="number of the last event"),
    Column("traceparent", Text),
    Column("correlation_id", Text),
    Index("requests_by_client", "client", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("request_id", _id, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("channel", Text, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("person", Boolean, nullable=False),
    Column("condition", String(12), nullable=False),
    Column("opening", String(6), nullable=False, comment="open, closed or both"),
    Column("hours", Text),
    Column("about", Integer, comment="number of the event that an update tells of"),
    Column("rank", SmallInteger, nullable=False, comment="0 urgent, 1 normal"),
    Column("state", String(9), nullable=False),
    Column("due_at", Double, nullable=False),
    Column("owed_since", Double, nullable=False),
    Column("parked_at", Double),
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("changes", Integer, nullable=False, server_default="0", comment="of the state; part of the version"),
    Column("short", Boolean, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("reference", Text),
    Column("last_error", Text),
    CheckConstraint("rank IN (0, 1)", name="deliveries_rank"),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", _id, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("fence", Integer, primary_key=True, autoincrement=False, comment="the lease under which it was made"),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("outcome", String(9), nullable=False),
    Column("reason", Text),
    Column("code", Text),
    Column("answer", Text),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("request_id", _id, primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("type", String(20), nullable=False),
    Column("at", Double, nullable=False),
    Column("actor", Text),
    Column("data", Text, nullable=False, comment="JSON"),
    sqlite_with_rowid=False,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("client", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("request_id", _id, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("idempotency_expiring", "expires_at"),
    Index("idempotency_by_request", "request_id"),
    sqlite_with_rowid=False,
)

lanes = Table(
    "lanes",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("frozen_until", Double, nullable=False, comment="Retry-After holds for every process, restarts included"),
    Column("parked_since", Double),
    Column("parked_reason", Text),
    Column("probe_at", Double, comment="when one message is tried on a parked channel"),
    Column("failing_until", Double, comment="it does not answer; looked at again by then"),
    Column("arrival", Double, nullable=False, comment="of the next message, if they came evenly at the pace"),
    sqlite_with_rowid=False,
)

beats = Table(
    "beats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Double, nullable=False, comment="when it was last seen to work"),
    sqlite_with_rowid=False,
)


def open_among(table: FromClause) -> ColumnElement[bool]:
    """Whether a request is open, in `requests` or an alias of it."""
    return _one_of(table.c.status, OPEN)


is_open = open_among(requests)
is_unclaimed = _one_of(requests.c.status, _UNCLAIMED)
is_waiting = _one_of(deliveries.c.state, WAITING)
is_sending = _one_of(deliveries.c.state, {State.SENDING})
is_parked = _one_of(deliveries.c.state, {State.PARKED})
is_stuck = _one_of(deliveries.c.state, STUCK)


def _index(name: str, *columns: ColumnElement[Any], where: ColumnElement[bool], unique: bool = False) -> None:
    """An index of some rows only, on either database."""
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_in_conversation = requests.c.conversation_id.is_not(None)
_index(
    "requests_open_conversation",
    *(requests.c.client, requests.c.topic, requests.c.conversation_id),
    where=and_(_in_conversation, is_open),
    unique=True,
)
_index("requests_expiring", requests.c.expires_at, where=is_unclaimed)
_index("requests_untaken", requests.c.topic, requests.c.created_at, where=is_unclaimed)
_index("requests_by_conversation", requests.c.conversation_id, requests.c.id, where=_in_conversation)
# No index on `status` itself: SQLite, without statistics, would use it for every query that names a status.
_index("requests_open", requests.c.id, where=is_open)
_index("requests_failed", requests.c.id, where=_one_of(requests.c.status, {Status.FAILED}))
_index("requests_not_erased", requests.c.id, where=requests.c.description.is_not(None))
_index("deliveries_due", deliveries.c.channel, deliveries.c.rank, deliveries.c.due_at, where=is_waiting)
_index("deliveries_leased", deliveries.c.lease_until, where=is_sending)
_index("deliveries_parked", deliveries.c.channel, deliveries.c.rank, deliveries.c.owed_since, where=is_parked)
_index("deliveries_stuck", deliveries.c.request_id, deliveries.c.n, where=is_stuck)

owes_notice = exists().where(
    deliveries.c.request_id == requests.c.id,
    deliveries.c.kind == Kind.NOTICE,
    deliveries.c.state.in_([str(state) for state in OWED]),
)
"""Whether a notice of the request may still go out; until then the request does not expire."""


def has_status(status: Status) -> ColumnElement[bool]:
    """Whether a request has this status, written so that the partial indexes on open and on failed requests serve."""
    exactly = _one_of(requests.c.status, {status})
    return and_(is_open, exactly) if status in OPEN else exactly


def has_state(states: Collection[State]) -> ColumnElement[bool]:
    """Whether a delivery has one of these states, written so that the partial index on stuck deliveries serves."""
    exactly = _one_of(deliveries.c.state, states)
    return and_(is_stuck, exactly) if STUCK.issuperset(states) else exactly
