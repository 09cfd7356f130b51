"""The store: nothing accepted is ever lost, because nothing is accepted before it is here."""

from assistance.store.accepting import Acceptance, Accepted, NewRequest
from assistance.store.auditing import Backlog, Evidence
from assistance.store.errors import (
    ConflictError,
    KeyReusedError,
    NotFoundError,
    StoreBrokenError,
    StoreRefusedError,
    StoreUnavailableError,
)
from assistance.store.keys import IdempotencyKey
from assistance.store.lanes import Freeze, LaneState
from assistance.store.leasing import Lease, Recovery, Renewal
from assistance.store.lifecycle import Move, Moved
from assistance.store.opening import migrate, open_store
from assistance.store.parking import Park, Unpark
from assistance.store.reading import Query
from assistance.store.settling import Settlement
from assistance.store.store import Store
from assistance.store.taking import Take, Taken, Work

__all__ = [
    "Acceptance",
    "Accepted",
    "Backlog",
    "ConflictError",
    "Evidence",
    "Freeze",
    "IdempotencyKey",
    "KeyReusedError",
    "LaneState",
    "Lease",
    "Move",
    "Moved",
    "NewRequest",
    "NotFoundError",
    "Park",
    "Query",
    "Recovery",
    "Renewal",
    "Settlement",
    "Store",
    "StoreBrokenError",
    "StoreRefusedError",
    "StoreUnavailableError",
    "Take",
    "Taken",
    "Unpark",
    "Work",
    "migrate",
    "open_store",
]
