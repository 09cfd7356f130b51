"""The notice: who waits, since when, for what; what can be done now; and the test message of a channel."""

from collections.abc import Iterator
from typing import assert_never

from assistance.model import Action, AssistanceRequest, Kind, Message, Priority, Status, cut, minute, one_line, uuid7
from assistance.store import Job

# What fits on a telephone's screen; the bot reads its own metadata whole in every answer.
_NAME = 80
_LABEL = 40
_VALUE = 300
_METADATA = 20

ERASED = "(The text was erased.)"
SINCE = "Since"
REST = "… The rest is in the service."


def notice(job: Job) -> Message:
    """The request as it is now."""
    request = job.request
    return Message(
        key=job.delivery.key,
        kind=job.delivery.kind,
        title=f"{topic_of(request)}: {customer_of(request) or 'a customer'} asks for a person",
        body=_everything_written(request),
        created_at=request.created_at,
        fields=tuple(_facts(request)),
        links=request.links,
        actions=actions_of(request.status),
        urgent=request.priority is Priority.URGENT,
        short=job.delivery.short,
        since=SINCE,
        rest=REST,
    )


def trial(channel: str, now: float) -> Message:
    """The marked test message of a channel."""
    return Message(
        key=f"test.{uuid7(now)}",
        kind=Kind.NOTICE,
        title=f"[test] The channel {channel} works",
        body="This is a test message of the Assistance API. Nobody waits for an answer.",
        created_at=now,
        since=SINCE,
    )


def actions_of(status: Status) -> tuple[Action, ...]:
    """What people may press while a request has this status."""
    match status:
        case Status.ACCEPTED | Status.NOTIFIED:
            return Action.CLAIM, Action.REROUTE
        case Status.CLAIMED:
            return Action.REPLY, Action.RESOLVE, Action.RELEASE
        case Status.RESOLVED | Status.FAILED | Status.EXPIRED | Status.CANCELLED:
            return ()
        case _:
            assert_never(status)


def topic_of(request: AssistanceRequest) -> str:
    """The topic as people know it."""
    return request.topic_title or request.topic


def customer_of(request: AssistanceRequest) -> str:
    """The customer's name, empty when it is not known."""
    return cut(one_line(request.customer.name or ""), _NAME) if request.customer else ""


def known(*fields: tuple[str, object]) -> Iterator[tuple[str, str]]:
    """Those of the fields that have a value, each on one line: no value can look like another field."""
    for label, value in fields:
        if value is None:
            continue
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        if line := cut(one_line(text), _VALUE):
            yield label, line


def name_of(actor: str | None) -> str:
    """The name in an actor, as people know each other: `slack:U123 Ana` is Ana, `mail:ana@example.com` the address."""
    where, _, who = (actor or "").partition(":")
    name = who if where in {"api", "mail"} else who.partition(" ")[2] or who
    return cut(one_line(name), _NAME) or "somebody"


def _everything_written(request: AssistanceRequest) -> str:
    """The description and the follow-ups, oldest first; follow-ups that were erased are left out."""
    return "\n\n".join(filter(None, (request.description or ERASED, *request.follow_ups)))


def _facts(request: AssistanceRequest) -> Iterator[tuple[str, str]]:
    """The fields, most important first; the bot's own metadata last but for the id.

    Times are UTC: readers may be in any time zone. Channels that can also show `created_at` in the reader's own.
    """
    urgent = "urgent" if request.priority is Priority.URGENT else None
    yield from known(("Priority", urgent))
    if customer := request.customer:
        yield from known(
            ("Customer", customer.name),
            ("E-mail", customer.email),
            ("Phone", customer.phone),
            ("Language", customer.locale),
            ("Time zone", customer.timezone),
        )
    promised = request.expected_response
    yield from known(
        ("Waiting since", minute(request.created_at)),
        ("Answer promised by", None if promised is None else minute(promised)),
        ("Conversation", request.conversation_id),
        ("Bot", request.client),
    )
    metadata = list(request.metadata.items())
    yield from known(*((cut(one_line(label), _LABEL) or "-", value) for label, value in metadata[:_METADATA]))
    if len(metadata) > _METADATA:
        yield "More", f"{len(metadata) - _METADATA} fields, in the service"
    yield "Request", request.id
