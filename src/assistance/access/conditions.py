"""Preconditions, content negotiation and waiting: `ETag`, `If-Match`, `If-None-Match`, `Accept`, `Prefer: wait`.

RFC 9110, sections 13 and 12.5.1; RFC 7240.
"""

import re

from fastapi import Request

from assistance.model import Snapshot

LONGEST_WAIT = 60.0
_TAG = re.compile(r'"(0|[1-9][0-9]{0,17})"')
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def etag(snapshot: Snapshot) -> str:
    """The version of the request as a strong validator."""
    return f'"{snapshot.version}"'


def _named(request: Request, header: str) -> list[str]:
    """The tags that the header names, `*` among them."""
    return [each.strip() for value in request.headers.getlist(header) for each in value.split(",")]


def unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has this answer already, by weak comparison (RFC 9110, section 13.1.2)."""
    return not {tag, f"W/{tag}", "*"}.isdisjoint(_named(request, "if-none-match"))


def if_match_of(request: Request) -> frozenset[int] | None:
    """The versions that `If-Match` names, of which the request must have one; None: any.

    Strong comparison (RFC 9110, section 13.1.1): a weak tag names no version, nor does what is no tag of ours.
    """
    given = _named(request, "if-match")
    if "if-match" not in request.headers or "*" in given:
        return None
    return frozenset(int(tag[1]) for each in given if (tag := _TAG.fullmatch(each)))


def prefers(request: Request, kind: str, usual: str) -> bool:
    """Whether `Accept` weighs `kind` higher than `usual`; where it weighs both alike, whether it names `kind`."""
    weights = dict(_weighed(each) for value in request.headers.getlist("accept") for each in value.split(","))
    mine, other = (
        next((weights[each] for each in (name, f"{name.partition('/')[0]}/*", "*/*") if each in weights), 0.0)
        for name in (kind, usual)
    )
    return mine > other or (mine == other > 0 and kind in weights)


def _weighed(media_range: str) -> tuple[str, float]:
    """A media range without its parameters, and its quality: 1 where there is none that can be read."""
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
