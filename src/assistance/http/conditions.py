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


def _named(request: Request, header: str) -> list[str]:
    """The tags that the header names, `*` among them."""
    return [each.strip() for value in request.headers.getlist(header) for each in value.split(",")]


def unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this answer already; a weak tag will do."""
    return not {tag, f"W/{tag}", "*"}.isdisjoint(_named(request, "if-none-match"))


def guard_of(request: Request) -> Guard | None:
    """What knows the version that `If-Match` names; None without. For the store, which asks before it changes it.

    A weak tag names none: it promises no more than that two answers mean about the same.
    """
    if "if-match" not in request.headers:
        return None
    given = _named(request, "if-match")
    return lambda seen, owed: "*" in given or etag(to_json(represent(seen, owed))) in given


def wait_of(request: Request) -> float | None:
    """The seconds of `Prefer: wait=…`, at most a minute; None without."""
    for value in request.headers.getlist("prefer"):
        for preference in value.split(","):
            if match := re.fullmatch(r'\s*wait\s*=\s*"?(\d{1,6})"?\s*', preference.partition(";")[0], re.IGNORECASE):
                return min(float(match[1]), LONGEST_WAIT)
    return None
