"""What happened to a request, numbered: the time line, the server-sent events and the callbacks are read from it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assistance.model.actor import Actor


class EventType(StrEnum):
    """What happened. The names are part of the contract with callers."""

    ACCEPTED = "accepted"
    FOLLOWED_UP = "followed_up"
    NOTIFIED = "notified"
    DELIVERED = "delivered"
    DELIVERY_FAILED = "delivery_failed"
    DELIVERY_RETRIED = "delivery_retried"
    PARKED = "parked"
    SKIPPED = "skipped"
    FAILED = "failed"
    CLAIMED = "claimed"
    RELEASED = "released"
    REROUTED = "rerouted"
    REPLIED = "replied"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `actor` is who did it, None where the service did."""

    request_id: str
    sequence: int
    type: EventType
    at: float
    actor: Actor | None = None
    data: dict[str, Any] = field(default_factory=dict)
