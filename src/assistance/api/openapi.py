"""The OpenAPI document: what FastAPI does not find out by itself.

That is the bodies that are read by hand, the header fields, the problems, and the topics of the routing file in force.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from assistance.access.json_body import components
from assistance.routing import Routing
from assistance.server.problems import MEDIA_TYPE, Problem

_PARAMETERS = {
    "Idempotency-Key": "The same key and body within a week are the same request, however often they come. "
    "1 to 255 visible ASCII characters, quoted or bare.",
    "Prefer": "`wait=N`: hold the answer until the request changes, N seconds at most (RFC 7240).",
    "If-Match": "Change it only if its `ETag` is still one of these (RFC 9110, section 13.1.1).",
    "If-None-Match": "Answer 304 if its `ETag` is still one of these (RFC 9110, section 13.1.2).",
    "Last-Event-ID": "The `sequence` of the last event that the client has; the stream goes on after it.",
}
_HEADERS = {
    "X-Request-ID": "That of the call, or a new one; it stands in every log line about the call.",
    "Location": "The path of the request.",
    "ETag": "The version of the request, for `If-Match` and `If-None-Match`.",
    "Link": "The next page, where there is one (RFC 8288).",
    "Preference-Applied": "The `Prefer` that was applied.",
    "Idempotency-Replayed": "`true`: the answer is that of the first call with this key.",
    "Retry-After": "Seconds until it is worth trying again.",
    "RateLimit": "How many calls are left (`r`), and seconds until there is one more (`t`).",
    "RateLimit-Policy": "How many calls (`q`) in how many seconds (`w`) are served.",
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "type": "string",
        "pattern": "^[!-~]{1,255}$",
        "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    },
    "Prefer": {"type": "string", "examples": ["wait=3"]},
    "Retry-After": {"type": "integer", "minimum": 0},
}
"""Of header fields that are more than a text."""
_TEXT = {"type": "string"}
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
        found[status] = {"description": Problem(status).detail, "content": {MEDIA_TYPE: {"schema": schema}}}
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
    parts["headers"] = {name: _field(name, text) for name, text in _HEADERS.items()}
    parts["parameters"] = {
        name: {"name": name, "in": "header", **_field(name, text)} for name, text in _PARAMETERS.items()
    }
    parts["securitySchemes"] = {"token": _TOKEN}
    for operation in (each for path in document["paths"].values() for each in path.values()):
        if "401" in operation["responses"]:
            operation["security"] = [{"token": []}]


def _field(name: str, description: str) -> dict[str, Any]:
    return {"description": description, "schema": _SCHEMAS.get(name, _TEXT)}
