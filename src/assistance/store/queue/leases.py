"""Leases: who sends a delivery, and for how long nobody else does."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, select, text, tuple_, update

from assistance.model import Delivery, State
from assistance.store.engine.bulk import locked_rows
from assistance.store.tables.schema import WAITING, deliveries, is_sending

Key = tuple[str, int]
"""A delivery's request and number."""

AT_ONCE = 1_000
"""Deliveries that one transaction takes back at most; callers go on until it was less."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who sends, and for how many seconds nobody else does."""

    owner: str
    seconds: float


def lease_columns(connection: Connection, lease: Lease, now: float) -> dict[str, Any]:
    """What a lease writes into a row of `deliveries`, the fence left to the caller."""
    until = shared_now(connection, now) + lease.seconds
    return {"state": str(State.SENDING), "lease_owner": lease.owner, "lease_until": until}


def shared_now(connection: Connection, now: float) -> float:
    """The instant by the clock that all processes share: the database server's; `now` where there is one process."""
    if connection.dialect.name != "postgresql":
        return now
    return float(connection.execute(_SERVER_CLOCK).scalar_one())


_SERVER_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")

NOT_LEASED = {"lease_owner": None, "lease_until": None}
WAITING_AGAIN = case((deliveries.c.attempts > 0, str(State.RETRYING)), else_=str(State.PENDING))


def change_to(state: State | ColumnElement[str]) -> dict[str, Any]:
    """What a change of state writes into a row of `deliveries`."""
    return {"state": str(state) if isinstance(state, State) else state, "changes": deliveries.c.changes + 1}


def owed_since(now: float) -> ColumnElement[float]:
    """When a delivery was first due, the time it has been parked until `now` not counted."""
    parked_at = deliveries.c.parked_at
    return case((parked_at.is_(None), deliveries.c.owed_since), else_=deliveries.c.owed_since + now - parked_at)


def these(keys: Collection[Key]) -> ColumnElement[bool]:
    """The deliveries with these keys."""
    return tuple_(deliveries.c.request_id, deliveries.c.n).in_(keys)


def still_leased(connection: Connection, leased: Sequence[Delivery], gone_out: Collection[Key] = ()) -> list[bool]:
    """Whether each is still held under the fence it was leased with; if so, it stays so until the commit.

    What has `gone_out` counts also where its lease was taken back, as long as nobody has leased it since.
    """
    keys = [(delivery.request_id, delivery.n) for delivery in leased]
    rows = locked_rows(connection, deliveries, ("request_id", "n", "fence", "state"), keys)
    fences = {
        (row.request_id, row.n, row.fence)
        for row in rows
        if row.state == State.SENDING or (row.state in WAITING and (row.request_id, row.n) in gone_out)
    }
    held = []
    for delivery in leased:
        key = (delivery.request_id, delivery.n, delivery.fence)
        held.append(key in fences)
        # Told of twice in one batch, it counts once.
        fences.discard(key)
    return held


def release(connection: Connection, items: Sequence[Delivery]) -> list[None]:
    """Give leases back without counting a try: the next dispatcher takes them at once."""
    if keys := _still_mine(connection, items):
        connection.execute(update(deliveries).where(these(keys)).values(**change_to(WAITING_AGAIN), **NOT_LEASED))
    return [None] * len(items)


@dataclass(frozen=True, slots=True)
class Renewal:
    """Leases that are still worked on."""

    deliveries: tuple[Delivery, ...]
    lease: Lease
    now: float


def renew(connection: Connection, items: Sequence[Renewal]) -> list[frozenset[Key]]:
    """Hold on to leases; says which were still held."""
    held = []
    for item in items:
        keys = _still_mine(connection, item.deliveries)
        if keys:
            until = shared_now(connection, item.now) + item.lease.seconds
            connection.execute(update(deliveries).where(these(keys)).values(lease_until=until))
        held.append(frozenset(keys))
    return held


def _still_mine(connection: Connection, leased: Sequence[Delivery]) -> list[Key]:
    held = still_leased(connection, leased)
    return [(delivery.request_id, delivery.n) for delivery, mine in zip(leased, held, strict=True) if mine]


@dataclass(frozen=True, slots=True)
class Recovery:
    """At `now`; `mine` are held by the process that asks and stay, `everything` else comes back even unexpired."""

    now: float
    mine: frozenset[Key] = frozenset()
    everything: bool = False


def recover(connection: Connection, items: Sequence[Recovery]) -> list[int]:
    """Take back what processes held that are gone; says how many deliveries."""
    return [_recover(connection, item) for item in items]


def _recover(connection: Connection, item: Recovery) -> int:
    lost = is_sending
    if not item.everything:
        lost = and_(lost, deliveries.c.lease_until < shared_now(connection, item.now))
    columns = deliveries.c.request_id, deliveries.c.n
    most = AT_ONCE + len(item.mine)
    found = connection.execute(select(*columns).where(lost).limit(most).with_for_update(skip_locked=True))
    keys = [key for row in found if (key := (row.request_id, row.n)) not in item.mine]
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(**change_to(WAITING_AGAIN), **NOT_LEASED))
    return len(keys)
