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
from assistance.store.queue.lanes import Failing, Freeze, LaneState
from assistance.store.queue.leasing import Lease, Recovery, Renewal
from assistance.store.queue.parking import Park, Unpark, brief
from assistance.store.queue.settling import Settled, Settlement
from assistance.store.queue.taking import Take, Taken, Work
from assistance.store.requests.accepting import Acceptance, Accepted, NewRequest
from assistance.store.requests.erasing import Erasure
from assistance.store.requests.following import FollowUp, Reply
from assistance.store.requests.holding import Guard, Moved, Order
from assistance.store.requests.keys import IdempotencyKey
from assistance.store.requests.lifecycle import OVER, Move
from assistance.store.requests.reading import Query, Seen
from assistance.store.requests.replaying import AGAIN, Owed, Retry, Selection
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
    "ConflictError",
    "Erasure",
    "Evidence",
    "Failing",
    "FollowUp",
    "Freeze",
    "Guard",
    "IdempotencyKey",
    "KeyReusedError",
    "LaneState",
    "Lease",
    "Move",
    "Moved",
    "NewRequest",
    "NoSuchDeliveryError",
    "NotFoundError",
    "Order",
    "Owed",
    "Park",
    "Query",
    "Recovery",
    "Renewal",
    "Reply",
    "Reroute",
    "Retained",
    "Retry",
    "Seen",
    "Selection",
    "Settled",
    "Settlement",
    "Store",
    "StoreBrokenError",
    "StoreRefusedError",
    "StoreUnavailableError",
    "Take",
    "Taken",
    "TooManyFollowUpsError",
    "Unpark",
    "Work",
    "brief",
    "migrate",
    "open_store",
]
