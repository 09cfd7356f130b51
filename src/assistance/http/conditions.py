"""Conditional and patient calls: `ETag`, `If-Match` and the like (RFC 9110, section 13), `Prefer: wait` (RFC 7240)."""

import re
from hashlib import blake2b

from fastapi import Request
from pydantic_core import to_json

from assistance.model import represent
from assistance.store import Guard

LONGEST_WAIT = 60.0


def etag(body: bytes) -> str:
    """A strong validator: the same exactly as long as the answer is."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def _named(request: Request, header: str, tag: str) -> bool | None:
    """Whether the header names the tag (or any); None when it is not there."""
    values = request.headers.getlist(header)
    if not values:
        return None
    given = [each.strip().removeprefix("W/") for value in values for each in value.split(",")]
    return tag in given or "*" in given


def unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this answer already."""
    return _named(request, "if-none-match", tag) is True


def guard_of(request: Request) -> Guard | None:
    """What knows the version that `If-Match` names; None without. For the store, which asks before it changes it."""
    if "if-match" not in request.headers:
        return None
    return lambda seen, owed: _named(request, "if-match", etag(to_json(represent(seen, owed)))) is True


def wait_of(request: Request) -> float | None:
    """The seconds of `Prefer: wait=…`, at most a minute; None without."""
    for value in request.headers.getlist("prefer"):
        for preference in value.split(","):
            if match := re.fullmatch(r'\s*wait\s*=\s*"?(\d{1,6})"?\s*', preference.partition(";")[0], re.IGNORECASE):
                return min(float(match[1]), LONGEST_WAIT)
    return None
