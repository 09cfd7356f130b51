"""Which published keys are usable."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.tokens import ABSENT, Json, ec_key, public_jwk, rsa_key, segment

from assistance.security import InvalidToken
from assistance.security.tokens.keys import KeySet, UnreadableKeysError


def parse(*entries: Any) -> KeySet:
    return KeySet.parse(json.dumps({"keys": entries}).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["sign"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"alg": ["RS256"]},
        {"kty": "oct", "k": segment(b"k" * 32)},
        {"kty": "EC"},
        {"kty": ["RSA"]},
        {"kty": ABSENT},
        {"crv": "P-256"},
        {"crv": []},
        {"kid": 1},
        {"n": ABSENT},
        {"n": 1},
        {"n": ""},
        {"n": "AQAB"},
        {"n": "***"},
        {"e": segment(b"\x01")},
        {"e": segment(b"\x02")},
        {"d": segment(b"\x03")},
    ],
)
def test_an_entry_that_is_not_for_checking_signatures_is_left_out(changes: Json) -> None:
    """Purpose, kind, algorithm and strength must fit; what is left out does not spoil its neighbour."""
    good = public_jwk(rsa_key("b"), kid="b")
    found = parse(public_jwk(rsa_key("a"), **{"kid": "a", **changes}), good)
    assert [key.id for key in found.keys] == ["b"]


@pytest.mark.parametrize(
    "changes", [{}, {"use": "sig"}, {"key_ops": ["verify", "x"]}, {"alg": "RS256"}, {"x5c": ["MII"]}]
)
def test_a_key_for_checking_signatures_is_usable(changes: Json) -> None:
    """What a key set need not say, it need not say."""
    assert parse(public_jwk(rsa_key("a"), kid="a", **changes)).find("a", "RS256")


def test_a_key_published_with_its_private_part_is_left_out() -> None:
    """Whoever can read it can sign, so that its signatures prove nothing."""
    leaked = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key("a"), as_dict=True)
    assert not parse({**leaked, "key_ops": ["verify"]}).keys


def test_a_key_serves_only_algorithms_of_its_kind() -> None:
    """A curve has one algorithm, an RSA key those of RSA, a key with `alg` that one."""
    found = parse(public_jwk(ec_key(), kid="ec"), public_jwk(rsa_key("a"), kid="a", alg="RS256"))
    assert found.find("ec", "ES256")
    assert [found.find(kid, name) for kid, name in (("ec", "ES384"), ("ec", "RS256"), ("a", "PS256"))] == [None] * 3


def test_two_keys_under_one_id_are_no_answer() -> None:
    """Which of them signed would be a guess."""
    twins = parse(public_jwk(rsa_key("a"), kid="a"), public_jwk(rsa_key("b"), kid="a"))
    with pytest.raises(InvalidToken):
        twins.find("a", "RS256")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["kty", "crv", "n", "e", "x", "y", "k", "kid", "use", "alg", "key_ops", "x5c"])


@settings(max_examples=50)
@given(st.lists(st.dictionaries(NAMES, JSON) | JSON, max_size=3))
def test_no_key_set_can_break_the_reader(entries: list[Any]) -> None:
    """Whatever stands in the list, it is usable or left out."""
    assert isinstance(parse(*entries), KeySet)


@given(st.binary())
def test_no_document_can_break_the_reader(document: bytes) -> None:
    """Whatever comes, it is a key set or is called unreadable."""
    try:
        KeySet.parse(document)
    except UnreadableKeysError as refusal:
        assert str(refusal)  # noqa: PT017 - either outcome is fine
