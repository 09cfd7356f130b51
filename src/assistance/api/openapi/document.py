"""The OpenAPI document: what FastAPI finds out, what is read by hand, and the topics of the routing file in force."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from assistance.access.json_body import components
from assistance.api.deliveries import Replay
from assistance.api.followups import Words
from assistance.api.openapi import fields
from assistance.api.openapi.schemas import ProblemAnswer
from assistance.api.operations import ExplainBody
from assistance.api.work import Destination
from assistance.intake import Ask
from assistance.routing import Routing

_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of the OIDC issuer.",
}
_BY_TOPIC = (Ask, Destination, ExplainBody)
_READ_BY_HAND = (*_BY_TOPIC, Words, Replay, ProblemAnswer)
_TOPIC = "A topic of the routing file in force; taken in any case of letters."
_NO_CALLBACK = "The name of a callback registered for this client: none is registered."


def describe(app: FastAPI, routing: Callable[[], Routing]) -> None:
    """Let `app` answer `/openapi.json` with the whole document, written anew when `routing` gives another one."""
    plain = app.openapi
    told: Routing | None = None

    def openapi() -> dict[str, Any]:
        nonlocal told
        current = routing()
        if app.openapi_schema is None or told is not current:
            app.openapi_schema, told = None, current
            _complete(plain(), current)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], routing: Routing) -> None:
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas.update(components(*_READ_BY_HAND))
    schemas["Topic"] = {"type": "string", "enum": sorted(routing.topics), "description": _TOPIC}
    for model in _BY_TOPIC:
        schemas[model.__name__]["properties"]["topic"] = {"$ref": "#/components/schemas/Topic"}
    if not routing.callbacks:
        # Their names are not told: who may name which is between the operator and each client.
        schemas[Ask.__name__]["properties"]["callback"] = {"type": "null", "description": _NO_CALLBACK}
    parts.update(fields.parts(), securitySchemes={"token": _TOKEN})
    for operation in (each for path in document["paths"].values() for each in path.values()):
        if "401" in operation["responses"]:
            operation["security"] = [{"token": []}]
