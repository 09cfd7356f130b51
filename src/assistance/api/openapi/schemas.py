"""The shapes of the answers, for the OpenAPI document and for people who read it."""

from typing import Any

from pydantic import BaseModel, Field

from assistance.model import EventType, Kind, Outcome, State, Status

Instant = str
"""RFC 3339, UTC: `2026-11-23T10:00:00.000Z`."""


class ClaimedBy(BaseModel):
    """Who has taken the request."""

    actor: str
    at: Instant


class Notice(BaseModel):
    """One message that tells people of the request."""

    n: int
    channel: str
    state: State
    attempts: int
    next_attempt_at: Instant | None
    last_error: str | None


class Links(BaseModel):
    """Where to look next; relative references."""

    self: str
    events: str


class AssistanceRequest(BaseModel):
    """A request for assistance and what became of it."""

    id: str
    topic: str
    status: Status
    created_at: Instant
    notified: bool = Field(description="True once a person's channel has taken it.")
    claimed_by: ClaimedBy | None
    expected_response: Instant | None = Field(description="When the customer may expect an answer, if that is known.")
    conversation_id: str | None
    metadata: dict[str, Any]
    deliveries: list[Notice]
    links: Links


class AcceptedRequest(AssistanceRequest):
    """The answer to an ask."""

    ignored: list[str] = Field(description="Fields of the body that nobody knows.")


class AssistancePage(BaseModel):
    """A page of requests, the newest first."""

    data: list[AssistanceRequest]
    next_cursor: str | None


class EventAnswer(BaseModel):
    """One thing that happened."""

    sequence: int
    type: EventType
    timestamp: Instant
    actor: str | None
    data: dict[str, Any]


class EventList(BaseModel):
    """The time line."""

    data: list[EventAnswer]


class TryAnswer(BaseModel):
    """One try to deliver; `seconds` is how long it took, `answer` the start of the provider's, redacted."""

    at: Instant
    seconds: float
    outcome: Outcome
    reason: str | None
    code: str | None
    answer: str | None


class DeliveryAnswer(BaseModel):
    """One message owed to one channel, with its tries."""

    n: int
    channel: str
    kind: Kind
    state: State
    tries: list[TryAnswer]
    next_attempt_at: Instant | None


class DeliveryList(BaseModel):
    """Everything owed for a request."""

    data: list[DeliveryAnswer]


class OwedAnswer(BaseModel):
    """A delivery of whatever request; `id` is what `/-/replay` takes."""

    id: str
    request_id: str
    n: int
    channel: str
    kind: Kind
    state: State
    attempts: int
    last_error: str | None
    next_attempt_at: Instant | None
    created_at: Instant = Field(description="When the request was accepted.")
    owed_since: Instant = Field(description="From when on the channel's `retry_for` counts.")


class OwedPage(BaseModel):
    """A page of deliveries, those of the newest request first."""

    data: list[OwedAnswer]
    next_cursor: str | None


class TopicAnswer(BaseModel):
    """What a bot may ask for."""

    topic: str
    title: str
    description: str
    open_now: bool
    next_open_at: Instant | None
    expected_response: Instant | None


class TopicList(BaseModel):
    """The topics that this token may use."""

    data: list[TopicAnswer]


class ChannelAnswer(BaseModel):
    """The health of a channel: `ok`, `parked` (misconfigured), `frozen` (told to wait) or `failing`."""

    channel: str
    type: str
    health: str
    reason: str | None
    until: Instant | None


class ChannelList(BaseModel):
    """The health of every channel."""

    data: list[ChannelAnswer]


class TestAnswer(BaseModel):
    """What became of a test message."""

    channel: str
    outcome: Outcome
    seconds: float
    reason: str | None
    code: str | None
    answer: str | None


class ProblemAnswer(BaseModel):
    """What went wrong, by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
