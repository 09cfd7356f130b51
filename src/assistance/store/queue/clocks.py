"""Whose clock the stored instants are by, so that what waits does not wait longer because a clock was set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from assistance.store.queue.lanes import insert_or_change
from assistance.store.queue.leases import shared_now
from assistance.store.tables.schema import (
    beats,
    deliveries,
    is_parked,
    is_sending,
    is_untaken,
    is_waiting,
    lanes,
    requests,
)

_APART = 5.0
"""Seconds that are not worth a correction."""
_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class Clocks:
    """One instant by the clock that the house plans by, and by the machine's."""

    house: float
    machine: float


def beat(connection: Connection, items: Sequence[tuple[str, float]]) -> list[None]:
    """Remember when something was last seen to work."""
    for name, at in items:
        statement = insert_or_change(connection, beats).values(name=name, at=at)
        connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": at}))
    return [None] * len(items)


def note(connection: Connection, items: Sequence[Clocks]) -> list[None]:
    """Remember both clocks, for the next process to go on by."""
    for item in items:
        beat(connection, [("house", item.house), ("machine", item.machine)])
    return [None] * len(items)


def resume(connection: Connection, items: Sequence[float]) -> list[float]:
    """Go on by the machine's clock, which shows `items`; the seconds by which what waits was moved for it.

    What waits was planned by the house's clock, which may not have followed the machine's yet; and a machine whose
    clock is behind what it was then has been set back. That its clock is far ahead may be the time that the house was
    shut: that counts.
    """
    return [_resume(connection, machine) for machine in items]


def _resume(connection: Connection, machine: float) -> float:
    last = {row.name: row.at for row in connection.execute(select(beats))}
    snapshot = 0.0
    if "house" in last and "machine" in last:
        snapshot = last["machine"] - last["house"] + min(0.0, machine - last["machine"])
    if abs(snapshot) <= _APART:
        return 0.0
    _move(connection, snapshot)
    note(connection, [Clocks(machine, machine)])
    return snapshot


def _move(connection: Connection, seconds: float) -> None:
    """What is to come comes that much later, or earlier; what has happened stays as it was written down."""
    # One by one: each state has an index of its own.
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
    connection.execute(update(requests).where(is_untaken).values(expires_at=requests.c.expires_at + seconds))


def offset(connection: Connection, machine: Callable[[], float]) -> float:
    """The seconds by which the clock that all processes share is ahead of the machine's, which `machine` tells.

    What passes until the server is heard is not time that it is ahead: the quickest of a few answers counts, and is off
    by half the time that it took at most. Nothing else comes between, such as the wait for a connection.
    """
    _, ahead = min(_asked(connection, machine) for _ in range(_ANSWERS))
    return ahead


def _asked(connection: Connection, machine: Callable[[], float]) -> tuple[float, float]:
    """How long the answer took, and by how much the shared clock was ahead half-way."""
    before = machine()
    shared = shared_now(connection, before)
    after = machine()
    # A machine's clock that is set back meanwhile says as little as one that is set forward.
    return abs(after - before), shared - (before + after) / 2
