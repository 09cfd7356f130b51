"""An update: what is posted below a notice, and what replaces the notice."""

from typing import Any

import pytest
from tests.messages.jobs import AT, happened, update_job

from assistance.messages.update import aloud, rewritten
from assistance.messages.update import update as compose
from assistance.model import Action, Actor, Claim, Customer, Event, EventType, Kind, Message, Status

REWRITES = {
    EventType.CLAIMED: False,
    EventType.RELEASED: True,
    EventType.RESOLVED: False,
    EventType.REROUTED: False,
    EventType.CANCELLED: True,
    EventType.ERASED: False,
}
"""The events after which a notice is rewritten, and whether they are posted all the same."""
POSTED = {EventType.FOLLOWED_UP, EventType.REPLIED}


def update(event: Event | None, thread: str | None = None, **more: Any) -> Message:
    return compose(update_job(event, thread, **more))


def test_a_follow_up_shows_what_was_added():
    """Its own words alone, and the customer's name."""
    event = happened(EventType.FOLLOWED_UP, "api:shop-bot", follow_up=1)
    message = update(event, "ts", follow_ups=("a", "b"), customer=Customer("Ana"))
    assert (message.title, message.body, message.thread) == ("Sales: the customer adds", "b", "ts")
    assert message.fields == (("Customer", "Ana"), ("Request", "r-1"))
    assert message.created_at == AT + 60


def test_a_follow_up_that_was_erased_says_so():
    """Erased after the follow-up was enqueued: the update goes out without the text."""
    assert update(happened(EventType.FOLLOWED_UP, follow_up=3)).body == "(The text was erased.)"


@pytest.mark.parametrize(
    ("type_", "title"),
    [
        (EventType.CLAIMED, "Sales: taken by Ana"),
        (EventType.RELEASED, "Sales: given back by Ana, somebody is needed"),
        (EventType.RESOLVED, "Sales: resolved by Ana"),
        (EventType.REPLIED, "Sales: Ana replied to the customer"),
        (EventType.CANCELLED, "Sales: cancelled, nobody waits any more"),
        (EventType.REROUTED, "Sales: moved to billing by Ana"),
        (EventType.ERASED, "Sales: the text was erased"),
    ],
)
def test_each_event_has_its_sentence(type_: EventType, title: str):
    """Who did what, by the name that people know."""
    assert update(happened(type_, to="billing")).title == title


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("slack:U123 Ana Ruiz", "Ana Ruiz"),
        ("slack:U123", "U123"),
        ("mail:ana@example.com", "ana@example.com"),
        ("api:desk", "desk"),
        ("{actor}", "{actor}"),
        (None, "somebody"),
    ],
)
def test_actors_are_named_as_people_know_them(actor: str | None, name: str):
    """The channel's own marks are left out, and nothing in a name is formatted."""
    assert update(happened(EventType.CLAIMED, actor)).title == f"Sales: taken by {name}"


def test_a_reply_is_shown_to_the_colleagues():
    """They see what the customer reads."""
    assert update(happened(EventType.REPLIED, text="20 seats are 200")).body == "20 seats are 200"


@pytest.mark.parametrize("type_", sorted(set(EventType) - set(REWRITES) - POSTED))
def test_other_events_have_no_update(type_: EventType):
    """An update about them would be a bug: it is raised, and nothing is made up."""
    with pytest.raises(ValueError, match=f"no update is about {type_}"):
        update(happened(type_))


def test_an_update_without_an_event_is_a_bug():
    """There is nothing to say."""
    with pytest.raises(ValueError, match="about an event"):
        update(None)


def test_people_know_a_request_by_the_topic_it_had():
    """The title of a reroute names the topic it left."""
    event = happened(EventType.REROUTED, **{"from": "Sales", "to": "billing"})
    assert update(event, topic_title="Billing").title == "Sales: moved to billing by Ana"


@pytest.mark.parametrize("type_", sorted([*REWRITES, *POSTED]))
def test_what_is_rewritten_and_what_is_posted(type_: EventType):
    """A claim changes the notice alone; what people must act on is posted, too; a follow-up is only posted."""
    job = update_job(happened(type_), "ts")
    assert (rewritten(job) is not None) == (type_ in REWRITES)
    assert aloud(job) == REWRITES.get(type_, False)
    assert rewritten(update_job(happened(type_))) is None


@pytest.mark.parametrize(
    ("type_", "status", "standing"),
    [
        (EventType.CLAIMED, Status.CLAIMED, "Taken by Ben, 08:05 UTC · "),
        (EventType.RELEASED, Status.CLAIMED, "Taken by Ben, 08:05 UTC · "),
        (EventType.RELEASED, Status.NOTIFIED, "Given back by Ana · "),
        (EventType.REROUTED, Status.ACCEPTED, "Moved to Sales by Ana · "),
        (EventType.RESOLVED, Status.RESOLVED, "Resolved by Ana · "),
        (EventType.CANCELLED, Status.CANCELLED, "Cancelled by Ana · "),
        (EventType.CLAIMED, Status.RESOLVED, "Resolved · "),
        (EventType.CLAIMED, Status.EXPIRED, "Expired · "),
        (EventType.CLAIMED, Status.NOTIFIED, ""),
        (EventType.CLAIMED, Status.FAILED, ""),
    ],
)
def test_a_rewritten_notice_shows_how_the_request_is_now(type_: EventType, status: Status, standing: str):
    """It says what is true when it is written, whatever the update is about; its buttons follow the status."""
    claim = Claim(Actor.parse("slack:U2 Ben"), AT + 300) if status is Status.CLAIMED else None
    message = rewritten(update_job(happened(type_), "ts", status=status, claim=claim))
    assert message is not None
    assert message.title == f"{standing}Sales: a customer asks for a person"
    assert (message.kind, message.thread, message.body) == (Kind.UPDATE, "ts", "A quote for 20 seats, please")
    assert (Action.RESOLVE in message.actions) == (status is Status.CLAIMED)


def test_an_erased_follow_up_is_rewritten_where_it_was_posted():
    """The message that held the text is replaced, not the notice."""
    message = rewritten(update_job(happened(EventType.ERASED), "ts", "ts/2"))
    assert message is not None
    assert (message.thread, message.body) == ("ts/2", "(The text was erased.)")
    first = rewritten(update_job(happened(EventType.ERASED), "ts", "ts", description=None))
    assert first is not None
    assert first.title == "Sales: a customer asks for a person"
