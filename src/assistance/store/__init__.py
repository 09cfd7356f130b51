"""The store: nothing accepted is ever lost, because nothing is accepted before it is here."""

from assistance.store.accepting import Acceptance, Accepted, NewRequest
from assistance.store.auditing import Backlog, Evidence
from assistance.store.clocks import Clocks
from assistance.store.erasing import Erasure
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
from assistance.store.following import FollowUp, Reply
from assistance.store.holding import Guard, Moved, Order
from assistance.store.keys import IdempotencyKey
from assistance.store.lanes import Failing, Freeze, LaneState
from assistance.store.leasing import Lease, Recovery, Renewal
from assistance.store.lifecycle import OVER, Move
from assistance.store.opening import migrate, open_store
from assistance.store.parking import Park, Unpark, brief
from assistance.store.reading import Query, Seen
from assistance.store.replaying import AGAIN, Owed, Retry, Selection
from assistance.store.rerouting import Reroute
from assistance.store.retention import Retained
from assistance.store.schema import STUCK
from assistance.store.settling import Settled, Settlement
from assistance.store.store import Store
from assistance.store.taking import Take, Taken, Work

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
