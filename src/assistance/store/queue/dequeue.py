"""Dequeue: what is due is leased in the order of rank and time; what no longer holds is skipped."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import assert_never

from sqlalchemy import Connection, RowMapping, bindparam, exists, select, tuple_, update

from assistance.model import OPEN, OWED, AssistanceRequest, Condition, Delivery, Event, Kind, State, Status, When
from assistance.store.engine.bulk import update_rows
from assistance.store.queue.lanes import LaneState, claim_probes, granted, lane_states, park_due, spend
from assistance.store.queue.leases import Key, Lease, change_to, key_of, lease_columns, shared_now, these
from assistance.store.queue.outcomes import after_failures
from assistance.store.tables.rows import delivery_of, event_of, known, request_of
from assistance.store.tables.schema import deliveries, events, is_parked, is_waiting, requests

ThreadKey = tuple[str, str, int]
"""A request, a channel and the step of the plan that notified it."""

_UNDER_WAY = 1.0
"""Seconds after which an update is considered again when the message before it is being sent."""
_ROUNDS = 20
_MANY = 200
"""Deliveries read once the first have turned out to be skipped, as most failover steps are, and for one to probe."""


@dataclass(frozen=True, slots=True)
class Dequeue:
    """What a dispatcher has room for: so many deliveries a channel, and a parked one of each that may be probed.

    `is_open` says whether hours, as a delivery carries them, are open at an instant. `paces` are the messages per
    second of the channels whose pace all processes share.
    """

    rooms: Mapping[str, int]
    lease: Lease
    now: float
    is_open: Callable[[str, float], bool]
    probes: Collection[str] = ()
    paces: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A leased delivery with what is needed to write its message; `event` is what an update is about."""

    delivery: Delivery
    request: AssistanceRequest
    thread: str | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Dequeued:
    """What was leased, what the store remembers of the channels, and how many were parked on which of them.

    What was leased on `probed`, parked channels that it was time to try, is the probe; on those that are `empty` there
    is nothing left to try.
    """

    jobs: tuple[Job, ...]
    lanes: tuple[LaneState, ...]
    probed: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()
    parked: Mapping[str, int] = field(default_factory=dict)


class Decision(Enum):
    """A delivery that is due is sent, considered again later, or never sent."""

    SEND = auto()
    WAIT = auto()
    SKIP = auto()


def dequeue(connection: Connection, items: Sequence[Dequeue]) -> list[Dequeued]:
    """Lease what is due, in the order of rank and time; what no longer holds is skipped instead.

    What has become due on a parked channel is parked: a process that does not send accepted it without knowing.
    """
    # Deadlock: lock the lanes of all items first, see `lock_requests`.
    paced = {channel for item in items for channel in item.paces}
    return [_dequeue(connection, item, paced) for item in items]


def _dequeue(connection: Connection, item: Dequeue, paced: Collection[str]) -> Dequeued:
    now = shared_now(connection, item.now)
    lanes = lane_states(connection, lock=paced)
    probed = claim_probes(connection, item.probes, item.now)
    parked_now = _park_what_came(connection, lanes, item.now)
    rooms = granted(item.rooms, item.paces, lanes, now)
    left = Counter({**rooms, **dict.fromkeys(probed, 1)})
    rows = [row for channel, room in rooms.items() for row in _due(connection, channel, room, item.now)]
    rows += [row for channel in probed for row in _parked(connection, channel)]
    jobs: list[Job] = []
    for _ in range(_ROUNDS):
        fitting, passed_over = _sort(connection, item, rows, left)
        parked = {(row["request_id"], row["n"]): at for row in rows if (at := row["parked_at"]) is not None}
        jobs += _lease(connection, fitting, parked, item)
        again = [channel for channel in rooms if channel in passed_over and left[channel]]
        if not again:
            break
        rows = [row for channel in again for row in _due(connection, channel, _MANY, item.now)]
    spend(connection, Counter(job.delivery.channel for job in jobs), item.paces, lanes, now)
    empty = frozenset(channel for channel in probed if left[channel] and _is_empty(connection, channel))
    return Dequeued(tuple(jobs), tuple(lanes), frozenset(probed), empty, parked_now)


def _park_what_came(connection: Connection, lanes: Sequence[LaneState], now: float) -> dict[str, int]:
    """Park what is due on parked channels; how much on which."""
    reasons = {lane.channel: lane.parked_reason for lane in lanes if lane.parked_reason is not None}
    parked = {name: park_due(connection, name, reason, now, waiting=False) for name, reason in reasons.items()}
    return {name: number for name, number in parked.items() if number}


