"""Channels that must not be sent to now: frozen by `Retry-After`, or parked because their settings are wrong."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from assistance.model import State
from assistance.store.failover import start_next_step
from assistance.store.schema import WAITING, deliveries, lanes


@dataclass(frozen=True, slots=True)
class LaneState:
    """What the store remembers of a channel; instants, None where it is not parked.

    `arrival` is when its next message would be due if they came evenly at the channel's pace (the generic cell rate
    algorithm's theoretical arrival time).
    """

    channel: str
    frozen_until: float = 0
    parked_since: float | None = None
    parked_reason: str | None = None
    probe_at: float | None = None
    arrival: float = 0

    def closed(self, now: float) -> bool:
        """Whether nothing may be sent at `now`."""
        return self.parked_reason is not None or self.frozen_until > now


@dataclass(frozen=True, slots=True)
class Park:
    """Nothing of `channel` is sent until it is mended; one message tries at `probe_at`."""

    channel: str
    reason: str
    now: float
    probe_at: float


@dataclass(frozen=True, slots=True)
class Unpark:
    """`channel` is mended at `now`."""

    channel: str
    now: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """`channel` wants no message before `until`."""

    channel: str
    until: float


def insert_or_change(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what to do on conflict, in the words of this database."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _upsert(connection: Connection, row: dict[str, object], grow: str | None = None) -> None:
    """Insert or change a lane; the column `grow` is never made smaller."""
    statement = insert_or_change(connection, lanes).values({"frozen_until": 0.0, "arrival": 0.0, **row})
    changed: dict[str, ColumnElement[Any]] = {name: statement.excluded[name] for name in row if name != "channel"}
    if grow:
        old, new = lanes.c[grow], statement.excluded[grow]
        changed[grow] = case((old > new, old), else_=new)
    connection.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=changed))


def freeze(connection: Connection, items: Sequence[Freeze]) -> list[None]:
    """Write down what `Retry-After` asked for."""
    for item in items:
        _upsert(connection, {"channel": item.channel, "frozen_until": item.until}, grow="frozen_until")
    return [None] * len(items)


def park(connection: Connection, items: Sequence[Park]) -> list[int]:
    """Park the channel with all that is due on it, and start the failover of the requests concerned.

    Says how many deliveries were parked. Called again for what has become due on a parked channel since.
    """
    return [_park(connection, item) for item in items]


def _park(connection: Connection, item: Park) -> int:
    known = connection.execute(select(lanes.c.parked_since).where(lanes.c.channel == item.channel)).scalar()
    _upsert(
        connection,
        {
            "channel": item.channel,
            "parked_since": known or item.now,
            "parked_reason": item.reason,
            "probe_at": item.probe_at,
        },
    )
    parked = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.channel == item.channel,
            deliveries.c.state.in_(WAITING),
            deliveries.c.due_at <= item.now,
        )
        .values(state=str(State.PARKED), parked_at=item.now, last_error=item.reason)
    ).rowcount
    if not parked:
        return 0
    here = select(deliveries.c.request_id).where(
        deliveries.c.channel == item.channel, deliveries.c.state == State.PARKED
    )
    start_next_step(connection, deliveries.c.request_id.in_(here), item.now)
    return parked


def unpark(connection: Connection, items: Sequence[Unpark]) -> list[int]:
    """Let a channel go on; the time parked does not count towards `retry_for`. Says how many are due again."""
    counts = []
    for item in items:
        connection.execute(
            update(lanes)
            .where(lanes.c.channel == item.channel)
            .values(parked_since=None, parked_reason=None, probe_at=None)
        )
        resumed = connection.execute(
            update(deliveries)
            .where(deliveries.c.channel == item.channel, deliveries.c.state == State.PARKED)
            .values(
                state=case((deliveries.c.attempts > 0, str(State.RETRYING)), else_=str(State.PENDING)),
                due_at=item.now,
                owed_since=deliveries.c.owed_since + item.now - deliveries.c.parked_at,
                parked_at=None,
            )
        )
        counts.append(resumed.rowcount)
    return counts


def lane_states(connection: Connection, lock: Collection[str] = ()) -> list[LaneState]:
    """What is remembered of every channel; the rows of those to `lock` stay as they are until the commit."""
    if lock:
        connection.execute(
            select(lanes.c.channel).where(lanes.c.channel.in_(lock)).order_by(lanes.c.channel).with_for_update()
        )
    return [LaneState(**row) for row in connection.execute(select(lanes)).mappings()]


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
            held = max(1.0, pace) - (max(state.arrival, now) - now) * pace
            allowed[channel] = min(room, int(held + 1e-6))
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
    """Take what was leased out of the buckets that all processes share."""
    arrivals = {state.channel: state.arrival for state in known}
    for channel, count in sent.items():
        if pace := paces.get(channel):
            arrival = max(arrivals.get(channel, 0.0), now) + count / pace
            _upsert(connection, {"channel": channel, "arrival": arrival}, grow="arrival")


def waiting_channels(connection: Connection) -> list[str]:
    """The channels on which something waits to be sent."""
    return _channels(connection, deliveries.c.state.in_(WAITING))


def parked_channels(connection: Connection) -> list[str]:
    """The channels on which something is parked."""
    return _channels(connection, deliveries.c.state == State.PARKED)


def _channels(connection: Connection, where: ColumnElement[bool]) -> list[str]:
    """Their names by a loose index scan: the cost grows with the channels, not with what waits on them."""
    found: list[str] = []
    query = select(func.min(deliveries.c.channel)).where(where, deliveries.c.channel > bindparam("last"))
    while (channel := connection.execute(query, {"last": found[-1] if found else ""}).scalar()) is not None:
        found.append(channel)
    return found
