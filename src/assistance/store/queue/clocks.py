"""By whose clock stored instants are written, so that what waits does not wait longer because a clock was set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from assistance.store.engine.writer import each
from assistance.store.queue.lanes import insert_or_change
from assistance.store.queue.leases import shared_now
from assistance.store.tables.schema import (
    beats,
    deliveries,
    is_parked,
    is_sending,
    is_unclaimed,
    is_waiting,
    lanes,
    requests,
)

_APART = 5.0
"""Seconds of difference that are not corrected."""
_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class Clocks:
    """One instant by the clock that the service plans by (`SteadyClock`), and by the machine's."""

    house: float
    machine: float


def beat(connection: Connection, items: Sequence[tuple[str, float]]) -> list[None]:
    """Remember when each of these last worked."""
    for name, at in items:
        statement = insert_or_change(connection, beats).values(name=name, at=at)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": at}))
    return [None] * len(items)


def note(connection: Connection, items: Sequence[Clocks]) -> list[None]:
    """Remember both clocks for the next process."""
    for item in items:
        beat(connection, [("house", item.house), ("machine", item.machine)])
    return [None] * len(items)


@each
def resume(connection: Connection, machine: float) -> float:
    """Go on by the machine's clock, which shows `machine`; the seconds by which what waits was shifted for it.

    What waits was planned by the service's clock, which may not have followed the machine's yet. A machine's clock that
    is behind what it was then has been set back. One that is ahead may show the time for which the service was stopped:
    that counts.
    """
    last = {row.name: row.at for row in connection.execute(select(beats))}
    shift = 0.0
    if "house" in last and "machine" in last:
        shift = last["machine"] - last["house"] + min(0.0, machine - last["machine"])
    if abs(shift) <= _APART:
        return 0.0
    _shift(connection, shift)
    note(connection, [Clocks(machine, machine)])
    return shift


def _shift(connection: Connection, seconds: float) -> None:
    """Shift what is planned; what has happened keeps its instant."""
    # One by one: each of these has an index of its own.
    for owed in (is_waiting, is_sending, is_parked):
        connection.execute(
            update(deliveries)
            .where(owed)
            .values(
                due_at=deliveries.c.due_at + seconds,
                owed_since=deliveries.c.owed_since + seconds,
                parked_at=deliveries.c.parked_at + seconds,
            )
        )
    connection.execute(
        update(lanes).values(
            frozen_until=lanes.c.frozen_until + seconds,
            parked_since=lanes.c.parked_since + seconds,
            probe_at=lanes.c.probe_at + seconds,
            failing_until=lanes.c.failing_until + seconds,
            arrival=lanes.c.arrival + seconds,
        )
    )
    connection.execute(update(requests).where(is_unclaimed).values(expires_at=requests.c.expires_at + seconds))


def offset(connection: Connection, machine: Callable[[], float]) -> float:
    """The seconds by which the clock that all processes share is ahead of `machine`.

    Latency: the quickest of a few answers counts. It is wrong by half its round trip at most; the wait for a connection
    is no part of it.
    """
    _, ahead = min(_measured(connection, machine) for _ in range(_ANSWERS))
    return ahead


def _measured(connection: Connection, machine: Callable[[], float]) -> tuple[float, float]:
    """The round trip in seconds, and by how much the shared clock was ahead half-way."""
    before = machine()
    shared = shared_now(connection, before)
    after = machine()
    # `abs`: a machine's clock that is set back meanwhile spoils the measure as one that is set forward does.
    return abs(after - before), shared - (before + after) / 2
