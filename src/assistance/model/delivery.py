"""Everything that goes out is a delivery: one message owed to one channel."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Why the message goes out."""

    NOTICE = "notice"
    UPDATE = "update"
    REMINDER = "reminder"
    CALLBACK = "callback"


class Condition(StrEnum):
    """Looked at when the delivery's time has come; if it does not hold, the delivery is skipped."""

    ALWAYS = "always"
    UNDELIVERED = "undelivered"
    UNCLAIMED = "unclaimed"


class When(StrEnum):
    """The topic's hours at which a step goes out."""

    OPEN = "open"
    CLOSED = "closed"
    BOTH = "both"


class State(StrEnum):
    """Where a delivery stands, as callers see it."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    PARKED = "parked"
    FAILED = "failed"
    SKIPPED = "skipped"


OWED = frozenset({State.PENDING, State.SENDING, State.RETRYING, State.PARKED})
"""A delivery in one of these may still go out."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message owed to one channel.

    `n` counts from 1 within the request and is stable. `due_at` is when it is looked at next. `person` is false for
    channels that no person reads. `hours` is the topic's opening hours at the time of planning, kept only where `when`
    needs them. `about` is the number of the event that an update is about. `fence` grows with every lease: an outcome
    counts only under the fence it was leased with. `reference` is the provider's name for the message.
    `owed_since` is when it was first due, moved on by the time spent parked: `retry_for` counts from there.
    `changes` counts the changes of `state`: see `Snapshot.version`.
    """

    request_id: str
    n: int
    channel: str
    due_at: float
    owed_since: float
    kind: Kind = Kind.NOTICE
    step: int = 0
    person: bool = True
    condition: Condition = Condition.ALWAYS
    when: When = When.BOTH
    hours: str | None = None
    about: int | None = None
    state: State = State.PENDING
    attempts: int = 0
    fence: int = 0
    changes: int = 0
    short: bool = False
    reference: str | None = None
    last_error: str | None = None

    @property
    def key(self) -> str:
        """The same on every try: `Message-ID`, Slack's metadata."""
        return f"{self.request_id}.{self.n}"

    @property
    def next_attempt_at(self) -> float | None:
        """When it is looked at next, None when nothing is owed or it is on its way."""
        return self.due_at if self.state in {State.PENDING, State.RETRYING} else None


class Outcome(StrEnum):
    """How one try ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    PARKED = "parked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: when, how long (seconds), how it ended, the provider's code and its answer, redacted."""

    at: float
    seconds: float
    outcome: Outcome
    reason: str | None = None
    code: str | None = None
    answer: str | None = None
