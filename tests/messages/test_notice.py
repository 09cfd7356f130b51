"""The notice and the test message: what people read, and what they can press."""

from typing import Any

import pytest
from tests.messages.jobs import AT, notice_job

from assistance.messages.notice import actions_of, trial
from assistance.messages.notice import notice as compose
from assistance.model import Action, Customer, Link, Message, Priority, Status


def notice(**more: Any) -> Message:
    return compose(notice_job(**more))


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
    """`short` is for the channel that renders; the content stays the same."""
    message = notice(short=True)
    assert message.short
    assert message.body == "A quote for 20 seats, please"


def test_every_try_says_the_same():
    """Two messages of one delivery are equal: some providers compare them to find a repeat."""
    assert notice(metadata={"a": 1}) == notice(metadata={"a": 1})


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        (Status.ACCEPTED, (Action.CLAIM, Action.REROUTE)),
        (Status.NOTIFIED, (Action.CLAIM, Action.REROUTE)),
        (Status.CLAIMED, (Action.REPLY, Action.RESOLVE, Action.RELEASE)),
        (Status.RESOLVED, ()),
        (Status.FAILED, ()),
        (Status.EXPIRED, ()),
        (Status.CANCELLED, ()),
    ],
)
def test_what_may_be_pressed_follows_the_status(status: Status, actions: tuple[Action, ...]):
    """Waiting: claim or reroute. Claimed: reply, resolve or release. Over: nothing."""
    assert actions_of(status) == notice(status=status).actions == actions


@pytest.mark.parametrize("status", Status)
def test_every_status_says_what_may_be_pressed(status: Status):
    """No status is forgotten."""
    assert set(actions_of(status)) <= set(Action)


def test_a_notice_brings_the_sentences_that_a_channel_may_need():
    """The label of its time, and what stands for the rest of a text that does not fit."""
    assert (notice().since, notice().rest) == ("Since", "… The rest is in the service.")


def test_a_test_message_says_that_it_is_one():
    """Marked in its title, with a key of its own and nothing to press."""
    first, second = trial("sales-slack", AT), trial("sales-slack", AT)
    assert first.title == "[test] The channel sales-slack works"
    assert first.key.startswith("test.")
    assert first.key != second.key
    assert (first.created_at, first.actions) == (AT, ())
