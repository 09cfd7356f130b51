"""One request, held still while somebody changes it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, insert, select, update

from assistance.model import Actor, AssistanceRequest, Delivery, Event, EventType, Kind, Snapshot, State
from assistance.store.errors import ChangedError, ConflictError, NotFoundError
from assistance.store.queue.leases import change_to
from assistance.store.requests.conversations import updates_of
from assistance.store.tables.rows import delivery_of, delivery_row, event_row, request_of, request_row
from assistance.store.tables.schema import WAITING, deliveries, events, requests

Item = TypeVar("Item", bound="Commanded")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Command:
    """What `actor` wants of one request at `now`, if its version is one of `if_match`; None: whatever it is."""

    request_id: str
    actor: Actor
    now: float
    if_match: frozenset[int] | None = None


class Commanded(Protocol):
    """Whatever is done by somebody's order."""

    @property
    def command(self) -> Command:
        """Whose, and of which request."""
        ...


def lock_request(connection: Connection, command: Command, allowed: Collection[str]) -> Snapshot:
    """The request as it is, held until the commit with all that is owed for it.

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
    mine = select(deliveries).where(deliveries.c.request_id == request.id).order_by(deliveries.c.n)
    # Locked: one that is being leased at this moment goes out with the old words, and an update of it is owed.
    owed = tuple(delivery_of(row) for row in connection.execute(mine.with_for_update()).mappings())
    found = Snapshot(request, owed)
    if command.if_match is not None and found.version not in command.if_match:
        raise ChangedError(command.request_id)
    return found


def each_or_refusal(
    act: Callable[[Connection, Item], Result], connection: Connection, items: Sequence[Item]
) -> list[Result | Exception]:
    """Do `act` with each item; one that `lock_request` refuses does not keep the others from their commit."""
    results: dict[int, Result | Exception] = {}
    # In one order in every process: else two of them could wait for each other's rows.
    for place, item in sorted(enumerate(items), key=lambda numbered: numbered[1].command.request_id):
        try:
            results[place] = act(connection, item)
        except (NotFoundError, ConflictError, ChangedError) as refusal:
            results[place] = refusal
    return [results[place] for place in range(len(items))]


def record(
    connection: Connection,
    before: AssistanceRequest,
    after: AssistanceRequest,
    command: Command,
    happened: tuple[EventType, dict[str, Any]],
) -> AssistanceRequest:
    """Write what changed and the event that says so; the request as it is now."""
    type_, data = happened
    after = replace(after, sequence=before.sequence + 1)
    old, new = request_row(before), request_row(after)
    changed = {name: value for name, value in new.items() if value != old[name]}
    connection.execute(update(requests).where(requests.c.id == after.id).values(**changed))
    event = Event(after.id, after.sequence, type_, command.now, command.actor, data)
    connection.execute(insert(events), [event_row(event)])
    return after


def enqueue_updates(
    connection: Connection, request: AssistanceRequest, owed: tuple[Delivery, ...], now: float
) -> Snapshot:
    """Owe the news of the last event to everybody who was told of the request."""
    updates = updates_of(request, owed, request.sequence, now)
    enqueue(connection, request, updates)
    return Snapshot(request, (*owed, *updates))


def enqueue(connection: Connection, request: AssistanceRequest, more: Sequence[Delivery]) -> None:
    """Put deliveries in the queue."""
    if more:
        connection.execute(insert(deliveries), [delivery_row(each, request.priority) for each in more])


def skip_waiting(connection: Connection, owed: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    """The deliveries, as `lock_request` gives them, those notices skipped that have not gone out."""
    waiting = {d.n for d in owed if d.kind is Kind.NOTICE and (d.state in WAITING or d.state is State.PARKED)}
    if not waiting:
        return owed
    connection.execute(
        update(deliveries)
        .where(deliveries.c.request_id == owed[0].request_id, deliveries.c.n.in_(waiting))
        .values(**change_to(State.SKIPPED), parked_at=None)
    )
    return tuple(replace(d, state=State.SKIPPED, changes=d.changes + 1) if d.n in waiting else d for d in owed)
