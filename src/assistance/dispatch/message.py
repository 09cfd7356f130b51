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
    EventType.REROUTED: "Moved to {to} by {actor}",
    EventType.ERASED: "The text was erased",
}


def compose(work: Work) -> Message:
    """The message of a leased delivery."""
    if work.delivery.kind is Kind.NOTICE:
        return notice(work)
    return _update(work)


def notice(work: Work) -> Message:
    """What tells people of the request, as it is now."""
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
    words = (_ERASED if request.description is None else request.description, *request.follow_ups)
    return "\n\n".join(word for word in words if word)


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
    data = event.data if event else {}
    title = _UPDATES.get(type_, "News").format(actor=name_of(event.actor if event else None), to=data.get("to"))
    # Whoever is told that it went to another topic knows it by the old one.
    topic = data.get("from") or request.topic_title or request.topic
    return Message(
        key=delivery.key,
        kind=delivery.kind,
        title=f"{topic}: {title[0].lower()}{title[1:]}",
        body=_news(work),
        created_at=event.at if event else request.created_at,
        fields=(("Request", request.id),),
        urgent=False,
        short=delivery.short,
        thread=work.thread,
    )


def _news(work: Work) -> str:
    """The words that the event brought."""
    event = work.event
    if event is not None and event.type is EventType.REPLIED:
        return str(event.data.get("text") or _ERASED)
    if event is None or event.type is not EventType.FOLLOWED_UP:
        return _ERASED if event is not None and event.type is EventType.ERASED else ""
    number = event.data.get("follow_up")
    texts = work.request.follow_ups
    return (texts[number] if isinstance(number, int) and number < len(texts) else "") or _ERASED


def name_of(actor: str | None) -> str:
    """The name in an actor, as people know each other: `slack:U123 Ana` is Ana, `mail:ana@example.com` the address."""
    kind, _, who = (actor or "").partition(":")
    name = who if kind in {"api", "mail"} else who.partition(" ")[2] or who
    return name or "somebody"
