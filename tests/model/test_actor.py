"""Who did something, as text and back."""

import pytest

from assistance.model import Actor


@pytest.mark.parametrize(
    ("text", "actor", "called"),
    [
        ("slack:U123 Ana Ruiz", Actor("slack", "U123", "Ana Ruiz"), "Ana Ruiz"),
        ("slack:U123", Actor("slack", "U123"), "U123"),
        ("console:auth0|7 Ana", Actor("console", "auth0|7", "Ana"), "Ana"),
        ("telegram:42 Ana", Actor("telegram", "42", "Ana"), "Ana"),
        ("mail:ana@example.com", Actor("mail", "ana@example.com"), "ana@example.com"),
        ("api:desk", Actor("api", "desk"), "desk"),
        ("api:a client: two words", Actor("api", "a client: two words"), "a client: two words"),
        ("cli", Actor("cli", ""), "cli"),
    ],
)
def test_the_text_form_is_read_back(text: str, actor: Actor, called: str):
    """What is stored gives the same actor, the same text again, and the name that people know."""
    assert Actor.parse(text) == actor
    assert str(actor) == text
    assert actor.called == called
