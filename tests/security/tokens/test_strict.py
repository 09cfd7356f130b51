"""Reading strictly: one text, one meaning."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistance.security.tokens.strict import MAX_DEPTH, from_base64url, json_object, to_base64url


@given(st.binary())
def test_base64url_comes_back(data: bytes) -> None:
    """What we encode we decode."""
    assert from_base64url(to_base64url(data)) == data


@given(st.text(alphabet="ABYZabyz0189-_+/= \n!é"))
def test_only_the_canonical_spelling_is_decoded(text: str) -> None:
    """No two texts decode to the same bytes."""
    try:
        data = from_base64url(text)
    except ValueError:
        return
    assert to_base64url(data) == text


@given(
    st.dictionaries(
        st.text(),
        st.integers() | st.text() | st.lists(st.booleans()) | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_an_object_comes_back(value: dict[str, Any]) -> None:
    """Every plain object is read as it was written."""
    assert json_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b'"a"',
        b"{",
        b"{}x",
        b"\xef\xbb\xbf{}",
        b'{"a":1,"a":1}',
        b'{"b":{"a":1,"a":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        b'{"a":' * 50_000,
        b"{'a':1}",
        b'{"a":"\n"}',
        b"{}".decode().encode("utf-16"),
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: bytes) -> None:
    """Anything but one plain JSON object is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - whose text it is does not matter
        json_object(text)


def test_the_deepest_allowed_object_is_read() -> None:
    """The depth cap counts the outer object."""
    depth = MAX_DEPTH - 1
    assert json_object(b'{"a":' + b"[" * depth + b"]" * depth + b"}")
