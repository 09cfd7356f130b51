"""What an endpoint may answer, for the OpenAPI document."""

from collections.abc import Mapping, Sequence
from typing import Any

from assistance.api.openapi.fields import told
from assistance.api.openapi.schemas import ProblemAnswer
from assistance.server.problems import MEDIA_TYPE

_ALWAYS = (408, 413, 429, 431)
_TOLD: dict[int | str, tuple[str, ...]] = {
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}
_WORDS = {
    400: "The request cannot be understood.",
    401: "The token is missing or not valid.",
    403: "The token lacks a scope, which is named.",
    404: "There is no such thing, or it belongs to somebody else.",
    405: "The address does not answer to this method.",
    408: "The request took too long to arrive.",
    409: "The state does not allow that.",
    412: "It has changed since.",
    413: "The body is larger than 192 KB.",
    415: "The body is not JSON.",
    422: "A value is not valid; `errors` says which.",
    429: "Too many requests; `Retry-After` says when to go on.",
    431: "The header fields are larger than 16 KB.",
    503: "It cannot be done now; `Retry-After` says when to try again.",
}


def documented(
    *problems: int,
    ok: type[Any] | None = None,
    created: type[Any] | None = None,
    no_content: bool = False,
    tells: Mapping[int | str, Sequence[str]] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint: its problems by status, its good answers, and the header fields these carry."""
    found: dict[int | str, dict[str, Any]] = {}
    if ok is not None:
        found[200] = {"model": ok, "description": "Here it is."}
    if created is not None:
        found[201] = {"model": created, "description": "It is on stable storage."}
    if no_content:
        found[204] = {"description": "Well."}
    for status in sorted({*problems, *_ALWAYS}):
        schema = {"$ref": f"#/components/schemas/{ProblemAnswer.__name__}"}
        found[status] = {"description": _WORDS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    for code, answer in found.items():
        answer["headers"] = told("X-Request-ID", *_TOLD.get(code, ()), *(tells or {}).get(code, ()))
    return found
