"""The nouns of the house, their states and their legal moves: no frameworks, no imports from the rest."""

from assistance.model.actor import Actor
from assistance.model.bucket import Bucket
from assistance.model.clock import Clock, SteadyClock, SystemClock, rfc3339, rfc3339_or_none
from assistance.model.delivery import OWED, Attempt, Condition, Delivery, Kind, Outcome, State, When
from assistance.model.event import Event, EventType
from assistance.model.ids import first_uuid7, uuid7
from assistance.model.message import Action, Message, cut, minute, one_line, readable
from assistance.model.request import (
    MOST_FOLLOW_UPS,
    OPEN,
    AssistanceRequest,
    Claim,
    Customer,
    Link,
    Priority,
    Status,
    Transition,
)
from assistance.model.snapshot import RequestAnswer, Snapshot, claimed_by, represent
from assistance.model.verdict import Misconfigured, Reason, TryLater, Undeliverable, Verdict

__all__ = [
    "MOST_FOLLOW_UPS",
    "OPEN",
    "OWED",
    "Action",
    "Actor",
    "AssistanceRequest",
    "Attempt",
    "Bucket",
    "Claim",
    "Clock",
    "Condition",
    "Customer",
    "Delivery",
    "Event",
    "EventType",
    "Kind",
    "Link",
    "Message",
    "Misconfigured",
    "Outcome",
    "Priority",
    "Reason",
    "RequestAnswer",
    "Snapshot",
    "State",
    "Status",
    "SteadyClock",
    "SystemClock",
    "Transition",
    "TryLater",
    "Undeliverable",
    "Verdict",
    "When",
    "claimed_by",
    "cut",
    "first_uuid7",
    "minute",
    "one_line",
    "readable",
    "represent",
    "rfc3339",
    "rfc3339_or_none",
    "uuid7",
]
