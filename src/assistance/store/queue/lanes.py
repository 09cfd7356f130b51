"""What all processes remember of a channel: frozen by `Retry-After`, parked, failing, and how far its pace is spent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, func, select
from sqlalchemy.dialects import postgresql, sqlite

from assistance.model import Bucket
from assistance.store.tables.schema import deliveries, is_parked, is_waiting, lanes


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


def insert_or_change(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what to do on conflict, in the words of this database."""
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
    for item in sorted(items, key=lambda item: item.channel):
        remember(connection, {"channel": item.channel, "frozen_until": item.until}, grow="frozen_until")
    return [None] * len(items)


def note_failing(connection: Connection, items: Sequence[Failing]) -> list[None]:
    """Write down whether channels answer: for people to see, no other process rests because of it."""
    for item in sorted(items, key=lambda item: item.channel):
        remember(connection, {"channel": item.channel, "failing_until": item.until})
    return [None] * len(items)


def lane_states(connection: Connection, lock: Collection[str] = ()) -> list[LaneState]:
    """What is remembered of every channel; the rows of those to `lock` stay as they are until the commit."""
    held = _locked(connection, lock)
    if missing := sorted(set(lock) - held):
        # Only a row that is there can be held.
        rows = [{"channel": channel, "frozen_until": 0.0, "arrival": 0.0} for channel in missing]
        connection.execute(insert_or_change(connection, lanes).on_conflict_do_nothing(), rows)
        _locked(connection, missing)
    return [LaneState(**row) for row in connection.execute(select(lanes)).mappings()]


def _locked(connection: Connection, channels: Collection[str]) -> set[str]:
    if not channels or connection.dialect.name == "sqlite":
        return set(channels)
    wanted = select(lanes.c.channel).where(lanes.c.channel.in_(channels)).order_by(lanes.c.channel).with_for_update()
    return set(connection.execute(wanted).scalars())


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
    """The words in a column by a loose index scan: the cost grows with the words, not with the rows."""
    found: list[str] = []
    query = select(func.min(column)).where(where, column > bindparam("last"))
    while (word := connection.execute(query, {"last": found[-1] if found else ""}).scalar()) is not None:
        found.append(word)
    return found
