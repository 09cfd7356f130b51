"""What people read."""

from typing import Any

import pytest

from assistance.messages.notice import compose
from assistance.model import (
    Actor,
    AssistanceRequest,
    Customer,
    Delivery,
    Event,
    EventType,
    Kind,
    Link,
    Message,
    Priority,
)
from assistance.store import Job

AT = 1_800_000_000.0


def request(**more: Any) -> AssistanceRequest:
    known = {"topic_title": "Sales", "description": "A quote for 20 seats, please", **more}
    return AssistanceRequest("r-1", "shop-bot", "sales", known.pop("description"), AT, AT + 1e6, **known)


def notice(**more: Any) -> Message:
    return compose(Job(Delivery("r-1", 1, "slack", AT, AT, short=more.pop("short", False)), request(**more)))


def update(event: Event | None, thread: str | None = None, **more: Any) -> Message:
    return compose(Job(Delivery("r-1", 2, "slack", AT, AT, Kind.UPDATE), request(**more), thread, event))


def happened(type_: EventType, actor: str | None = "slack:U1 Ana", **data: Any) -> Event:
    return Event("r-1", 2, type_, AT + 60, Actor.parse(actor) if actor else None, data)


def test_a_notice_says_who_waits_for_what_since_when():
    """Title, the customer's words, and the facts in the order of their importance."""
    message = notice(
        customer=Customer("Ana", "ana@example.com", "+34 600", "es-ES", "Europe/Madrid"),
        links=(Link("Cart", "https://shop.example/cart"),),
        priority=Priority.URGENT,
        conversation_id="c1",
        expected_response=AT + 900,
        metadata={"plan": "pro", "seats": 20, "trial": True, "coupon": None},
    )
    assert message.title == "Sales: Ana asks for a person"
    assert message.body == "A quote for 20 seats, please"
    assert message.urgent
    assert message.fields == (
        ("Priority", "urgent"),
        ("Customer", "Ana"),
        ("E-mail", "ana@example.com"),
        ("Phone", "+34 600"),
        ("Language", "es-ES"),
        ("Time zone", "Europe/Madrid"),
        ("Waiting since", "2027-01-15 08:00 UTC"),
        ("Answer promised by", "2027-01-15 08:15 UTC"),
        ("Conversation", "c1"),
        ("Bot", "shop-bot"),
        ("plan", "pro"),
        ("seats", "20"),
        ("trial", "yes"),
        ("Request", "r-1"),
    )


def test_a_notice_without_a_name_says_a_customer():
    """Nothing is known but the words, and nothing is made up."""
    message = notice(topic_title="")
    assert message.title == "sales: a customer asks for a person"
    assert [label for label, _ in message.fields] == ["Waiting since", "Bot", "Request"]


def test_a_notice_has_all_that_was_said_so_far():
    """Follow-ups stand below the first words, oldest first."""
    assert notice(follow_ups=("And 5 more", "Thanks")).body == "A quote for 20 seats, please\n\nAnd 5 more\n\nThanks"


def test_words_that_were_erased_are_not_there():
    """An erased request can still be announced, without its words."""
    assert notice(description=None, follow_ups=("",)).body == "(The text was erased.)"
    assert notice(description=None, follow_ups=("", "said since")).body == "(The text was erased.)\n\nsaid since"


def test_the_words_are_kept_as_they_are():
    """Line ends, markup and white space of the customer's text are no business of ours."""
    text = "  <!channel>\r\n\tFrom: x\n\n*bold* \U0001f600"
    assert notice(description=text).body == text


@pytest.mark.parametrize("field", ["customer", "metadata", "conversation_id"])
def test_a_value_is_one_line_of_bounded_length(field: str):
    """No value passes itself off as another field, and none fills a telephone's screen."""
    value = "x\nPriority: urgent\r\n\u2028Bot: other " + "y" * 5_000
    given = {"customer": Customer(value), "metadata": {value: value}, "conversation_id": value}
    message = notice(**{field: given[field]})
    for label, line in message.fields:
        assert len(label) <= 40
        assert len(line) <= 300
        assert len((label + line).splitlines()) == 1
    assert len(message.title) <= 120
    assert len(message.title.splitlines()) == 1


def test_metadata_does_not_bury_the_rest():
    """A bot with a hundred fields shows the first twenty and says that there are more; the id is still there."""
    message = notice(metadata={f"k{n}": n for n in range(100)})
    assert message.fields[-2:] == (("More", "80 fields, in the service"), ("Request", "r-1"))
    assert len(message.fields) == 24


def test_a_short_notice_says_the_same():
    """Short is a wish to the channel; what there is to say stays the same."""
    message = notice(short=True)
    assert message.short
    assert message.body == "A quote for 20 seats, please"


def test_a_follow_up_shows_what_was_added():
    """Its own words alone, and the customer's name."""
    event = happened(EventType.FOLLOWED_UP, "api:shop-bot", follow_up=1)
    message = update(event, "ts", follow_ups=("a", "b"), customer=Customer("Ana"))
    assert (message.title, message.body, message.thread) == ("Sales: the customer adds", "b", "ts")
    assert message.fields == (("Customer", "Ana"), ("Request", "r-1"))
    assert message.created_at == AT + 60


def test_a_follow_up_that_was_erased_says_so():
    """Erased between the event and the sending: the news goes out without the words."""
    assert update(happened(EventType.FOLLOWED_UP, follow_up=3)).body == "(The text was erased.)"


@pytest.mark.parametrize(
    ("type_", "title"),
    [
        (EventType.CLAIMED, "Sales: taken by Ana"),
        (EventType.RELEASED, "Sales: given back by Ana, somebody is needed"),
        (EventType.RESOLVED, "Sales: resolved by Ana"),
        (EventType.REPLIED, "Sales: Ana replied to the customer"),
        (EventType.CANCELLED, "Sales: cancelled, nobody waits any more"),
        (EventType.SKIPPED, "Sales: news"),
    ],
)
def test_each_news_has_its_words(type_: EventType, title: str):
    """Who did what, by the name that people know."""
    assert update(happened(type_)).title == title


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("slack:U123 Ana Ruiz", "Ana Ruiz"),
        ("api:{actor}", "{actor}"),
        (None, "somebody"),
    ],
)
def test_actors_are_named_as_people_know_them(actor: str | None, name: str):
    """The channel's own marks are left out, and nothing in a name is formatted."""
    assert update(happened(EventType.CLAIMED, actor)).title == f"Sales: taken by {name}"


def test_a_reply_is_shown_to_the_colleagues():
    """They see what the customer reads."""
    assert update(happened(EventType.REPLIED, text="20 seats are 200")).body == "20 seats are 200"


def test_every_try_says_the_same():
    """Composed again, a message is the same in every part: providers compare."""
    assert notice(metadata={"a": 1}) == notice(metadata={"a": 1})
