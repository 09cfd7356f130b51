"""What all processes know of a channel: frozen by `Retry-After`, failing, how far its pace is spent, or parked.

A channel whose settings are wrong is parked: nothing is sent, nothing is lost, and failover starts at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from assistance.model import Bucket, State
from assistance.store.engine.writer import each
from assistance.store.queue.leases import AT_ONCE, WAITING_AGAIN, change_to, these
from assistance.store.queue.outcomes import lock_requests, start_next_step
from assistance.store.tables.rows import storable
from assistance.store.tables.schema import deliveries, is_parked, is_waiting, lanes

PROBE_EVERY = 60.0
"""Seconds between two tries of one message on a parked channel, whichever process makes them."""

_lane_is_parked = lanes.c.parked_reason.is_not(None)


@dataclass(frozen=True, slots=True)
class LaneState:
    """What the store remembers of a channel; instants, None where it is not parked.

    `arrival` is what `model.Bucket` remembers of the channel's pace.
    """

    channel: str
    frozen_until: float = 0
    parked_since: float | None = None
    parked_reason: str | None = None
    probe_at: float | None = None
    failing_until: float | None = None
    arrival: float = 0

    def closed(self, now: float) -> bool:
        """Whether nothing may be sent at `now`."""
        return self.parked_reason is not None or self.frozen_until > now


@dataclass(frozen=True, slots=True)
class Freeze:
    """`channel` wants no message before `until`."""

    channel: str
    until: float


@dataclass(frozen=True, slots=True)
class Failing:
    """`channel` does not answer some process, which tries again before `until`; None: it has answered."""

    channel: str
    until: float | None


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


def insert_or_change(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that takes `ON CONFLICT`, in this database's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def remember(connection: Connection, row: dict[str, object], grow: str | None = None) -> None:
    """Write a row of `lanes`; the column `grow` is never made smaller."""
    statement = insert_or_change(connection, lanes).values({"frozen_until": 0.0, "arrival": 0.0, **row})
    changed: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in row if name != "channel"}
    if grow:
        old, new = lanes.c[grow], statement.excluded[grow]
        changed[grow] = case((old > new, old), else_=new)
    connection.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=changed))


def freeze(connection: Connection, items: Sequence[Freeze]) -> list[None]:
    """Write down what `Retry-After` asked for."""
    # Deadlock: lock lanes by name.
    for item in sorted(items, key=lambda item: item.channel):
        remember(connection, {"channel": item.channel, "frozen_until": item.until}, grow="frozen_until")
    return [None] * len(items)


def note_failing(connection: Connection, items: Sequence[Failing]) -> list[None]:
    """Write down whether channels answer: for operators to see, no other process pauses because of it."""
    # Deadlock: lock lanes by name.
    for item in sorted(items, key=lambda item: item.channel):
        remember(connection, {"channel": item.channel, "failing_until": item.until})
    return [None] * len(items)


def lane_states(connection: Connection, lock: Collection[str] = ()) -> list[LaneState]:
    """What is remembered of every channel; the rows of those in `lock` stay locked until the commit."""
    locked = _locked(connection, lock)
    if missing := sorted(set(lock) - locked):
        # Race: only a row that exists can be locked.
        rows = [{"channel": channel, "frozen_until": 0.0, "arrival": 0.0} for channel in missing]
        connection.execute(insert_or_change(connection, lanes).on_conflict_do_nothing(), rows)
        _locked(connection, missing)
    return [LaneState(**row) for row in connection.execute(select(lanes)).mappings()]


def _locked(connection: Connection, channels: Collection[str]) -> set[str]:
    if not channels or connection.dialect.name == "sqlite":
        return set(channels)
    query = select(lanes.c.channel).where(lanes.c.channel.in_(channels)).order_by(lanes.c.channel).with_for_update()
    return set(connection.execute(query).scalars())


def granted(
    rooms: Mapping[str, int], paces: Mapping[str, float], known: Collection[LaneState], now: float
) -> dict[str, int]:
    """How much of the room each channel's state and pace allow at `now`."""
    states = {state.channel: state for state in known}
    allowed = {}
    for channel, room in rooms.items():
        state = states.get(channel, LaneState(channel))
        if state.closed(now):
            continue
        if pace := paces.get(channel):
            # Rounding: fractions that were added up must not cost a token.
            allowed[channel] = min(room, int(Bucket(pace).tokens(state.arrival, now) + 1e-6))
        else:
            allowed[channel] = room
    return {channel: room for channel, room in allowed.items() if room > 0}


def spend(
    connection: Connection,
    sent: Mapping[str, int],
    paces: Mapping[str, float],
    known: Collection[LaneState],
    now: float,
) -> None:
    """Take a token for each delivery that was leased out of the bucket of its channel, which all processes share."""
    arrivals = {state.channel: state.arrival for state in known}
    for channel, count in sorted(sent.items()):
        if pace := paces.get(channel):
            arrival = Bucket(pace).spend(arrivals.get(channel, 0.0), now, count)
            remember(connection, {"channel": channel, "arrival": arrival}, grow="arrival")


