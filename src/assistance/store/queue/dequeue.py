"""The queue: what is due is leased in the order of rank and time; what no longer holds is skipped."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, RowMapping, bindparam, exists, select, tuple_, update

from assistance.model import OWED, AssistanceRequest, Delivery, Event, Kind, State, Status
from assistance.store.engine.bulk import update_rows
from assistance.store.queue.conditions import Decision, Hours, decide
from assistance.store.queue.failover import after_failures
from assistance.store.queue.lanes import LaneState, granted, lane_states, spend
from assistance.store.queue.leases import Key, Lease, change_to, lease_columns, shared_now, these
from assistance.store.queue.parking import claim_probes, park_due
from assistance.store.tables.rows import delivery_of, event_of, request_of
from assistance.store.tables.schema import deliveries, events, is_parked, is_waiting, requests

_UNDER_WAY = 1.0
"""Seconds after which an update is looked at again when what goes before it is being sent."""
_ROUNDS = 20
ThreadKey = tuple[str, str, int]
"""A request, a channel and the step of the plan that tells it."""

_MANY = 200
"""Deliveries looked at once the first have turned out to be skipped, most failover steps are, and for one to probe."""
_SET_ASIDE = 60.0
"""Seconds after which a delivery is looked at again that could not be judged."""


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
    """A leased delivery with what is needed to say it; `event` is what an update tells of."""

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


def dequeue(connection: Connection, items: Sequence[Dequeue]) -> list[Dequeued]:
    """Lease what is due, in the order of rank and time; what no longer holds is skipped instead.

    What has become due on a parked channel is parked: a process that does not send accepted it without knowing.
    """
    # The lanes of all at first: whoever holds requests waits for no lane, see `failover.hold`.
    paced = {channel for item in items for channel in item.paces}
    return [_take(connection, item, paced) for item in items]


def _take(connection: Connection, item: Dequeue, paced: Collection[str]) -> Dequeued:
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
    """Park what is due on channels that are parked, and say how much on which."""
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
    return connection.execute(_next_parked, {"_channel": channel}).mappings().all()


_next_parked = (
    select(deliveries)
    .where(deliveries.c.channel == bindparam("_channel"), is_parked)
    .order_by(deliveries.c.rank, deliveries.c.owed_since)
    .limit(_MANY)
    .with_for_update(skip_locked=True)
)


def _is_empty(connection: Connection, channel: str) -> bool:
    """Whether nothing is parked on it, locked by somebody or not."""
    return connection.execute(select(exists().where(deliveries.c.channel == channel, is_parked))).scalar_one() == 0


def _sort(
    connection: Connection, item: Dequeue, rows: Sequence[RowMapping], left: Counter[str]
) -> tuple[list[Job], set[str]]:
    """What is to be sent and fits into the room that is `left`, and the channels on which something was passed over."""
    if not rows:
        return [], set()
    by_id = _requests(connection, {row["request_id"] for row in rows})
    notices, first, busy = _siblings(connection, {row["request_id"] for row in rows if row["kind"] != Kind.NOTICE})
    told = _events(connection, [(row["request_id"], row["about"]) for row in rows if row["about"] is not None])
    within = Hours(item.is_open, item.now)
    jobs: list[Job] = []
    passed_over: dict[Decision, list[Job]] = {Decision.WAIT: [], Decision.SKIP: []}
    for delivery in map(delivery_of, rows):
        notice = notices.get(place := _thread_key(delivery))
        about = told.get((delivery.request_id, delivery.about or 0))
        job = Job(delivery, by_id[delivery.request_id], notice.reference if notice else None, about)
        fate = (
            Decision.WAIT if place in busy and notice is not None else decide(job.delivery, job.request, notice, within)
        )
        if fate is Decision.SEND and (before := first.get(place, delivery)).n < delivery.n:
            fate, job = Decision.WAIT, replace(job, delivery=replace(delivery, due_at=before.due_at))
        if fate is not Decision.SEND:
            passed_over[fate].append(job)
        elif left[delivery.channel]:
            left[delivery.channel] -= 1
            busy.add(place)
            jobs.append(job)
    _wait(connection, passed_over[Decision.WAIT], item.now)
    gone = passed_over[Decision.WAIT] + _skip(connection, passed_over[Decision.SKIP], item.now)
    return jobs, {job.delivery.channel for job in gone}


def _requests(connection: Connection, ids: Collection[str]) -> dict[str, AssistanceRequest]:
    found = connection.execute(select(requests).where(requests.c.id.in_(ids)))
    return {row["id"]: request_of(row) for row in found.mappings()}


def _siblings(
    connection: Connection, ids: Collection[str]
) -> tuple[dict[ThreadKey, Delivery], dict[ThreadKey, Delivery], set[ThreadKey]]:
    """The notices that updates belong to, the update that goes first at each place, and where one is on its way.

    There updates wait: what is said about a notice goes out one by one, in its order, and a rewritten one says what
    came last.
    """
    if not ids:
        return {}, {}, set()
    query = select(deliveries).where(deliveries.c.request_id.in_(ids)).order_by(deliveries.c.n.desc())
    found = [delivery_of(row) for row in connection.execute(query).mappings()]
    notices = {_thread_key(delivery): delivery for delivery in found if delivery.kind is Kind.NOTICE}
    first = {
        _thread_key(delivery): delivery for delivery in found if delivery.kind is Kind.UPDATE and delivery.state in OWED
    }
    return notices, first, {_thread_key(delivery) for delivery in found if delivery.state is State.SENDING}


def _thread_key(delivery: Delivery) -> ThreadKey:
    return delivery.request_id, delivery.channel, delivery.step


def _events(connection: Connection, keys: list[Key]) -> dict[Key, Event]:
    if not keys:
        return {}
    query = select(events).where(tuple_(events.c.request_id, events.c.sequence).in_(keys))
    return {(row["request_id"], row["sequence"]): event_of(row) for row in connection.execute(query).mappings()}


def _lease(connection: Connection, jobs: list[Job], parked: Mapping[Key, float], item: Dequeue) -> list[Job]:
    """Write down who sends them; their rows are held, so that what was read of them still counts."""
    if not jobs:
        return []
    columns = lease_columns(connection, item.lease, item.now)
    leased = [
        replace(
            delivery := job.delivery,
            state=State.SENDING,
            fence=delivery.fence + 1,
            changes=delivery.changes + 1,
            owed_since=_owed_since(delivery, parked, item.now),
        )
        for job in jobs
    ]
    rows = [
        {
            "request_id": delivery.request_id,
            "n": delivery.n,
            **columns,
            "fence": delivery.fence,
            "owed_since": delivery.owed_since,
            "parked_at": None,
        }
        for delivery in leased
    ]
    update_rows(connection, deliveries, rows, raised="changes")
    return [Job(delivery, job.request, job.thread, job.event) for delivery, job in zip(leased, jobs, strict=True)]


def _owed_since(delivery: Delivery, parked: Mapping[Key, float], now: float) -> float:
    """The time for which it was parked does not count."""
    parked_at = parked.get((delivery.request_id, delivery.n))
    return delivery.owed_since if parked_at is None else delivery.owed_since + now - parked_at


def _wait(connection: Connection, jobs: list[Job], now: float) -> None:
    if jobs:
        connection.execute(_waiting, [_later(job.delivery, now) for job in jobs])


_waiting = (
    update(deliveries)
    .where(deliveries.c.request_id == bindparam("_id"), deliveries.c.n == bindparam("_n"))
    .values(due_at=bindparam("_due_at"))
)


def _later(delivery: Delivery, now: float) -> dict[str, object]:
    due_at = delivery.owed_since if delivery.kind is Kind.NOTICE else max(now + _UNDER_WAY, delivery.due_at)
    return {"_id": delivery.request_id, "_n": delivery.n, "_due_at": due_at}


def _skip(connection: Connection, jobs: list[Job], now: float) -> list[Job]:
    """Skip them; says which. One whose request somebody is changing just now is left for the next look."""
    matter = {job.request.id: job.request.sequence for job in jobs if job.request.status is Status.ACCEPTED}
    held = _unchanged(connection, matter)
    gone = [job for job in jobs if job.request.id not in matter or job.request.id in held]
    if gone:
        keys = [(job.delivery.request_id, job.delivery.n) for job in gone]
        connection.execute(update(deliveries).where(these(keys)).values(**change_to(State.SKIPPED)))
        after_failures(connection, held, now)
    return gone


def _unchanged(connection: Connection, sequences: Mapping[str, int]) -> set[str]:
    """Those of the requests that are as they were read, held; not waited for, since deliveries are held already."""
    if not sequences:
        return set()
    same = tuple_(requests.c.id, requests.c.sequence).in_(sequences.items())
    query = select(requests.c.id).where(same).order_by(requests.c.id).with_for_update(skip_locked=True)
    return set(connection.execute(query).scalars())
