"""A snapshot: a request with its deliveries, and the one shape in which callers see it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

# Not of `typing`: pydantic documents those only from Python 3.12 on.
from typing_extensions import TypedDict

from assistance.model.clock import rfc3339, rfc3339_or_none
from assistance.model.delivery import Delivery, Kind, State
from assistance.model.request import AssistanceRequest, Claim, Status


class Snapshot(NamedTuple):
    """A request with all its deliveries, read at one moment."""

    request: AssistanceRequest
    deliveries: tuple[Delivery, ...]

    @property
    def version(self) -> int:
        """The number of this version of the request, for `ETag` and `If-Match`.

        It only rises: each event raises `sequence`, each change of a notice's state raises its `changes`, and no notice
        is deleted before its request. Other deliveries are not part of what callers see: with them, sending the update
        about a change would make the `ETag` that was given with the change stale.
        """
        return self.request.sequence + sum(each.changes for each in self.deliveries if each.kind is Kind.NOTICE)


class ClaimedBy(TypedDict):
    """Who has claimed the request."""

    actor: str
    at: str


class Notice(TypedDict):
    """One message by which people are notified of the request."""

    n: int
    channel: str
    state: State
    attempts: int
    next_attempt_at: str | None
    last_error: str | None


class Links(TypedDict):
    """Where to read on; relative references."""

    self: str
    events: str


class RequestAnswer(TypedDict):
    """A request for assistance and what became of it.

    `notified` is true once a person's channel has accepted it; `expected_response` is when the customer may expect an
    answer, if that is known.
    """

    id: str
    topic: str
    status: Status
    created_at: str
    notified: bool
    claimed_by: ClaimedBy | None
    expected_response: str | None
    conversation_id: str | None
    metadata: dict[str, Any]
    deliveries: list[Notice]
    links: Links


def represent(request: AssistanceRequest, deliveries: Iterable[Delivery]) -> RequestAnswer:
    """The request with its notices, ready for JSON; instants are in RFC 3339."""
    path = f"/assistance/{request.id}"
    return {
        "id": request.id,
        "topic": request.topic,
        "status": request.status,
        "created_at": rfc3339(request.created_at),
        "notified": request.notified_at is not None,
        "claimed_by": None if request.claim is None else claimed_by(request.claim),
        "expected_response": rfc3339_or_none(request.expected_response),
        "conversation_id": request.conversation_id,
        "metadata": request.metadata,
        "deliveries": [_notice(delivery) for delivery in deliveries if delivery.kind is Kind.NOTICE],
        "links": {"self": path, "events": f"{path}/events"},
    }


def claimed_by(claim: Claim) -> ClaimedBy:
    """The claim, ready for JSON."""
    return {"actor": str(claim.actor), "at": rfc3339(claim.at)}


def _notice(delivery: Delivery) -> Notice:
    return {
        "n": delivery.n,
        "channel": delivery.channel,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt_at": rfc3339_or_none(delivery.next_attempt_at),
        "last_error": delivery.last_error,
    }
