"""What people read: who waits, since when, for what."""

from datetime import UTC, datetime

from assistance.model import AssistanceRequest, EventType, Kind, Message, Priority
from assistance.store import Work

_ERASED = "(The text was erased.)"
_UPDATES = {
    EventType.FOLLOWED_UP: "The customer adds",
    EventType.CANCELLED: "Cancelled: nobody waits any more",
    EventType.CLAIMED: "Taken by {actor}",
    EventType.RELEASED: "Given back by {actor}: somebody is needed",
    EventType.RESOLVED: "Resolved by {actor}",
    EventType.REPLIED: "{actor} replied to the customer",
    EventType.REROUTED: "Moved to another topic by {actor}",
}


def compose(work: Work) -> Message:
    """The message of a leased delivery."""
    if work.delivery.kind is Kind.NOTICE:
        return _notice(work)
    return _update(work)


def _notice(work: Work) -> Message:
    request, delivery = work.request, work.delivery
    who = request.customer.name if request.customer and request.customer.name else "A customer"
    return Message(
        key=delivery.key,
        kind=delivery.kind,
        title=f"{request.topic_title or request.topic}: {who} asks for a person",
        body=_said(request),
        created_at=request.created_at,
        fields=_fields(request),
        links=request.links,
        urgent=request.priority is Priority.URGENT,
        short=delivery.short,
    )


def _said(request: AssistanceRequest) -> str:
    """Everything the customer wrote, oldest first."""
    if request.description is None:
        return _ERASED
    return "\n\n".join((request.description, *request.follow_ups))


def _fields(request: AssistanceRequest) -> tuple[tuple[str, str], ...]:
    customer = request.customer
    known = (
        ("Customer", customer and customer.name),
        ("E-mail", customer and customer.email),
        ("Phone", customer and customer.phone),
        ("Language", customer and customer.locale),
        ("Time zone", customer and customer.timezone),
        ("Priority", "urgent" if request.priority is Priority.URGENT else None),
        ("Waiting since", _minute(request.created_at)),
        ("Conversation", request.conversation_id),
        ("Bot", request.client),
        *((key, str(value)) for key, value in request.metadata.items() if value is not None),
        ("Request", request.id),
    )
    return tuple((label, value) for label, value in known if value)


def _minute(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _update(work: Work) -> Message:
    request, delivery, event = work.request, work.delivery, work.event
    type_ = event.type if event else EventType.FOLLOWED_UP
    title = _UPDATES.get(type_, "News").format(actor=event.actor if event and event.actor else "somebody")
    return Message(
        key=delivery.key,
        kind=delivery.kind,
        title=f"{request.topic_title or request.topic}: {title[0].lower()}{title[1:]}",
        body=_news(work),
        created_at=event.at if event else request.created_at,
        fields=(("Request", request.id),),
        urgent=False,
        short=delivery.short,
        thread=work.thread,
    )


def _news(work: Work) -> str:
    if work.event is None or work.event.type is not EventType.FOLLOWED_UP:
        return ""
    number = work.event.data.get("follow_up")
    texts = work.request.follow_ups
    return texts[number] if isinstance(number, int) and number < len(texts) else _ERASED
