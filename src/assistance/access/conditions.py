"""Conditional, patient and choosy calls: `ETag`, `If-Match` and the like, `Accept`, `Prefer: wait`.

RFC 9110, sections 13 and 12.5.1; RFC 7240.
"""

import re
from hashlib import blake2b

from fastapi import Request
from pydantic_core import to_json

from assistance.model import represent
from assistance.store import Precondition

LONGEST_WAIT = 60.0
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def etag(body: bytes) -> str:
    """A strong validator: the same exactly as long as the answer is."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def _named(request: Request, header: str) -> list[str]:
    """The tags that the header names, `*` among them."""
    return [each.strip() for value in request.headers.getlist(header) for each in value.split(",")]


def unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this answer already; a weak tag will do."""
    return not {tag, f"W/{tag}", "*"}.isdisjoint(_named(request, "if-none-match"))


def precondition_of(request: Request) -> Precondition | None:
    """What knows the version that `If-Match` names; None without. For the store, which asks before it changes it.

    A weak tag names none: it promises no more than that two answers mean about the same.
    """
    if "if-match" not in request.headers:
        return None
    given = _named(request, "if-match")
    return lambda seen, owed: "*" in given or etag(to_json(represent(seen, owed))) in given


def prefers(request: Request, kind: str, usual: str) -> bool:
    """Whether `Accept` wants `kind` more than `usual`; where it wants both alike, whether it names it."""
    weights = dict(_weighed(each) for value in request.headers.getlist("accept") for each in value.split(","))
    wanted, other = (
        next((weights[each] for each in (name, f"{name.partition('/')[0]}/*", "*/*") if each in weights), 0.0)
        for name in (kind, usual)
    )
    return wanted > other or (wanted == other > 0 and kind in weights)


def _weighed(media_range: str) -> tuple[str, float]:
    """A media range, any other parameter left out, and its quality; one that cannot be read is as good as none."""
    name, *parameters = (each.strip() for each in media_range.lower().split(";"))
    quality = next((match[1] for each in parameters if (match := _QUALITY.fullmatch(each))), 1)
    return name, float(quality)


def wait_of(request: Request) -> float | None:
    """The seconds of `Prefer: wait=…`, at most a minute; None without."""
    for value in request.headers.getlist("prefer"):
        for preference in value.split(","):
            if match := re.fullmatch(r'\s*wait\s*=\s*"?(\d{1,6})"?\s*', preference.partition(";")[0], re.IGNORECASE):
                return min(float(match[1]), LONGEST_WAIT)
    return None
