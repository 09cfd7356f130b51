"""Channels whose settings are wrong: nothing is sent, nothing is lost, and failover starts at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, select, update

from assistance.model import State
from assistance.store.queue.failover import lock_requests, start_next_step
from assistance.store.queue.lanes import remember
from assistance.store.queue.leases import WAITING_AGAIN, change_to, owed_since, these
from assistance.store.tables.rows import storable
from assistance.store.tables.schema import deliveries, is_parked, is_waiting, lanes

AT_ONCE = 1_000
"""Deliveries that one transaction parks or frees at most; callers go on until it was less."""

PROBE_EVERY = 60.0
"""Seconds between two tries of one message on a parked channel, whichever process makes them."""

_lane_is_parked = lanes.c.parked_reason.is_not(None)


@dataclass(frozen=True, slots=True)
class Park:
    """Nothing of `channel` is sent until it is mended; one message tries now and then."""

    channel: str
    reason: str
    now: float


@dataclass(frozen=True, slots=True)
class Unpark:
    """`channel` is mended at `now`."""

    channel: str
    now: float


def park(connection: Connection, items: Sequence[Park]) -> list[int]:
    """Park the channel with what is due on it, and start the failover of the requests concerned.

    Says how many deliveries were parked, `AT_ONCE` at most. Called again for what has become due since.
    """
    return [_park(connection, item) for item in items]


def _park(connection: Connection, item: Park) -> int:
    known = select(lanes.c.channel).where(lanes.c.channel == item.channel, _lane_is_parked)
    begun: dict[str, object] = {}
    if connection.execute(known).first() is None:
        begun = {"parked_since": item.now, "probe_at": item.now + PROBE_EVERY}
    remember(connection, {"channel": item.channel, "parked_reason": storable(item.reason), **begun})
    return park_due(connection, item.channel, item.reason, item.now, waiting=True)


def park_due(connection: Connection, channel: str, reason: str, now: float, *, waiting: bool) -> int:
    """Park what is due on a channel that is parked, and start the failover; says how many deliveries.

    Without `waiting`, requests that somebody is changing just now are left for the next time.
    """
    keys = deliveries.c.request_id, deliveries.c.n
    due = select(*keys).where(deliveries.c.channel == channel, is_waiting, deliveries.c.due_at <= now)
    found = {(row.request_id, row.n) for row in connection.execute(due.limit(AT_ONCE))}
    held = lock_requests(connection, {request_id for request_id, _ in found}, waiting=waiting)
    found = {key for key in found if key[0] in held}
    if not found:
        return 0
    # What somebody has locked by now is being sent: it will be parked when that fails.
    still = select(*keys).where(these(found), is_waiting).with_for_update(skip_locked=True)
    parked = {(row.request_id, row.n) for row in connection.execute(still)}
    connection.execute(
        update(deliveries)
        .where(these(parked))
        .values(**change_to(State.PARKED), parked_at=now, last_error=storable(brief(reason)))
    )
    start_next_step(connection, {request_id for request_id, _ in parked}, now)
    return len(parked)


def try_parked(connection: Connection, items: Sequence[str | None]) -> list[bool]:
    """Let one message try each of these parked channels now, or with None all; says whether any of all is parked."""
    named = [] if None in items else [lanes.c.channel.in_(items)]
    parked = select(lanes.c.channel).where(_lane_is_parked, *named).order_by(lanes.c.channel).with_for_update()
    if found := connection.execute(parked).scalars().all():
        connection.execute(update(lanes).where(lanes.c.channel.in_(found)).values(probe_at=0.0))
    return [bool(found)] * len(items)


def claim_probes(connection: Connection, channels: Collection[str], now: float) -> Collection[str]:
    """Those of these channels on which it is time for a try; no other process makes it."""
    if not channels:
        return ()
    due = select(lanes.c.channel).where(lanes.c.channel.in_(channels), _lane_is_parked, lanes.c.probe_at <= now)
    if mine := connection.execute(due.with_for_update(skip_locked=True)).scalars().all():
        connection.execute(update(lanes).where(lanes.c.channel.in_(mine)).values(probe_at=now + PROBE_EVERY))
    return mine


def brief(reason: str) -> str:
    """What a delivery says of it: the reason without the provider's own word for it."""
    return reason.partition(":")[0]


def unpark(connection: Connection, items: Sequence[Unpark]) -> list[int]:
    """Let a channel go on; the time parked does not count towards `retry_for`.

    Says how many deliveries are due again, `AT_ONCE` at most.
    """
    return [_unpark(connection, item) for item in items]


def _unpark(connection: Connection, item: Unpark) -> int:
    connection.execute(
        update(lanes)
        .where(lanes.c.channel == item.channel)
        .values(parked_since=None, parked_reason=None, probe_at=None)
    )
    found = connection.execute(
        select(deliveries.c.request_id, deliveries.c.n)
        .where(deliveries.c.channel == item.channel, is_parked)
        .order_by(deliveries.c.rank, deliveries.c.owed_since)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    keys = [(row.request_id, row.n) for row in found]
    if keys:
        connection.execute(
            update(deliveries)
            .where(these(keys))
            .values(
                **change_to(WAITING_AGAIN), due_at=_in_order(item.now), owed_since=owed_since(item.now), parked_at=None
            )
        )
    return len(keys)


def _in_order(now: float) -> ColumnElement[float]:
    """Due at once, and whatever was owed first before all others."""
    return case((deliveries.c.owed_since < now, deliveries.c.owed_since), else_=now)
