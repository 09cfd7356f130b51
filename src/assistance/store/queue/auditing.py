"""The backlog, and what an audit judges by: a few queries by the partial indexes, now and then."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, literal_column, or_, select

from assistance.store.queue.lanes import lane_states, present, waiting_channels
from assistance.store.queue.leases import shared_now
from assistance.store.tables.schema import (
    deliveries,
    is_parked,
    is_sending,
    is_unclaimed,
    is_waiting,
    owes_notice,
    requests,
)

_AT_MOST = 1_000
"""Of each kind of finding; more are not counted."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is owed at one instant.

    By channel: how many messages wait, and the age of the oldest in seconds; by topic: the age of the oldest unclaimed
    request; and the parked channels. A channel or topic with nothing has no entry.
    """

    waiting: dict[str, int] = field(default_factory=dict)
    oldest_undelivered: dict[str, float] = field(default_factory=dict)
    oldest_unclaimed: dict[str, float] = field(default_factory=dict)
    parked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an audit judges by.

    `queues` has, for each open channel on which something is due, what is next and what is being sent: as long as that
    stays the same, the lane makes no progress. `late_leases` were not recovered and `late_expiries` not expired in
    their time. `clock_ahead`: the seconds by which another clock is ahead of ours, the database server's or that by
    which the newest request was accepted.
    """

    queues: dict[str, tuple[Any, ...]]
    late_leases: int
    late_expiries: int
    clock_ahead: float


def backlog(connection: Connection, now: float) -> Backlog:
    """What is owed at `now`."""
    waiting: dict[str, int] = defaultdict(int)
    oldest: dict[str, float] = {}
    for channel, count, since in _owed(connection, now):
        waiting[channel] += count
        oldest[channel] = max(oldest.get(channel, 0.0), now - since)
    ages = {topic: max(0.0, now - at) for topic, at in _unclaimed(connection)}
    parked = frozenset(lane.channel for lane in lane_states(connection) if lane.parked_reason is not None)
    return Backlog(dict(waiting), oldest, ages, parked)


def _unclaimed(connection: Connection) -> Iterable[tuple[str, float]]:
    """Topic, since when. Cost: two steps in the index for each, however many requests are unclaimed."""
    query = select(func.min(requests.c.created_at)).where(is_unclaimed, requests.c.topic == bindparam("_topic"))
    for topic in present(connection, requests.c.topic, is_unclaimed):
        if (since := connection.execute(query, {"_topic": topic}).scalar()) is not None:
            yield topic, since


def _owed(connection: Connection, now: float) -> Iterable[tuple[str, int, float]]:
    """Channel, how many, since when: one query for each partial index. What is planned for later is not owed yet."""
    # A step that was brought forward is due before its planned time; one that is tried again was due before.
    since = case((deliveries.c.owed_since < deliveries.c.due_at, deliveries.c.owed_since), else_=deliveries.c.due_at)
    begun = or_(deliveries.c.due_at <= now, deliveries.c.attempts > 0)
    for owed in (and_(is_waiting, begun), is_sending, is_parked):
        query = select(deliveries.c.channel, func.count(), func.min(since)).where(owed).group_by(deliveries.c.channel)
        yield from connection.execute(query)


def evidence(connection: Connection, clock: Callable[[], float], grace: float) -> Evidence:
    """What there is to judge by now, which `clock` gives; less than `grace` seconds late is not late."""
    now = clock()
    shared = shared_now(connection, now)
    newest = connection.execute(select(requests.c.created_at).order_by(requests.c.id.desc()).limit(1)).scalar() or now
    return Evidence(
        queues=_queues(connection, now),
        late_leases=_count(connection, and_(is_sending, deliveries.c.lease_until < shared - grace)),
        late_expiries=_count(connection, _late_expiry(now - grace)),
        clock_ahead=max(shared - now, max(0.0, newest - now), key=abs),
    )


def _queues(connection: Connection, now: float) -> dict[str, tuple[Any, ...]]:
    closed = {lane.channel for lane in lane_states(connection) if lane.closed(now)}
    sent: dict[str, set[tuple[str, int, int]]] = defaultdict(set)
    columns = deliveries.c.channel, deliveries.c.request_id, deliveries.c.n, deliveries.c.fence
    for channel, request_id, n, fence in connection.execute(select(*columns).where(is_sending)):
        sent[channel].add((request_id, n, fence))
    found = {}
    for channel in {*waiting_channels(connection), *sent} - closed:
        heads = tuple(_head(connection, channel, rank, now) for rank in (0, 1))
        if any(heads) or sent[channel]:
            found[channel] = (*heads, frozenset(sent[channel]))
    return found


def _head(connection: Connection, channel: str, rank: int, now: float) -> tuple[Any, ...] | None:
    """The delivery of this rank that has been due the longest."""
    row = connection.execute(
        select(deliveries.c.due_at, deliveries.c.request_id, deliveries.c.n)
        .where(is_waiting, deliveries.c.channel == channel, deliveries.c.rank == rank, deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at)
        .limit(1)
    ).first()
    return None if row is None else tuple(row)


def _late_expiry(late: float) -> ColumnElement[bool]:
    return and_(is_unclaimed, requests.c.expires_at < late, ~owes_notice)


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    some = select(literal_column("1")).where(where).limit(_AT_MOST).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())
