"""The OpenAPI document: what FastAPI does not find out by itself.

That is the bodies that are read by hand, the header fields, the problems, and the topics of the routing file in force.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from assistance.access.json_body import components
from assistance.routing import Routing
from assistance.server.problems import MEDIA_TYPE

_TEXT = {"type": "string"}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "The same key and body within a week are the same request, however often they come. "
        "1 to 255 visible ASCII characters, quoted or bare.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "Prefer": {
        "description": "`wait=N`: hold the answer until the request changes, N seconds at most (RFC 7240).",
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
        "description": "The `sequence` of the last event that the client has; the stream goes on after it.",
        "schema": _TEXT,
    },
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "That of the call, or a new one; it stands in every log line about the call.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    "Location": {"description": "The path of the request.", "schema": _TEXT},
    "ETag": {"description": "The version of the request, for `If-Match` and `If-None-Match`.", "schema": _TEXT},
    "Link": {"description": "The next page, where there is one (RFC 8288).", "schema": _TEXT},
    "Preference-Applied": {"description": "The `Prefer` that was applied.", "schema": _TEXT},
    "Idempotency-Replayed": {
        "description": "The answer is that of the first call with this key.",
        "schema": {"const": "true"},
    },
    "Retry-After": {
        "description": "Seconds until it is worth trying again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit": {
        "description": "How many calls are left (`r`), and seconds until there is one more (`t`).",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {"description": "How many calls (`q`) in how many seconds (`w`) are served.", "schema": _TEXT},
}
_PROBLEM = "ProblemAnswer"
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "What went wrong, by RFC 9457.",
    "properties": {
        **dict.fromkeys(("type", "title", "detail", "request_id"), _TEXT),
        "status": {"type": "integer"},
    },
    "required": ["type", "title", "status", "detail", "request_id"],
}
_ALWAYS = (408, 413, 429, 431)
_HEADERS_OF: dict[int | str, tuple[str, ...]] = {
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}
_PROBLEMS = {
    400: "The request cannot be understood.",
    401: "The token is missing or not valid.",
    403: "The token lacks a scope, which is named.",
    404: "There is no such thing, or it belongs to another client.",
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
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of the OIDC issuer.",
}
_TOPIC = "A topic of the routing file in force, in any case of letters."
_NO_CALLBACK = "The name of a callback registered for this client: none is registered."


def takes(*names: str) -> dict[str, Any]:
    """What the document says of an operation that reads these header fields."""
    return {"parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names]}


def carries(*names: str) -> dict[str, dict[str, str]]:
    """The `headers` of an answer that may have these."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def documented(
    *problems: int,
    ok: Any = None,
    created: Any = None,
    no_content: bool = False,
    headers: Mapping[int | str, Sequence[str]] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint.

    Args:
        problems: the statuses of its problems, but for those that any endpoint may answer.
        ok: the type of its answer with 200.
        created: that with 201.
        no_content: whether it answers 204.
        headers: the header fields of an answer, by its status.
    """
    found: dict[int | str, dict[str, Any]] = {}
    if ok is not None:
        found[200] = {"model": ok, "description": "Here it is."}
    if created is not None:
        found[201] = {"model": created, "description": "It is on stable storage."}
    if no_content:
        found[204] = {"description": "Well."}
    for status in sorted({*problems, *_ALWAYS}):
        schema = {"$ref": f"#/components/schemas/{_PROBLEM}"}
        found[status] = {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    for code, answer in found.items():
        answer["headers"] = carries("X-Request-ID", *_HEADERS_OF.get(code, ()), *(headers or {}).get(code, ()))
    return found


def describe(app: FastAPI, routing: Callable[[], Routing], bodies: Sequence[type[BaseModel]]) -> None:
    """Let `app` answer `/openapi.json` with the whole document, made anew for each routing file.

    Args:
        app: what is described.
        routing: gives the routing file in force.
        bodies: those that endpoints read by hand; their field `topic` is one of the file's topics.
    """
    plain = app.openapi
    described: Routing | None = None

    def openapi() -> dict[str, Any]:
        nonlocal described
        current = routing()
        if app.openapi_schema is None or described is not current:
            app.openapi_schema, described = None, current
            _complete(plain(), current, components(*bodies))
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], routing: Routing, bodies: dict[str, Any]) -> None:
    for body in bodies.values():
        properties = body.get("properties", {})
        if "topic" in properties:
            properties["topic"] = {"$ref": "#/components/schemas/Topic"}
        if "callback" in properties and not routing.callbacks:
            # Callbacks are never listed: who may name which is between the operator and each client.
            properties["callback"] = {"type": "null", "description": _NO_CALLBACK}
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas |= bodies
    schemas["Topic"] = {"type": "string", "enum": sorted(routing.topics), "description": _TOPIC}
    schemas[_PROBLEM] = _PROBLEM_SCHEMA
    parts["parameters"] = {name: {"name": name, "in": "header", **field} for name, field in _PARAMETERS.items()}
    parts["headers"] = _HEADERS
    parts["securitySchemes"] = {"token": _TOKEN}
    for operation in (each for path in document["paths"].values() for each in path.values()):
        if "401" in operation["responses"]:
            operation["security"] = [{"token": []}]
