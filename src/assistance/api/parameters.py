"""What callers send, and get, in the same form wherever it means the same: ids, names, instants, pages, JSON."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError, to_json

from assistance.routing import MOMENT, parse_moment
from assistance.store import NotFoundError


def _canonical(request_id: str) -> str:
    """The id in its one form. Raises NotFoundError for what cannot be an id."""
    try:
        return str(UUID(request_id))
    except ValueError:
        raise NotFoundError(request_id) from None


def _plain(value: str) -> str:
    # No database stores NUL in a text, so nothing can have such a name.
    if "\x00" in value:
        raise PydanticCustomError("assistance", "must not contain the character NUL")
    return value


def _moment(value: str) -> str:
    try:
        parse_moment(value)
    except ValueError:
        raise PydanticCustomError("assistance", f"must be {MOMENT}") from None
    return value


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise PydanticCustomError("assistance", "must be the id of a request, or of a delivery: REQUEST.N")
    return value.lower()


_KEY = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?:\.[1-9][0-9]{0,4})?")

RequestId = Annotated[
    str, AfterValidator(_canonical), Path(description="The request's id.", json_schema_extra={"format": "uuid"})
]
Name = Annotated[str, AfterValidator(_plain), Field(max_length=255)]
"""What something is called, here or at the caller's."""
Moment = Annotated[
    str,
    AfterValidator(_moment),
    Field(json_schema_extra={"format": "date-time", "examples": ["2026-11-23T10:00:00+01:00"]}),
]
"""An instant in ISO 8601, with an offset; `parse_moment` reads it."""
DeliveryKey = Annotated[str, AfterValidator(_key), Field(json_schema_extra={"pattern": f"^{_KEY.pattern}$"})]
"""What names all deliveries of a request, or one: `REQUEST` or `REQUEST.N`; see `parse_key`."""
Limit = Annotated[int, Query(ge=1, le=200)]


def parse_key(key: str) -> tuple[str, int | None]:
    """The request's id and the number of the delivery, None where the key has none."""
    request_id, _, n = key.partition(".")
    return request_id, int(n) if n else None


def page_answer(request: Request, data: list[Any], following: str | None) -> Response:
    """A page of `data`; `following` is the cursor of the next one, to which a `Link` leads (RFC 8288)."""
    headers = {}
    if following:
        query = urlencode({**request.query_params, "cursor": following})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return json_answer({"data": data, "next_cursor": following}, headers)


def json_answer(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """200 with `value` as JSON."""
    return Response(to_json(value), 200, headers, "application/json")
