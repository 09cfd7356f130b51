"""What waits, for how long, and what should not be so: a few questions by the partial indexes, asked now and then."""

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
    is_untaken,
    is_waiting,
    owes_notice,
    requests,
)

_AT_MOST = 1_000
"""Of each kind of finding: more are not counted, a thousand is bad enough."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is owed at one instant; what is not there is none.

    By channel: how many messages, and for how long (seconds) the oldest; by topic: for how long the oldest request
    has been waiting to be claimed; and the channels that are parked.
    """

    waiting: dict[str, int] = field(default_factory=dict)
    oldest_undelivered: dict[str, float] = field(default_factory=dict)
    oldest_unclaimed: dict[str, float] = field(default_factory=dict)
    parked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an audit goes by.

    `queues` has, for each open channel on which something is due, what is next in it and what is being sent: as long
    as that stays the same nobody gets anywhere. `late_leases` were not taken back and `late_expiries` not expired in
    their time. `clock_ahead` says by how many seconds another clock, the database server's or that by which the newest
    request was accepted, is ahead of ours.
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
    """Topic, since when: two steps in the index for each, since nobody may claim anything for days."""
    query = select(func.min(requests.c.created_at)).where(is_untaken, requests.c.topic == bindparam("_topic"))
    for topic in present(connection, requests.c.topic, is_untaken):
        if (since := connection.execute(query, {"_topic": topic}).scalar()) is not None:
            yield topic, since


def _owed(connection: Connection, now: float) -> Iterable[tuple[str, int, float]]:
    """Channel, how many, since when: one query for each partial index. What is planned for later is not owed yet."""
    # A step that was moved up is due before the time it was planned for; one that is tried again was due before.
    since = case((deliveries.c.owed_since < deliveries.c.due_at, deliveries.c.owed_since), else_=deliveries.c.due_at)
    begun = or_(deliveries.c.due_at <= now, deliveries.c.attempts > 0)
    for owed in (and_(is_waiting, begun), is_sending, is_parked):
        query = select(deliveries.c.channel, func.count(), func.min(since)).where(owed).group_by(deliveries.c.channel)
        yield from connection.execute(query)


def evidence(connection: Connection, clock: Callable[[], float], grace: float) -> Evidence:
    """What there is to judge by at the instant that `clock` tells.

    What is later than it should be by less than `grace` seconds is not late.
    """
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
    """What is next: the delivery of this rank that has been due the longest."""
    row = connection.execute(
        select(deliveries.c.due_at, deliveries.c.request_id, deliveries.c.n)
        .where(is_waiting, deliveries.c.channel == channel, deliveries.c.rank == rank, deliveries.c.due_at <= now)
        .order_by(deliveries.c.due_at)
        .limit(1)
    ).first()
    return None if row is None else tuple(row)


def _late_expiry(late: float) -> ColumnElement[bool]:
    return and_(is_untaken, requests.c.expires_at < late, ~owes_notice)


def _count(connection: Connection, where: ColumnElement[bool]) -> int:
    some = select(literal_column("1")).where(where).limit(_AT_MOST).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())
