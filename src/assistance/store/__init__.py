"""The store: nothing accepted is ever lost, because nothing is accepted before it is here."""

from assistance.store.errors import (
    ChangedError,
    ConflictError,
    KeyReusedError,
    NoSuchDeliveryError,
    NotFoundError,
    StoreBrokenError,
    StoreRefusedError,
    StoreUnavailableError,
    TooManyFollowUpsError,
)
from assistance.store.opening import migrate, open_store
from assistance.store.queue.auditing import Backlog, Evidence
from assistance.store.queue.clocks import Clocks
from assistance.store.queue.dequeue import Dequeue, Dequeued, Job
from assistance.store.queue.lanes import Failing, Freeze, LaneState
from assistance.store.queue.leases import Lease, Recovery, Renewal
from assistance.store.queue.outcomes import DeliveryOutcome, Recorded
from assistance.store.queue.parking import Park, Unpark, brief
from assistance.store.requests.accepting import Acceptance, Accepted, NewRequest
from assistance.store.requests.erasing import Erasure
from assistance.store.requests.following import FollowUp, Reply
from assistance.store.requests.keys import IdempotencyKey
from assistance.store.requests.lifecycle import OVER, Move
from assistance.store.requests.locking import Command
from assistance.store.requests.reading import RequestFilter
from assistance.store.requests.replaying import AGAIN, DeliveryFilter, Owed, Retry
from assistance.store.requests.rerouting import Reroute
from assistance.store.requests.retention import Retained
from assistance.store.store import Store
from assistance.store.tables.schema import STUCK

__all__ = [
    "AGAIN",
    "OVER",
    "STUCK",
    "Acceptance",
    "Accepted",
    "Backlog",
    "ChangedError",
    "Clocks",
    "Command",
    "ConflictError",
    "DeliveryFilter",
    "DeliveryOutcome",
    "Dequeue",
    "Dequeued",
    "Erasure",
    "Evidence",
    "Failing",
    "FollowUp",
    "Freeze",
    "IdempotencyKey",
    "Job",
    "KeyReusedError",
    "LaneState",
    "Lease",
    "Move",
    "NewRequest",
    "NoSuchDeliveryError",
    "NotFoundError",
    "Owed",
    "Park",
    "Recorded",
    "Recovery",
    "Renewal",
    "Reply",
    "RequestFilter",
    "Reroute",
    "Retained",
    "Retry",
    "Store",
    "StoreBrokenError",
    "StoreRefusedError",
    "StoreUnavailableError",
    "TooManyFollowUpsError",
    "Unpark",
    "brief",
    "migrate",
    "open_store",
]