def waiting_channels(connection: Connection) -> list[str]:
    """The channels on which something waits to be sent."""
    return present(connection, deliveries.c.channel, is_waiting)


def parked_channels(connection: Connection) -> list[str]:
    """The channels on which something is parked."""
    return present(connection, deliveries.c.channel, is_parked)


def present(connection: Connection, column: ColumnElement[str], where: ColumnElement[bool]) -> list[str]:
    """The distinct values of a column by a loose index scan: the cost grows with the values, not with the rows."""
    found: list[str] = []
    query = select(func.min(column)).where(where, column > bindparam("last"))
    while (value := connection.execute(query, {"last": found[-1] if found else ""}).scalar()) is not None:
        found.append(value)
    return found


@each
def park(connection: Connection, item: Park) -> int:
    """Park the channel with what is due on it, and start the failover of the requests concerned.

    How many deliveries were parked, `AT_ONCE` at most. Called again for what has become due since.
    """
    known = select(lanes.c.channel).where(lanes.c.channel == item.channel, _lane_is_parked)
    begun: dict[str, object] = {}
    if connection.execute(known).first() is None:
        begun = {"parked_since": item.now, "probe_at": item.now + PROBE_EVERY}
    remember(connection, {"channel": item.channel, "parked_reason": storable(item.reason), **begun})
    return park_due(connection, item.channel, item.reason, item.now, waiting=True)


def park_due(connection: Connection, channel: str, reason: str, now: float, *, waiting: bool) -> int:
    """Park what is due on a parked channel, and start the failover; how many deliveries.

    Without `waiting`, requests that are locked are left for the next time.
    """
    keys = deliveries.c.request_id, deliveries.c.n
    due = select(*keys).where(deliveries.c.channel == channel, is_waiting, deliveries.c.due_at <= now)
    found = {(row.request_id, row.n) for row in connection.execute(due.limit(AT_ONCE))}
    locked = lock_requests(connection, {request_id for request_id, _ in found}, waiting=waiting)
    found = {key for key in found if key[0] in locked}
    if not found:
        return 0
    # Race: one that was leased since is being sent; it is parked when that fails.
    still = select(*keys).where(these(found), is_waiting).with_for_update(skip_locked=True)
    parked = {(row.request_id, row.n) for row in connection.execute(still)}
    values = {**change_to(State.PARKED), "parked_at": now, "last_error": storable(brief(reason))}
    connection.execute(update(deliveries).where(these(parked)).values(**values))
    start_next_step(connection, {request_id for request_id, _ in parked}, now)
    return len(parked)


def brief(reason: str) -> str:
    """The reason as a delivery shows it, without the provider's own code."""
    return reason.partition(":")[0]


@each
def unpark(connection: Connection, item: Unpark) -> int:
    """Let a channel go on; the time parked does not count towards `retry_for`.

    How many deliveries are due again, `AT_ONCE` at most.
    """
    freed = {"parked_since": None, "parked_reason": None, "probe_at": None}
    connection.execute(update(lanes).where(lanes.c.channel == item.channel).values(freed))
    found = connection.execute(
        select(deliveries.c.request_id, deliveries.c.n)
        .where(deliveries.c.channel == item.channel, is_parked)
        .order_by(deliveries.c.rank, deliveries.c.owed_since)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    keys = [(row.request_id, row.n) for row in found]
    if keys:
        owed_since, parked_at = deliveries.c.owed_since, deliveries.c.parked_at
        values = {
            **change_to(WAITING_AGAIN),
            # All at once, those that have been owed the longest first.
            "due_at": case((owed_since < item.now, owed_since), else_=item.now),
            "owed_since": case((parked_at.is_(None), owed_since), else_=owed_since + item.now - parked_at),
            "parked_at": None,
        }
        connection.execute(update(deliveries).where(these(keys)).values(values))
    return len(keys)


def try_parked(connection: Connection, items: Sequence[str | None]) -> list[bool]:
    """Let one message try each of these parked channels now, None: all; whether any of them is parked."""
    named = [] if None in items else [lanes.c.channel.in_(items)]
    # Deadlock: lock lanes by name.
    parked = select(lanes.c.channel).where(_lane_is_parked, *named).order_by(lanes.c.channel).with_for_update()
    if found := connection.execute(parked).scalars().all():
        connection.execute(update(lanes).where(lanes.c.channel.in_(found)).values(probe_at=0.0))
    return [bool(found)] * len(items)


def claim_probes(connection: Connection, channels: Collection[str], now: float) -> Collection[str]:
    """Those of these channels that it is time to probe; no other process does."""
    if not channels:
        return ()
    due = select(lanes.c.channel).where(lanes.c.channel.in_(channels), _lane_is_parked, lanes.c.probe_at <= now)
    if mine := connection.execute(due.with_for_update(skip_locked=True)).scalars().all():
        connection.execute(update(lanes).where(lanes.c.channel.in_(mine)).values(probe_at=now + PROBE_EVERY))
    return mine
