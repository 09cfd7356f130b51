"""Pages by cursor: stable while new requests come in."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request

from assistance.server.problems import refused

_REQUESTS = b"\x01"
_DELIVERIES = b"\x02"
_UUID = 16
_N = 2

# What is written above, in base64url: every string of this form is a cursor.
RequestCursor = Annotated[
    str | None, Query(json_schema_extra={"pattern": "^A[Q-Za-f][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$"})
]
DeliveryCursor = Annotated[str | None, Query(json_schema_extra={"pattern": "^A[g-v][A-Za-z0-9_-]{23}[AQgw]$"})]


def cursor_after(request_id: str) -> str:
    """The cursor of the page that begins after this request."""
    return _encoded(_REQUESTS + UUID(request_id).bytes)


def read_cursor(cursor: str | None) -> str | None:
    """The id of the last request of the page before. Raises a 422 problem for what we did not give out."""
    if cursor is None:
        return None
    return str(UUID(bytes=_decoded(cursor, _REQUESTS, _UUID)))


def delivery_cursor(request_id: str, n: int) -> str:
    """The cursor of the page that begins after this delivery."""
    return _encoded(_DELIVERIES + UUID(request_id).bytes + n.to_bytes(_N))


def read_delivery_cursor(cursor: str | None) -> tuple[str, int] | None:
    """The key of the last delivery of the page before. Raises a 422 problem for what we did not give out."""
    if cursor is None:
        return None
    raw = _decoded(cursor, _DELIVERIES, _UUID + _N)
    return str(UUID(bytes=raw[:_UUID])), int.from_bytes(raw[_UUID:])


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(cursor: str, version: bytes, size: int) -> bytes:
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raw = b""
    # One cursor has one form: decoding is lenient, and what it would overlook we did not give out.
    if len(raw) != 1 + size or raw[:1] != version or _encoded(raw) != cursor:
        raise refused(("query", "cursor"), "must be a cursor that this service gave out")
    return raw[1:]


def next_link(request: Request, cursor: str) -> str:
    """The `Link` header (RFC 8288) of the next page."""
    query = {**request.query_params, "cursor": cursor}
    return f'<{request.url.path}?{urlencode(query)}>; rel="next"'
