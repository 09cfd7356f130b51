"""Changing one request: lock it, write what happened, and enqueue the updates that this makes necessary."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, insert, select, update

from assistance.model import Actor, AssistanceRequest, Delivery, Event, EventType, Kind, Snapshot, State
from assistance.store.errors import ChangedError, ConflictError, NotFoundError
from assistance.store.queue.leases import change_to
from assistance.store.tables.rows import by_request, delivery_of, delivery_row, event_row, request_of, request_row
from assistance.store.tables.schema import WAITING, deliveries, events, requests


@dataclass(frozen=True, slots=True)
class Command:
    """What `actor` does to one request at `now`, if its version is one of `if_match`; None: whatever it is."""

    request_id: str
    actor: Actor
    now: float
    if_match: frozenset[int] | None = None


class Commanded(Protocol):
    """A command with what it needs beyond."""

    @property
    def command(self) -> Command:
        """Of which request, by whom and when."""
        ...


Item = TypeVar("Item", bound=Commanded)


def commanded(
    act: Callable[[Connection, Item], Snapshot],
) -> Callable[[Connection, Sequence[Item]], list[Snapshot | Exception]]:
    """The operation that does `act` with each item; one that is refused does not keep the others from their commit."""

    @wraps(act)
    def operation(connection: Connection, items: Sequence[Item]) -> list[Snapshot | Exception]:
        results: dict[int, Snapshot | Exception] = {}
        # Deadlock: lock requests by id.
        for number, item in sorted(enumerate(items), key=lambda each: each[1].command.request_id):
            try:
                results[number] = act(connection, item)
            except (NotFoundError, ConflictError, ChangedError) as refusal:
                results[number] = refusal
        return [results[number] for number in range(len(items))]

    return operation


def lock_request(connection: Connection, command: Command, allowed: Collection[str]) -> Snapshot:
    """The request with all its deliveries, locked until the commit.

    Raises:
        NotFoundError: there is none.
        ConflictError: its status is not one of those `allowed`.
        ChangedError: its version is none of those that the command names.
    """
    query = select(requests).where(requests.c.id == command.request_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(command.request_id)
    request = request_of(row)
    if request.status not in allowed:
        raise ConflictError(f"the request is {request.status}", request.claim)
    found = Snapshot(request, lock_deliveries(connection, [request.id]).get(request.id, ()))
    if command.if_match is not None and found.version not in command.if_match:
        raise ChangedError(command.request_id)
    return found


def lock_deliveries(connection: Connection, request_ids: Collection[str]) -> dict[str, tuple[Delivery, ...]]:
    """The deliveries of these locked requests by `n`, locked until the commit.

    Race: one that is being leased is sent with the old text, and an update of it is due.
    """
    keys = deliveries.c.request_id, deliveries.c.n
    query = select(deliveries).where(deliveries.c.request_id.in_(request_ids)).order_by(*keys).with_for_update()
    return by_request(map(delivery_of, connection.execute(query).mappings()))


def advanced(
    before: AssistanceRequest, command: Command, type_: EventType, data: dict[str, Any] | None = None, **changes: Any
) -> tuple[AssistanceRequest, Event]:
    """The request with these changes, and the event that says so. Nothing is written."""
    after = replace(before, sequence=before.sequence + 1, **changes)
    return after, Event(after.id, after.sequence, type_, command.now, command.actor, data or {})


def record(connection: Connection, before: AssistanceRequest, after: AssistanceRequest, event: Event) -> None:
    """Write what changed of the request, and the event."""
    old, new = request_row(before), request_row(after)
    changed = {name: value for name, value in new.items() if value != old[name]}
    connection.execute(update(requests).where(requests.c.id == after.id).values(**changed))
    connection.execute(insert(events), [event_row(event)])


def updates_of(request: AssistanceRequest, owed: Sequence[Delivery], now: float) -> tuple[Delivery, ...]:
    """An update about the last event for each notice that is delivered or being sent; a later notice includes it."""
    sent = [d for d in owed if d.kind is Kind.NOTICE and d.state in {State.DELIVERED, State.SENDING}]
    return tuple(
        Delivery(
            request.id,
            n,
            notice.channel,
            due_at=now,
            owed_since=now,
            kind=Kind.UPDATE,
            step=notice.step,
            person=notice.person,
            about=request.sequence,
        )
        for n, notice in enumerate(sent, start=next_n(owed))
    )


def next_n(owed: Sequence[Delivery]) -> int:
    """The number of the next delivery of a request with these."""
    return 1 + max((delivery.n for delivery in owed), default=0)


def enqueue(connection: Connection, request: AssistanceRequest, more: Sequence[Delivery]) -> None:
    """Put deliveries in the queue."""
    if more:
        connection.execute(insert(deliveries), [delivery_row(each, request.priority) for each in more])


def announce(connection: Connection, found: Snapshot, after: AssistanceRequest, event: Event) -> Snapshot:
    """Record it and enqueue an update about it for everybody who was notified; the request as it is now."""
    record(connection, found.request, after, event)
    updates = updates_of(after, found.deliveries, event.at)
    enqueue(connection, after, updates)
    return Snapshot(after, (*found.deliveries, *updates))


def skip_waiting(connection: Connection, owed: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    """Skip the notices that have not been sent; the deliveries as they are then."""
    waiting = {d.n for d in owed if d.kind is Kind.NOTICE and (d.state in WAITING or d.state is State.PARKED)}
    if not waiting:
        return owed
    connection.execute(
        update(deliveries)
        .where(deliveries.c.request_id == owed[0].request_id, deliveries.c.n.in_(waiting))
        .values(**change_to(State.SKIPPED), parked_at=None)
    )
    return tuple(replace(d, state=State.SKIPPED, changes=d.changes + 1) if d.n in waiting else d for d in owed)
