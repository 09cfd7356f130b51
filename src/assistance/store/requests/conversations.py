"""One conversation of a client on a topic is one open request: what is said later follows it up."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, tuple_

from assistance.model import AssistanceRequest, Delivery, Kind, State
from assistance.store.tables.rows import by_request, request_of
from assistance.store.tables.schema import deliveries, is_open, requests

Conversation = tuple[str, str, str]
"""Client, topic and the client's id of the conversation."""


def conversation_of(request: AssistanceRequest) -> Conversation | None:
    """The conversation of a request, if it is of one."""
    if request.conversation_id is None:
        return None
    return request.client, request.topic, request.conversation_id


def open_conversations(
    connection: Connection, wanted: Collection[Conversation]
) -> dict[Conversation, tuple[AssistanceRequest, list[Delivery]]]:
    """The open requests of these conversations, locked, with all that is owed for them."""
    if not wanted:
        return {}
    columns = requests.c.client, requests.c.topic, requests.c.conversation_id
    rows = connection.execute(
        select(requests)
        .where(tuple_(*columns).in_(sorted(wanted)), requests.c.conversation_id.is_not(None), is_open)
        .order_by(requests.c.id)
        .with_for_update()
    )
    found = [request_of(row) for row in rows.mappings()]
    if not found:
        return {}
    keys = deliveries.c.request_id, deliveries.c.n
    mine = select(deliveries).where(deliveries.c.request_id.in_([request.id for request in found])).order_by(*keys)
    # Locked: one that is being leased at this moment goes out with the old words, and an update of it is owed.
    owed = by_request(connection.execute(mine.with_for_update()).mappings())
    return {
        conversation: (request, owed.get(request.id, []))
        for request in found
        if (conversation := conversation_of(request))
    }


def updates_of(request: AssistanceRequest, owed: Sequence[Delivery], about: int, now: float) -> tuple[Delivery, ...]:
    """One update for each notice that has been delivered or is on its way; a later notice tells it by itself."""
    told = [d for d in owed if d.kind is Kind.NOTICE and d.state in {State.DELIVERED, State.SENDING}]
    last = max((delivery.n for delivery in owed), default=0)
    return tuple(
        Delivery(
            request.id,
            last + place,
            notice.channel,
            due_at=now,
            owed_since=now,
            kind=Kind.UPDATE,
            step=notice.step,
            person=notice.person,
            about=about,
        )
        for place, notice in enumerate(told, start=1)
    )