def _due(connection: Connection, channel: str, room: int, now: float) -> list[RowMapping]:
    found: list[RowMapping] = []
    for rank in (0, 1):
        if len(found) < room:
            values = {"_channel": channel, "_rank": rank, "_now": now, "_room": room - len(found)}
            found.extend(connection.execute(_next_due, values).mappings())
    return found


_next_due = (
    select(deliveries)
    .where(
        deliveries.c.channel == bindparam("_channel"),
        deliveries.c.rank == bindparam("_rank"),
        is_waiting,
        deliveries.c.due_at <= bindparam("_now"),
    )
    .order_by(deliveries.c.due_at)
    .limit(bindparam("_room"))
    .with_for_update(skip_locked=True)
)


def _parked(connection: Connection, channel: str) -> Sequence[RowMapping]:
    query = (
        select(deliveries)
        .where(deliveries.c.channel == channel, is_parked)
        .order_by(deliveries.c.rank, deliveries.c.owed_since)
        .limit(_MANY)
    )
    return connection.execute(query.with_for_update(skip_locked=True)).mappings().all()


def _is_empty(connection: Connection, channel: str) -> bool:
    """Whether nothing is parked on it, locked or not."""
    return connection.execute(select(exists().where(deliveries.c.channel == channel, is_parked))).scalar_one() == 0


def _sort(
    connection: Connection, item: Dequeue, rows: Sequence[RowMapping], left: Counter[str]
) -> tuple[list[Job], set[str]]:
    """What is to be sent and fits into the room that is `left`, and the channels on which something was passed over."""
    found = list(known(delivery_of, rows))
    by_id = _requests(connection, {delivery.request_id for delivery in found})
    siblings = _siblings(connection, {each.request_id for each in found if each.kind is not Kind.NOTICE})
    abouts = _events(connection, [(each.request_id, each.about) for each in found if each.about is not None])
    # Newer version: an update about an event that only it knows is left to its processes.
    found = [each for each in found if each.about is None or (each.request_id, each.about) in abouts]
    jobs: list[Job] = []
    waiting: list[Job] = []
    skipped: list[Job] = []
    for delivery in found:
        thread = _thread_key(delivery)
        notice = siblings.notices.get(thread)
        about = abouts.get((delivery.request_id, delivery.about or 0))
        job = Job(delivery, by_id[delivery.request_id], notice.reference if notice else None, about)
        match _decide(delivery, job.request, siblings, item):
            case Decision.SEND if (before := siblings.first.get(thread, delivery)).n < delivery.n:
                waiting.append(replace(job, delivery=replace(delivery, due_at=before.due_at)))
            case Decision.SEND:
                if left[delivery.channel]:
                    left[delivery.channel] -= 1
                    siblings.sending.add(thread)
                    jobs.append(job)
            case Decision.WAIT:
                waiting.append(job)
            case Decision.SKIP:
                skipped.append(job)
            case never:
                assert_never(never)
    _wait(connection, waiting, item.now)
    gone = waiting + _skip(connection, skipped, item.now)
    return jobs, {job.delivery.channel for job in gone}


@dataclass(frozen=True, slots=True)
class _Siblings:
    """By thread: the notice, the update that goes first, and where a delivery is being sent.

    There updates wait: a thread's messages are sent one by one in their order, and a rewritten notice shows what came
    last.
    """

    notices: dict[ThreadKey, Delivery]
    first: dict[ThreadKey, Delivery]
    sending: set[ThreadKey]


def _siblings(connection: Connection, ids: Collection[str]) -> _Siblings:
    if not ids:
        return _Siblings({}, {}, set())
    query = select(deliveries).where(deliveries.c.request_id.in_(ids)).order_by(deliveries.c.n.desc())
    found = list(known(delivery_of, connection.execute(query).mappings()))
    return _Siblings(
        {_thread_key(delivery): delivery for delivery in found if delivery.kind is Kind.NOTICE},
        {_thread_key(each): each for each in found if each.kind is Kind.UPDATE and each.state in OWED},
        {_thread_key(delivery) for delivery in found if delivery.state is State.SENDING},
    )


def _thread_key(delivery: Delivery) -> ThreadKey:
    return delivery.request_id, delivery.channel, delivery.step


