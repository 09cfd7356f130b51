"""base64url and JSON read so that a text has one meaning only: other readers of it cannot find another one."""

import base64
import json
import math
from itertools import chain
from typing import Any

MAX_DEPTH = 32
"""Levels of arrays and objects; tokens of known issuers have a few."""


def to_base64url(data: bytes) -> str:
    """RFC 7515, section 2: the URL-safe alphabet, no padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes that `to_base64url` makes exactly this text of.

    Raises:
        ValueError: any other text, with padding, white space, foreign characters or unused bits that are set.
    """
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # The decoder skips unknown characters: only a canonical text is what its bytes encode to.
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def json_object(data: bytes) -> dict[str, Any]:
    """The JSON object (RFC 8259) in `data`, where every reader finds the same one.

    Raises:
        ValueError: not UTF-8, not JSON, not an object, a name twice in one object, NaN or infinity, a lone surrogate,
            or deeper than `MAX_DEPTH`.
    """
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for whatever is wrong with a text
    _inspect(value, MAX_DEPTH)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice")
    return members


def _inspect(value: object, depth: int) -> None:
    if isinstance(value, str):
        value.encode()  # refuses lone surrogates, which no log, header or database takes
    elif isinstance(value, float) and not math.isfinite(value):  # Python reads NaN, Infinity and 1e999
        raise ValueError("not a finite number")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise ValueError("too deep")
        for child in chain(value, value.values()) if isinstance(value, dict) else value:
            _inspect(child, depth - 1)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
