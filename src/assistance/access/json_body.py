"""Reading a body: strict JSON, so that what is stored is what was sent; and what OpenAPI says of such a body."""

import json
from hashlib import sha256
from typing import Any, Never, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from assistance.server.problems import Problem, validation_problem

M = TypeVar("M", bound=BaseModel)


async def read_json(request: Request) -> Any:
    """The body as JSON. Raises Problem: 415, or 400 for what is not JSON or would not survive a round trip."""
    headers = request.headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, detail="The body must not be compressed.")
    body = await request.body()
    try:
        text = body.decode()
        value = _strict.decode(text)
        if "\\u" in text:
            # Encoding again refuses lone surrogates, which no database and no channel can carry.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Problem(
            400, "Unreadable body", "The body is not valid JSON in UTF-8.", type_="/problems/unreadable-body"
        ) from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")


# Made once: `json.loads` would make a new one at every call.
_strict = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)


def validate(model: type[M], value: Any) -> M:
    """The body as an instance of `model`. Raises Problem 422, naming each value that is not valid."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise validation_problem(error.errors(include_url=False, include_input=False)) from None


def fingerprint(value: Any) -> bytes:
    """A hash that is the same for two bodies that differ only in white space and in the sequence of keys."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()


def described(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """What the OpenAPI document says of a body that is read by hand."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def components(*models: type[BaseModel]) -> dict[str, Any]:
    """The schemas of such bodies, for the OpenAPI document."""
    schemas: dict[str, Any] = {}
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return schemas
