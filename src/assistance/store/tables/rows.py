"""Rows to nouns and back."""

import json
from collections.abc import Iterable
from typing import Any

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

_CUSTOMER = ("name", "email", "phone", "locale", "timezone")


def _dump(value: Any) -> str | None:
    return _encode(value) if value else None


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def storable(text: str | None) -> str | None:
    """What a provider said, without what no database takes: NUL and lone surrogates."""
    return text and text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def request_row(request: AssistanceRequest) -> dict[str, Any]:
    """The row of `requests`."""
    customer = request.customer and {
        name: v for name in _CUSTOMER if (v := getattr(request.customer, name)) is not None
    }
    return {
        "id": request.id,
        "client": request.client,
        "topic": request.topic,
        "topic_title": request.topic_title,
        "status": str(request.status),
        "description": request.description,
        "follow_ups": _dump(request.follow_ups),
        "customer": _dump(customer),
        "links": _dump([[link.label, link.url] for link in request.links]),
        "metadata": _dump(request.metadata),
        "conversation_id": request.conversation_id,
        "priority": str(request.priority),
        "callback": request.callback,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "expected_response": request.expected_response,
        "notified_at": request.notified_at,
        "claimed_by": str(request.claim.actor) if request.claim else None,
        "claimed_at": request.claim.at if request.claim else None,
        "sequence": request.sequence,
        "traceparent": request.traceparent,
        "correlation_id": request.correlation_id,
    }


def request_of(row: RowMapping) -> AssistanceRequest:
    """The request behind a row of `requests`."""
    return AssistanceRequest(
        id=row["id"],
        client=row["client"],
        topic=row["topic"],
        topic_title=row["topic_title"],
        status=Status(row["status"]),
        description=row["description"],
        follow_ups=tuple(json.loads(texts)) if (texts := row["follow_ups"]) else (),
        customer=Customer(**json.loads(row["customer"])) if row["customer"] else None,
        links=tuple(Link(label, url) for label, url in json.loads(links)) if (links := row["links"]) else (),
        metadata=json.loads(metadata) if (metadata := row["metadata"]) else {},
        conversation_id=row["conversation_id"],
        priority=Priority(row["priority"]),
        callback=row["callback"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        expected_response=row["expected_response"],
        notified_at=row["notified_at"],
        claim=Claim(Actor.parse(row["claimed_by"]), row["claimed_at"]) if row["claimed_by"] else None,
        sequence=row["sequence"],
        traceparent=row["traceparent"],
        correlation_id=row["correlation_id"],
    )


def delivery_row(delivery: Delivery, priority: Priority) -> dict[str, Any]:
    """The row of `deliveries`, not leased."""
    return {
        "request_id": delivery.request_id,
        "n": delivery.n,
        "channel": delivery.channel,
        "kind": str(delivery.kind),
        "step": delivery.step,
        "person": delivery.person,
        "condition": str(delivery.condition),
        "opening": str(delivery.when),
        "hours": delivery.hours,
        "about": delivery.about,
        "rank": 0 if priority is Priority.URGENT else 1,
        "state": str(delivery.state),
        "due_at": delivery.due_at,
        "owed_since": delivery.owed_since,
        "parked_at": delivery.due_at if delivery.state is State.PARKED else None,
        "attempts": delivery.attempts,
        "fence": delivery.fence,
        "changes": delivery.changes,
        "short": delivery.short,
        "lease_owner": None,
        "lease_until": None,
        "reference": delivery.reference,
        "last_error": delivery.last_error,
    }


def delivery_of(row: RowMapping) -> Delivery:
    """The delivery behind a row of `deliveries`."""
    return Delivery(
        request_id=row["request_id"],
        n=row["n"],
        channel=row["channel"],
        kind=Kind(row["kind"]),
        step=row["step"],
        person=row["person"],
        condition=Condition(row["condition"]),
        when=When(row["opening"]),
        hours=row["hours"],
        about=row["about"],
        state=State(row["state"]),
        due_at=row["due_at"],
        owed_since=row["owed_since"],
        attempts=row["attempts"],
        fence=row["fence"],
        changes=row["changes"],
        short=row["short"],
        reference=row["reference"],
        last_error=row["last_error"],
    )


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
    """How the data of an event begins that took a request from this topic to another one."""
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


def by_request(rows: Iterable[RowMapping]) -> dict[str, list[Delivery]]:
    """The deliveries of each request, in the order of `rows`."""
    found: dict[str, list[Delivery]] = {}
    for row in rows:
        found.setdefault(row["request_id"], []).append(delivery_of(row))
    return found