def _decide(delivery: Delivery, request: AssistanceRequest, siblings: _Siblings, item: Dequeue) -> Decision:
    match delivery.kind:
        case Kind.CALLBACK:
            return Decision.SEND
        case Kind.UPDATE | Kind.REMINDER:
            notice = siblings.notices.get(_thread_key(delivery))
            if notice is not None and _thread_key(delivery) in siblings.sending:
                return Decision.WAIT
            # A notice that is still to be sent will say it all.
            return Decision.SEND if notice is not None and notice.state is State.DELIVERED else Decision.SKIP
        case Kind.NOTICE:
            if request.status not in OPEN or not _condition_holds(delivery.condition, request):
                return Decision.SKIP
            if _hours_allow(delivery, item):
                return Decision.SEND
            # Brought forward, it goes back to its own time: it may be open then.
            return Decision.WAIT if delivery.owed_since > item.now else Decision.SKIP
        case never:
            assert_never(never)


def _condition_holds(condition: Condition, request: AssistanceRequest) -> bool:
    match condition:
        case Condition.ALWAYS:
            return True
        case Condition.UNDELIVERED:
            return request.notified_at is None
        case Condition.UNCLAIMED:
            return request.claim is None
        case never:
            assert_never(never)


def _hours_allow(delivery: Delivery, item: Dequeue) -> bool:
    """Whether the delivery may be sent by its topic's hours, which count once: at the time when it was first due.

    For what waited in its lane or for its channel to be mended, nobody else was notified instead.
    """
    if delivery.hours is None or delivery.fence:
        return True
    match delivery.when:
        case When.BOTH:
            return True
        case When.OPEN | When.CLOSED:
            is_open = item.is_open(delivery.hours, min(delivery.due_at, item.now))
            return is_open is (delivery.when is When.OPEN)
        case never:
            assert_never(never)


def _requests(connection: Connection, ids: Collection[str]) -> dict[str, AssistanceRequest]:
    if not ids:
        return {}
    found = connection.execute(select(requests).where(requests.c.id.in_(ids)))
    return {row["id"]: request_of(row) for row in found.mappings()}


def _events(connection: Connection, keys: list[Key]) -> dict[Key, Event]:
    if not keys:
        return {}
    query = select(events).where(tuple_(events.c.request_id, events.c.sequence).in_(keys))
    found = known(event_of, connection.execute(query).mappings())
    return {(event.request_id, event.sequence): event for event in found}


def _lease(connection: Connection, jobs: list[Job], parked: Mapping[Key, float], item: Dequeue) -> list[Job]:
    """Write the leases. Race: the rows have been locked since they were read, so what was read of them still counts."""
    if not jobs:
        return []
    columns = lease_columns(connection, item.lease, item.now) | {"parked_at": None}
    leased = [replace(job, delivery=_leased(job.delivery, parked, item.now)) for job in jobs]
    names = "request_id", "n", "fence", "owed_since"
    rows = [{name: getattr(job.delivery, name) for name in names} | columns for job in leased]
    update_rows(connection, deliveries, rows, raised="changes")
    return leased


def _leased(delivery: Delivery, parked: Mapping[Key, float], now: float) -> Delivery:
    """The delivery as it is sent; the time for which it was parked does not count towards `retry_for`."""
    owed_since = delivery.owed_since + (now - parked.get(key_of(delivery), now))
    fence, changes = delivery.fence + 1, delivery.changes + 1
    return replace(delivery, state=State.SENDING, fence=fence, changes=changes, owed_since=owed_since)


def _wait(connection: Connection, jobs: list[Job], now: float) -> None:
    rows = [
        {
            "request_id": delivery.request_id,
            "n": delivery.n,
            "due_at": delivery.owed_since if delivery.kind is Kind.NOTICE else max(now + _UNDER_WAY, delivery.due_at),
        }
        for delivery in (job.delivery for job in jobs)
    ]
    update_rows(connection, deliveries, rows)


def _skip(connection: Connection, jobs: list[Job], now: float) -> list[Job]:
    """Skip them; which were. One whose request is locked or has changed is left for the next time."""
    matter = {job.request.id: job.request.sequence for job in jobs if job.request.status is Status.ACCEPTED}
    locked = _unchanged(connection, matter)
    gone = [job for job in jobs if job.request.id not in matter or job.request.id in locked]
    if gone:
        keys = [key_of(job.delivery) for job in gone]
        connection.execute(update(deliveries).where(these(keys)).values(**change_to(State.SKIPPED)))
        after_failures(connection, locked, now)
    return gone


def _unchanged(connection: Connection, sequences: Mapping[str, int]) -> set[str]:
    """Those of the requests that are as they were read, now locked.

    Deadlock: locked ones are not waited for, since deliveries are locked already.
    """
    if not sequences:
        return set()
    same = tuple_(requests.c.id, requests.c.sequence).in_(sequences.items())
    query = select(requests.c.id).where(same).order_by(requests.c.id).with_for_update(skip_locked=True)
    return set(connection.execute(query).scalars())
