"""The store: what is accepted is never lost, because it is accepted only after its commit here."""

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
from assistance.store.queue.lanes import Failing, Freeze, LaneState, Park, Unpark, brief
from assistance.store.queue.leases import Lease, Recovery, Renewal
from assistance.store.queue.outcomes import DeliveryOutcome, Recorded
from assistance.store.requests.accepting import Acceptance, Accepted, IdempotencyKey, NewRequest
from assistance.store.requests.changing import Command
from assistance.store.requests.moves import AGAIN, OVER, FollowUp, Move, Reply, Reroute, Retry
from assistance.store.requests.reading import DeliveryFilter, Owed, RequestFilter
from assistance.store.requests.retention import Erasure, Retained
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
