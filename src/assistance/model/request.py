"""What a bot asks for, and what has become of it."""

from dataclasses import dataclass, field
from enum import Enum, StrEnum

from assistance.model.actor import Actor
from assistance.model.event import EventType


class Status(StrEnum):
    """Where a request stands, as callers see it."""

    ACCEPTED = "accepted"
    NOTIFIED = "notified"
    CLAIMED = "claimed"
    RESOLVED = "resolved"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN = frozenset({Status.ACCEPTED, Status.NOTIFIED, Status.CLAIMED})
"""A request in one of these is not over; a follow-up is added to it."""

MOST_FOLLOW_UPS = 500
"""To one request. Each costs as much as all before it, and nobody reads more."""


class Transition(Enum):
    """A change of status that a person or a program makes; the service alone notifies, fails and expires.

    `event` is what the time line calls it, `allowed` the statuses that it may begin in, `status` the one it leads to.
    One that leads to `claimed` gives the request to its actor; None leads back to where the request was unclaimed.
    """

    CLAIM = EventType.CLAIMED, frozenset({Status.ACCEPTED, Status.NOTIFIED}), Status.CLAIMED
    RELEASE = EventType.RELEASED, frozenset({Status.CLAIMED}), None
    RESOLVE = EventType.RESOLVED, OPEN, Status.RESOLVED
    CANCEL = EventType.CANCELLED, OPEN, Status.CANCELLED

    def __init__(self, event: EventType, allowed: frozenset[Status], status: Status | None) -> None:
        self.event = event
        self.allowed = allowed
        self.status = status


class Priority(StrEnum):
    """`urgent` goes first in every lane."""

    NORMAL = "normal"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Customer:
    """Who waits, as far as the bot knows."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A page that helps the agent who claims the request; `url` is http or https."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Who has claimed a request, and when."""

    actor: Actor
    at: float


@dataclass(frozen=True, slots=True)
class AssistanceRequest:
    """One customer who waits for a person.

    `description` is None once it was erased, empty when something was said since. `sequence` is the number of the last
    event. `traceparent` (W3C Trace Context) and `correlation_id` (`X-Request-ID`) are those of the accepting call.
    """

    id: str
    client: str
    topic: str
    description: str | None = field(repr=False)
    created_at: float
    expires_at: float
    status: Status = Status.ACCEPTED
    topic_title: str = ""
    conversation_id: str | None = None
    customer: Customer | None = field(default=None, repr=False)
    links: tuple[Link, ...] = field(default=(), repr=False)
    priority: Priority = Priority.NORMAL
    callback: str | None = None
    metadata: dict[str, str | int | float | bool | None] = field(default_factory=dict, repr=False)
    expected_response: float | None = None
    notified_at: float | None = None
    claim: Claim | None = None
    follow_ups: tuple[str, ...] = field(default=(), repr=False)
    sequence: int = 1
    traceparent: str | None = None
    correlation_id: str | None = None
