"""What the tests of the store accept, dequeue and record, in few lines."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from assistance.model import (
    Actor,
    AssistanceRequest,
    Attempt,
    Condition,
    Delivery,
    Event,
    Kind,
    Outcome,
    Snapshot,
    State,
    Status,
    Transition,
    uuid7,
)
from assistance.store import (
    Accepted,
    Command,
    DeliveryOutcome,
    Dequeue,
    IdempotencyKey,
    Job,
    Lease,
    Move,
    NewRequest,
    Recorded,
    RequestFilter,
    Store,
)

NOW = time.time()
"""Real time: leases go by the database server's clock."""
ME, OTHER = Lease("me", 30.0), Lease("other", 30.0)
GONE = Lease("gone", -1.0)
"""A lease that is over as soon as it is given."""
WEEK = 7 * 86_400.0
ALL = RequestFilter(1000)


def request(at: float = NOW, **changes: Any) -> AssistanceRequest:
    """A request of the client `bot` on `sales`."""
    values = {"id": uuid7(at), "client": "bot", "topic": "sales", "description": "Please call"} | changes
    return AssistanceRequest(**values, created_at=at, expires_at=values.pop("expires_at", at + WEEK))


def notice(of: AssistanceRequest, n: int, channel: str = "slack", **changes: Any) -> Delivery:
    """A notice due with its request."""
    values = {"due_at": of.created_at, **changes}
    return Delivery(of.id, n, channel, owed_since=values.pop("owed_since", values["due_at"]), **values)


def failover(of: AssistanceRequest, n: int, channel: str = "mail", after: float = 60.0, **changes: Any) -> Delivery:
    """A step `if: undelivered`."""
    values: dict[str, Any] = {"condition": Condition.UNDELIVERED, "step": n - 1, "due_at": of.created_at + after}
    return notice(of, n, channel, **values | changes)


def render(stored: AssistanceRequest, owed: Sequence[Delivery]) -> bytes:
    """The answer that is kept for a replay."""
    return f"{stored.id} {stored.sequence} {len(owed)}".encode()


def new(*owed: Delivery, of: AssistanceRequest, **more: Any) -> NewRequest:
    """A request to accept; without `owed`, with one notice on `slack`."""
    return NewRequest(of, owed or (notice(of, 1),), render, **more)


def key(word: str, body: str = "body", expires_at: float = NOW + WEEK) -> IdempotencyKey:
    """An idempotency key of a body."""
    return IdempotencyKey(word, body.encode(), expires_at)


async def ask(store: Store, *channels: str, at: float = NOW, **changes: Any) -> Accepted:
    """Accept a request with a notice on each channel, all due at once."""
    of = request(at, **changes)
    return await store.accept(new(*(notice(of, n, name) for n, name in enumerate(channels or ("slack",), 1)), of=of))


async def dequeue(
    store: Store,
    *channels: str,
    at: float = NOW + 1,
    room: int = 10,
    lease: Lease = ME,
    is_open: bool = True,
    probes: Collection[str] = (),
    paces: Mapping[str, float] | None = None,
) -> list[Job]:
    """Lease what is due on these channels, on `slack` without any."""
    names = channels or (() if probes else ("slack",))
    wanted = Dequeue(dict.fromkeys(names, room), lease, at, lambda _hours, _at: is_open, probes, paces or {})
    return list((await store.dequeue(wanted)).jobs)


def outcome(of: Job | Delivery, state: State, at: float = NOW + 1, **changes: Any) -> DeliveryOutcome:
    """What became of a try."""
    delivery = of.delivery if isinstance(of, Job) else of
    outcomes = {State.RETRYING: Outcome.RETRY, State.PARKED: Outcome.PARKED, State.FAILED: Outcome.FAILED}
    outcome = outcomes.get(state, Outcome.DELIVERED)
    reason = None if state is State.DELIVERED else "rejected"
    values = {"due_at": at, "reference": "ref" if state is State.DELIVERED else None} | changes
    return DeliveryOutcome(delivery, state, Attempt(at, 0.5, outcome, reason), **values)


async def record_outcome(
    store: Store, of: Job | Delivery, state: State, at: float = NOW + 1, **changes: Any
) -> Recorded:
    """Write down what became of a try."""
    return await store.record_outcome(outcome(of, state, at, **changes))


async def deliveries(store: Store, request_id: str) -> list[Delivery]:
    """All that is owed for a request."""
    found = await store.get(request_id)
    assert found is not None
    return list(found[1])


async def states(store: Store, request_id: str) -> list[State]:
    """The state of each delivery."""
    return [delivery.state for delivery in await deliveries(store, request_id)]


async def status(store: Store, request_id: str) -> str:
    """The status of a request."""
    found = await store.get(request_id)
    assert found is not None
    return found[0].status


async def events(store: Store, request_id: str) -> list[Event]:
    """The time line of a request."""
    return await store.time_line(request_id)


async def move(store: Store, request_id: str, to: Status | None) -> Snapshot:
    """Change a request's status; None: release it."""
    transition = next(each for each in Transition if each.status is to)
    return await store.change(Move(Command(request_id, Actor("slack", "U1", "Ana"), NOW + 1), transition))


def update(of: Delivery, n: int, **changes: Any) -> Delivery:
    """An update of the notice `of`."""
    return replace(of, n=n, kind=Kind.UPDATE, about=1, **changes)
