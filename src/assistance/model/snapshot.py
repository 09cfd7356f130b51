"""A snapshot: a request with its deliveries, and the one shape in which callers see it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from assistance.model.clock import rfc3339, rfc3339_or_none
from assistance.model.delivery import Delivery, Kind
from assistance.model.request import AssistanceRequest


class Snapshot(NamedTuple):
    """A request with all its deliveries, read at one moment."""

    request: AssistanceRequest
    deliveries: tuple[Delivery, ...]

    @property
    def version(self) -> int:
        """The number of this version of the request, for `ETag` and `If-Match`.

        It only rises: each event raises `sequence`, each change of a delivery's state raises its `changes`, and no
        delivery is deleted before its request.
        """
        return self.request.sequence + sum(delivery.changes for delivery in self.deliveries)


def represent(request: AssistanceRequest, deliveries: Iterable[Delivery]) -> dict[str, Any]:
    """The request with its notices, ready for JSON."""
    path = f"/assistance/{request.id}"
    claim = request.claim
    return {
        "id": request.id,
        "topic": request.topic,
        "status": request.status,
        "created_at": rfc3339(request.created_at),
        "notified": request.notified_at is not None,
        "claimed_by": None if claim is None else {"actor": str(claim.actor), "at": rfc3339(claim.at)},
        "expected_response": rfc3339_or_none(request.expected_response),
        "conversation_id": request.conversation_id,
        "metadata": request.metadata,
        "deliveries": [_notice(delivery) for delivery in deliveries if delivery.kind is Kind.NOTICE],
        "links": {"self": path, "events": f"{path}/events"},
    }


def _notice(delivery: Delivery) -> dict[str, Any]:
    return {
        "n": delivery.n,
        "channel": delivery.channel,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt_at": rfc3339_or_none(delivery.next_attempt_at),
        "last_error": delivery.last_error,
    }
