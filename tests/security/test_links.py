"""Signed values for links and cookies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistance.security import BadLink, Signer

NOW = 1_800_000_000.0
SIGNER = Signer(["new secret", "old secret"])


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=5))
def test_what_is_signed_comes_back(payload: dict[str, object]) -> None:
    """The payload survives the way through a URL, which needs no escaping."""
    token = SIGNER.sign("act", payload, NOW + 1)
    assert SIGNER.unsign("act", token, NOW) == payload
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_each_secret_of_the_list_is_accepted_and_the_first_signs() -> None:
    """Secrets can be changed without breaking links that are out; a dropped one counts no more."""
    old = Signer(["old secret"]).sign("act", {"n": 1}, NOW + 1)
    assert SIGNER.unsign("act", old, NOW) == {"n": 1}
    assert Signer(["new secret"]).unsign("act", SIGNER.sign("act", {"n": 2}, NOW + 1), NOW) == {"n": 2}
    with pytest.raises(BadLink):
        Signer(["new secret"]).unsign("act", old, NOW)


def test_a_link_expires() -> None:
    """At its end it is over."""
    token = SIGNER.sign("act", {}, NOW)
    assert SIGNER.unsign("act", token, NOW - 0.001) == {}
    with pytest.raises(BadLink, match="expired"):
        SIGNER.unsign("act", token, NOW)


def test_a_link_serves_one_purpose() -> None:
    """A value for one purpose is refused for all others, those with a like name included."""
    token = SIGNER.sign("act", {}, NOW + 1)
    for purpose in ("session", "ac", "act2", ""):
        with pytest.raises(BadLink):
            SIGNER.unsign(purpose, token, NOW)


def test_no_changed_character_goes_unnoticed() -> None:
    """Every single character of body and signature counts, and nothing may be added."""
    token = SIGNER.sign("act", {"request": "r", "action": "claim"}, NOW + 1)
    changed = [token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(len(token))]
    for bad in [
        *changed,
        token + "A",
        token + "=",
        token + ".",
        " " + token,
        token[:-1],
        "",
        ".",
        "é.é",
        "\ud800",
        "a" * 10_000,
    ]:
        with pytest.raises(BadLink):
            SIGNER.unsign("act", bad, NOW)


@pytest.mark.parametrize("secrets", [[], [""], ["a", ""]])
def test_nothing_is_signed_with_nothing(secrets: list[str]) -> None:
    """An empty secret is no secret."""
    with pytest.raises(ValueError, match="secret"):
        Signer(secrets)
