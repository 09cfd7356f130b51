"""Rows to nouns and back."""

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

import structlog
from sqlalchemy import RowMapping

from assistance.model import (
    Actor,
    AssistanceRequest,
    Attempt,
    Claim,
    Condition,
    Customer,
    Delivery,
    Event,
    EventType,
    Kind,
    Link,
    Outcome,
    Priority,
    State,
    Status,
    When,
)

Noun = TypeVar("Noun")

log = structlog.get_logger(__name__)

_CUSTOMER = ("name", "email", "phone", "locale", "timezone")
_REQUEST = (
    *("id", "client", "topic", "topic_title", "description", "conversation_id", "callback", "created_at", "expires_at"),
    *("expected_response", "notified_at", "sequence", "traceparent", "correlation_id"),
)
"""Columns of `requests` that hold the value of the attribute of that name."""
_DELIVERY = (
    *("request_id", "n", "channel", "step", "person", "hours", "about", "due_at", "owed_since", "attempts", "fence"),
    *("changes", "short", "reference", "last_error"),
)
"""Columns of `deliveries` that hold the value of the attribute of that name."""
_request_values, _delivery_values = attrgetter(*_REQUEST), attrgetter(*_DELIVERY)
_request_columns, _delivery_columns = itemgetter(*_REQUEST), itemgetter(*_DELIVERY)


def _dump(value: Any) -> str | None:
    return _encode(value) if value else None


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def storable(text: str | None) -> str | None:
    """A provider's text without what no database stores: NUL and lone surrogates."""
    return text and text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def request_row(request: AssistanceRequest) -> dict[str, Any]:
    """The row of `requests`."""
    customer = request.customer and {
        name: v for name in _CUSTOMER if (v := getattr(request.customer, name)) is not None
    }
    return dict(
        zip(_REQUEST, _request_values(request), strict=True),
        status=str(request.status),
        follow_ups=_dump(request.follow_ups),
        customer=_dump(customer),
        links=_dump([[link.label, link.url] for link in request.links]),
        metadata=_dump(request.metadata),
        priority=str(request.priority),
        claimed_by=str(request.claim.actor) if request.claim else None,
        claimed_at=request.claim.at if request.claim else None,
    )


def request_of(row: RowMapping) -> AssistanceRequest:
    """The request behind a row of `requests`."""
    return AssistanceRequest(
        **dict(zip(_REQUEST, _request_columns(row), strict=True)),
        status=Status(row["status"]),
        follow_ups=tuple(json.loads(texts)) if (texts := row["follow_ups"]) else (),
        customer=Customer(**json.loads(row["customer"])) if row["customer"] else None,
        links=tuple(Link(label, url) for label, url in json.loads(links)) if (links := row["links"]) else (),
        metadata=json.loads(metadata) if (metadata := row["metadata"]) else {},
        priority=Priority(row["priority"]),
        claim=Claim(Actor.parse(row["claimed_by"]), row["claimed_at"]) if row["claimed_by"] else None,
    )


def delivery_row(delivery: Delivery, priority: Priority) -> dict[str, Any]:
    """The row of `deliveries`, not leased."""
    return dict(
        zip(_DELIVERY, _delivery_values(delivery), strict=True),
        kind=str(delivery.kind),
        condition=str(delivery.condition),
        opening=str(delivery.when),
        rank=0 if priority is Priority.URGENT else 1,
        state=str(delivery.state),
        parked_at=delivery.due_at if delivery.state is State.PARKED else None,
        lease_owner=None,
        lease_until=None,
    )


def delivery_of(row: RowMapping) -> Delivery:
    """The delivery behind a row of `deliveries`."""
    return Delivery(
        **dict(zip(_DELIVERY, _delivery_columns(row), strict=True)),
        kind=Kind(row["kind"]),
        condition=Condition(row["condition"]),
        when=When(row["opening"]),
        state=State(row["state"]),
    )


def by_request(deliveries: Iterable[Delivery]) -> dict[str, tuple[Delivery, ...]]:
    """The deliveries of each request; they come ordered by it."""
    return {request_id: tuple(owed) for request_id, owed in groupby(deliveries, attrgetter("request_id"))}


def event_row(event: Event) -> dict[str, Any]:
    """The row of `events`."""
    return {
        "request_id": event.request_id,
        "sequence": event.sequence,
        "type": str(event.type),
        "at": event.at,
        "actor": str(event.actor) if event.actor else None,
        "data": _dump(event.data) or "{}",
    }


def rerouted_from(topic: str) -> str:
    """How the stored data of an event begins that rerouted a request away from this topic."""
    return f'{{"from":{json.dumps(topic, ensure_ascii=False)},"to":'


def event_of(row: RowMapping) -> Event:
    """The event behind a row of `events`."""
    actor = Actor.parse(row["actor"]) if row["actor"] else None
    return Event(row["request_id"], row["sequence"], EventType(row["type"]), row["at"], actor, json.loads(row["data"]))


def attempt_row(request_id: str, n: int, fence: int, attempt: Attempt) -> dict[str, Any]:
    """The row of `attempts`."""
    return {
        "request_id": request_id,
        "n": n,
        "fence": fence,
        "at": attempt.at,
        "seconds": attempt.seconds,
        "outcome": str(attempt.outcome),
        "reason": storable(attempt.reason),
        "code": storable(attempt.code),
        "answer": storable(attempt.answer),
    }


def attempt_of(row: RowMapping) -> Attempt:
    """The try behind a row of `attempts`."""
    return Attempt(row["at"], row["seconds"], Outcome(row["outcome"]), row["reason"], row["code"], row["answer"])


def known(noun_of: Callable[[RowMapping], Noun], rows: Iterable[RowMapping]) -> Iterator[Noun]:
    """The nouns behind `rows`, without those that only a newer version of this code can read.

    Old and new processes run side by side while they are replaced. A kind or state that this one does not know must not
    keep it from all other rows.
    """
    for row in rows:
        try:
            noun = noun_of(row)
        except ValueError as error:
            _log_unknown(str(error))
        else:
            yield noun


@cache
def _log_unknown(error: str) -> None:
    """Once a process for each error, not once a row."""
    log.warning("row_of_a_newer_version", error=error)
