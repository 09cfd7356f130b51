"""Deliveries of one request, to compose messages of."""

from typing import Any

from assistance.model import Actor, AssistanceRequest, Delivery, Event, EventType, Kind
from assistance.store import Job

AT = 1_800_000_000.0


def request(**more: Any) -> AssistanceRequest:
    known = {"topic_title": "Sales", "description": "A quote for 20 seats, please", **more}
    return AssistanceRequest("r-1", "shop-bot", "sales", known.pop("description"), AT, AT + 1e6, **known)


def notice_job(*, short: bool = False, **more: Any) -> Job:
    return Job(Delivery("r-1", 1, "slack", AT, AT, short=short), request(**more))


def update_job(event: Event | None, thread: str | None = None, reference: str | None = None, **more: Any) -> Job:
    return Job(Delivery("r-1", 2, "slack", AT, AT, Kind.UPDATE, reference=reference), request(**more), thread, event)


def happened(type_: EventType, actor: str | None = "slack:U1 Ana", **data: Any) -> Event:
    return Event("r-1", 2, type_, AT + 60, Actor.parse(actor) if actor else None, data)
