"""What people read: who waits, since when, for what."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

from assistance.model import Actor, AssistanceRequest, Event, EventType, Kind, Message, Priority
from assistance.store import Job

# What fits on a telephone's screen; the bot has its own metadata whole in every answer.
_NAME = 80
_LABEL = 40
_VALUE = 300
_METADATA = 20

_ERASED = "(The text was erased.)"
_NEWS = {
    EventType.FOLLOWED_UP: "the customer adds",
    EventType.CANCELLED: "cancelled, nobody waits any more",
    EventType.CLAIMED: "taken by {actor}",
    EventType.RELEASED: "given back by {actor}, somebody is needed",
    EventType.RESOLVED: "resolved by {actor}",
    EventType.REPLIED: "{actor} replied to the customer",
    EventType.REROUTED: "moved to {to} by {actor}",
    EventType.ERASED: "the text was erased",
}


def compose(job: Job) -> Message:
    """The message of a leased delivery."""
    return notice(job) if job.delivery.kind is Kind.NOTICE else _update(job)


def notice(job: Job) -> Message:
    """What tells people of the request, as it is now."""
    request = job.request
    return Message(
        key=job.delivery.key,
        kind=job.delivery.kind,
        title=f"{_topic(request)}: {_customer(request) or 'a customer'} asks for a person",
        body=_said(request),
        created_at=request.created_at,
        fields=tuple(_facts(request)),
        links=request.links,
        urgent=request.priority is Priority.URGENT,
        short=job.delivery.short,
    )


def _update(job: Job) -> Message:
    request, event = job.request, job.event
    return Message(
        key=job.delivery.key,
        kind=job.delivery.kind,
        title=f"{_topic_then(request, event)}: {_news(event)}",
        body=_text(request, event),
        created_at=event.at if event else request.created_at,
        fields=tuple(_known(("Customer", _customer(request)), ("Request", request.id))),
        short=job.delivery.short,
        thread=job.thread,
    )


def _topic(request: AssistanceRequest) -> str:
    return request.topic_title or request.topic


def _topic_then(request: AssistanceRequest, event: Event | None) -> str:
    """Whoever is told that it went to another topic knows it by the old one."""
    before = event.data.get("from") if event else None
    return str(before or _topic(request))


def _customer(request: AssistanceRequest) -> str:
    return _line(request.customer.name or "", _NAME) if request.customer else ""


def _said(request: AssistanceRequest) -> str:
    """Everything the customer wrote, oldest first; of follow-ups that were erased nothing is left."""
    return "\n\n".join(filter(None, (request.description or _ERASED, *request.follow_ups)))


def _facts(request: AssistanceRequest) -> Iterator[tuple[str, str]]:
    """What is known beside the words, most important first; the bot's own metadata last but the id.

    Times are UTC: who reads may sit anywhere, and channels that can (Slack, mail) show `created_at` in the reader's
    own zone besides.
    """
    urgent = "urgent" if request.priority is Priority.URGENT else None
    yield from _known(("Priority", urgent))
    if customer := request.customer:
        yield from _known(
            ("Customer", customer.name),
            ("E-mail", customer.email),
            ("Phone", customer.phone),
            ("Language", customer.locale),
            ("Time zone", customer.timezone),
        )
    yield from _known(
        ("Waiting since", _minute(request.created_at)),
        ("Answer promised by", _minute(request.expected_response)),
        ("Conversation", request.conversation_id),
        ("Bot", request.client),
    )
    metadata = list(request.metadata.items())
    yield from _known(*((_line(label, _LABEL) or "-", value) for label, value in metadata[:_METADATA]))
    if len(metadata) > _METADATA:
        yield "More", f"{len(metadata) - _METADATA} fields, in the service"
    yield "Request", request.id


def _known(*fields: tuple[str, object]) -> Iterator[tuple[str, str]]:
    """Those that say something, each on one line: a value must not pass itself off as another field."""
    for label, value in fields:
        if value is None:
            continue
        text = _WORDS[value] if isinstance(value, bool) else str(value)
        if line := _line(text, _VALUE):
            yield label, line


_WORDS = {True: "yes", False: "no"}


def _line(text: str, limit: int) -> str:
    line = " ".join(text[: 2 * limit].split())
    return line if len(line) <= limit and len(text) <= 2 * limit else f"{line[: limit - 1].rstrip()}…"


def _minute(instant: float | None) -> str | None:
    return None if instant is None else _spelled(int(instant // 60))


@lru_cache(maxsize=64)
def _spelled(minute: int) -> str:
    """Most of what is told was asked in the same few minutes."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _news(event: Event | None) -> str:
    if event is None:
        return "news"
    return _NEWS.get(event.type, "news").format(actor=name_of(event.actor), to=event.data.get("to"))


def name_of(actor: Actor | None) -> str:
    """The name of the actor in a sentence."""
    return "somebody" if actor is None else _line(actor.called, _NAME)


def _text(request: AssistanceRequest, event: Event | None) -> str:
    """The words that the event brought, or that there are none any more."""
    if event is None or event.type not in {EventType.FOLLOWED_UP, EventType.REPLIED, EventType.ERASED}:
        return ""
    if event.type is EventType.FOLLOWED_UP:
        number, texts = event.data.get("follow_up"), request.follow_ups
        return (texts[number] if isinstance(number, int) and 0 <= number < len(texts) else "") or _ERASED
    return str(event.data.get("text") or _ERASED)
