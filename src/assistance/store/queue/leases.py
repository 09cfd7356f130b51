"""Leases: which process sends a delivery, and until when no other one does."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, select, text, tuple_, update

from assistance.model import Delivery, State
from assistance.store.engine.bulk import locked_rows
from assistance.store.engine.writer import each
from assistance.store.tables.schema import WAITING, deliveries, is_sending

Key = tuple[str, int]
"""A delivery's request and number."""

AT_ONCE = 1_000
"""Deliveries that one transaction parks, frees or recovers at most; the store repeats it until it was less."""

NOT_LEASED = {"lease_owner": None, "lease_until": None}
WAITING_AGAIN = case((deliveries.c.attempts > 0, str(State.RETRYING)), else_=str(State.PENDING))


@dataclass(frozen=True, slots=True)
class Lease:
    """Who sends, and for how many seconds nobody else does."""

    owner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Renewal:
    """Leases that are to last longer."""

    deliveries: tuple[Delivery, ...]
    lease: Lease
    now: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """End leases that are over at `now`, or with `everything` all; those of the calling process, `mine`, stay."""

    now: float
    mine: frozenset[Key] = frozenset()
    everything: bool = False


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


def change_to(state: State | ColumnElement[str]) -> dict[str, Any]:
    """What a change of state writes into a row of `deliveries`."""
    return {"state": str(state) if isinstance(state, State) else state, "changes": deliveries.c.changes + 1}


def key_of(delivery: Delivery) -> Key:
    """The primary key of its row."""
    return delivery.request_id, delivery.n


def these(keys: Collection[Key]) -> ColumnElement[bool]:
    """The deliveries with these keys."""
    return tuple_(deliveries.c.request_id, deliveries.c.n).in_(keys)


def still_leased(connection: Connection, leased: Sequence[Delivery], gone_out: Collection[Key] = ()) -> list[bool]:
    """Whether each is still leased under its fence; the rows of those that are stay locked until the commit.

    What has `gone_out` counts also where its lease was recovered, as long as nobody has leased it since.
    """
    rows = locked_rows(connection, deliveries, ("request_id", "n", "fence", "state"), [key_of(each) for each in leased])
    fences = {
        (row.request_id, row.n, row.fence)
        for row in rows
        if row.state == State.SENDING or (row.state in WAITING and (row.request_id, row.n) in gone_out)
    }
    existing = []
    for delivery in leased:
        key = (*key_of(delivery), delivery.fence)
        existing.append(key in fences)
        # Twice in one batch: the first counts.
        fences.discard(key)
    return existing


def release(connection: Connection, items: Sequence[Delivery]) -> list[None]:
    """End leases without counting a try: any dispatcher may lease these deliveries at once."""
    _make_wait(connection, _still_mine(connection, items))
    return [None] * len(items)


@each
def renew(connection: Connection, item: Renewal) -> frozenset[Key]:
    """Renew leases; the keys of those that still existed."""
    keys = _still_mine(connection, item.deliveries)
    if keys:
        until = shared_now(connection, item.now) + item.lease.seconds
        connection.execute(update(deliveries).where(these(keys)).values(lease_until=until))
    return frozenset(keys)


def _still_mine(connection: Connection, leased: Sequence[Delivery]) -> list[Key]:
    existing = still_leased(connection, leased)
    return [key_of(delivery) for delivery, mine in zip(leased, existing, strict=True) if mine]


@each
def recover(connection: Connection, item: Recovery) -> int:
    """End the leases of processes that have died; how many, `AT_ONCE` and those of `mine` at most."""
    lost = is_sending
    if not item.everything:
        lost = and_(lost, deliveries.c.lease_until < shared_now(connection, item.now))
    columns = deliveries.c.request_id, deliveries.c.n
    most = AT_ONCE + len(item.mine)
    found = connection.execute(select(*columns).where(lost).limit(most).with_for_update(skip_locked=True))
    keys = [key for row in found if (key := (row.request_id, row.n)) not in item.mine]
    _make_wait(connection, keys)
    return len(keys)


def _make_wait(connection: Connection, keys: Collection[Key]) -> None:
    if keys:
        connection.execute(update(deliveries).where(these(keys)).values(**change_to(WAITING_AGAIN), **NOT_LEASED))
