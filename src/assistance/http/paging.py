"""Pages by cursor: stable while new requests come in."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request

from assistance.http.problems import validation_problem

_VERSION = b"\x01"
_NOT_OURS = {"type": "assistance", "loc": ("query", "cursor"), "msg": "must be a cursor that this service gave out"}


def cursor_after(request_id: str) -> str:
    """The cursor of the page that begins after this request."""
    return urlsafe_b64encode(_VERSION + UUID(request_id).bytes).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """The id of the last request of the page before. Raises a 422 problem for what we did not give out."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if raw[:1] != _VERSION or cursor_after(str(UUID(bytes=raw[1:]))) != cursor:
            raise ValueError(cursor)
        return str(UUID(bytes=raw[1:]))
    except ValueError:
        raise validation_problem([_NOT_OURS]) from None


def next_link(request: Request, cursor: str) -> str:
    """The `Link` header (RFC 8288) of the next page."""
    query = {**request.query_params, "cursor": cursor}
    return f'<{request.url.path}?{urlencode(query)}>; rel="next"'
