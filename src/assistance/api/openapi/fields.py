"""Header fields for the OpenAPI document: those that a call may carry, and those that tell something in an answer."""

from typing import Any

_WHOLE_NUMBER = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}

TAKEN: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "The same key and body within a week are the same ask, however often they come. Quoted or bare.",
        "schema": {"type": "string", "pattern": "^[!#-~]{1,255}$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "Prefer": {
        "description": "`wait=N`: hold the answer until there is news, N seconds at most (RFC 7240).",
        "schema": _TEXT,
        "example": "wait=3",
    },
    "If-Match": {
        "description": "Change it only if its `ETag` is still one of these (RFC 9110, section 13.1.1).",
        "schema": _TEXT,
    },
    "If-None-Match": {
        "description": "Answer 304 if its `ETag` is still one of these (RFC 9110, section 13.1.2).",
        "schema": _TEXT,
    },
    "Last-Event-ID": {
        "description": "The last event that a stream has told, which then goes on after it.",
        "schema": _TEXT,
    },
}
TOLD: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "That of the call, or a new one; it stands in every line of the log about it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    "Location": {"description": "The path of the request.", "schema": _TEXT},
    "ETag": {"description": "The version of the request, for `If-Match` and `If-None-Match`.", "schema": _TEXT},
    "Link": {"description": "The next page, where there is one (RFC 8288).", "schema": _TEXT},
    "Preference-Applied": {"description": "The `Prefer` that was heeded.", "schema": _TEXT},
    "Idempotency-Replayed": {
        "description": "The answer is that of the first ask with this key.",
        "schema": {"const": "true"},
    },
    "Retry-After": {"description": "Seconds until it is worth trying again.", "schema": _WHOLE_NUMBER},
    "RateLimit": {
        "description": "How many calls are left (`r`), and seconds until there is one more (`t`).",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {"description": "How many calls (`q`) in how many seconds (`w`) are served.", "schema": _TEXT},
}


def takes(*names: str) -> dict[str, Any]:
    """What the OpenAPI document says of an operation that heeds these header fields."""
    return {"parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names]}


def told(*names: str) -> dict[str, dict[str, str]]:
    """The `headers` of an answer that may have these."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def parts() -> dict[str, dict[str, Any]]:
    """Where `takes` and `told` point to."""
    parameters = {name: {"name": name, "in": "header", "required": False, **field} for name, field in TAKEN.items()}
    return {"parameters": parameters, "headers": TOLD}
