"""Who may do what."""

import pytest

from assistance.security import Principal
from assistance.security.tokens import scopes


def principal(*words: str) -> Principal:
    return Principal("bot-1@clients", frozenset(words), 2e9)


def test_the_words_are_those_of_the_contract() -> None:
    """The rights are named as callers know them."""
    assert [scopes.PING, scopes.REQUEST, scopes.READ, scopes.WORK, scopes.MANAGE] == [
        "ping",
        "request-assistance",
        "read-assistance",
        "work-assistance",
        "manage-assistance",
    ]


@pytest.mark.parametrize(
    ("word", "sales", "pricing"),
    [
        ("request-assistance", True, True),
        ("request-assistance:sales", True, False),
        ("request-assistance:pricing", False, True),
        ("request-assistance:SALES", False, False),
        ("request-assistance:sale", False, False),
        ("request-assistance:sales2", False, False),
        ("request-assistance:sales ", False, False),
        ("request-assistance:*", False, False),
        ("request-assistance:", False, False),
        ("Request-assistance:sales", False, False),
        ("xrequest-assistance:sales", False, False),
        ("read-assistance", False, False),
        ("manage-assistance", False, False),
    ],
)
def test_asking_is_by_the_whole_word_or_by_topic(word: str, *, sales: bool, pricing: bool) -> None:
    """The general right covers all topics, the other exactly its own."""
    caller = principal("ping", word)
    assert scopes.may_request(caller, "sales") is sales
    assert scopes.may_request(caller, "Sales") is sales
    assert scopes.may_request(caller, "pricing") is pricing
    assert not scopes.may_request(principal("ping"), "sales")


def test_topics_are_all_some_or_none() -> None:
    """None stands for all topics, so that those added later count too."""
    assert scopes.topics_for(principal("request-assistance", "request-assistance:sales")) is None
    assert scopes.topics_for(principal("request-assistance:a", "request-assistance:b")) == frozenset({"a", "b"})
    assert scopes.topics_for(principal("ping")) == frozenset()


@pytest.mark.parametrize(
    ("word", "reads", "works", "manages"),
    [
        ("read-assistance", True, False, False),
        ("work-assistance", True, True, False),
        ("manage-assistance", True, False, True),
        ("request-assistance", False, False, False),
        ("manage-assistance-x", False, False, False),
    ],
)
def test_work_and_manage_include_reading(word: str, *, reads: bool, works: bool, manages: bool) -> None:
    """Whoever acts on everything reads everything; nobody works by managing or the other way round."""
    caller = principal(word)
    assert (scopes.may_read_all(caller), scopes.may_work(caller), scopes.may_manage(caller)) == (reads, works, manages)
